//! A stand-in for the API of a forge, on loopback: says who may do what, takes pull requests and comments, and keeps
//! what it was sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What one request was.
struct Request {
    /// Method and path.
    what: String,
    authorization: String,
    body: Value,
}

struct State {
    seen: Vec<Request>,
    permission: (u16, Value),
    pull: (u16, Value),
}

/// The stand-in; it answers until the test ends.
pub struct Forge {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Forge {
    /// One where everybody may write.
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            seen: Vec::new(),
            permission: (200, json!({"permission": "write"})),
            pull: (201, json!({"html_url": "http://forge.test/pull/1"})),
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away is none of our business.
                let _ = answer(stream, &shared);
            }
        });
        Self { port, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it answers when it is asked who may do what.
    pub fn permission(&self, status: u16, body: &Value) {
        self.state.lock().unwrap().permission = (status, body.clone());
    }

    /// Takes no pull requests from now on.
    pub fn refuse_pulls(&self) {
        let body = json!({"message": "not permitted to create pull requests"});
        self.state.lock().unwrap().pull = (403, body);
    }

    /// The methods and paths of all requests.
    pub fn seen(&self) -> Vec<String> {
        self.state.lock().unwrap().seen.iter().map(|it| it.what.clone()).collect()
    }

    /// The bodies of the requests with that method and path.
    pub fn bodies(&self, what: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|it| it.what == what).map(|it| it.body.clone()).collect()
    }

    /// Whether every request carried that token.
    pub fn all_carried(&self, token: &str) -> bool {
        let expected = format!("Bearer {token}");
        self.state.lock().unwrap().seen.iter().all(|it| it.authorization == expected)
    }

    pub fn forget(&self) {
        self.state.lock().unwrap().seen.clear();
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let what = line.rsplit_once(' ').map_or("", |(what, _)| what).to_owned();
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => value.trim().clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut state = state.lock().unwrap();
    let (status, answer) = match what.as_str() {
        it if it.ends_with("/permission") => state.permission.clone(),
        it if it.ends_with("/pulls") => state.pull.clone(),
        it if it.ends_with("/comments") => (201, json!({})),
        _ => (404, json!({"message": "Not Found"})),
    };
    state.seen.push(Request { what, authorization, body });
    let answer = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )
}
