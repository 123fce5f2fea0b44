//! The control socket from the outside: one call per request, HTTP/1.1 with JSON.
//!
//! Which request means what is said in `agent_harness_model::api`; here it is only carried.

mod stream;

use std::convert::Infallible;
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_harness_model::api::{ErrorBody, Frame, FrameError, Object};
use agent_harness_model::id::{ObjectKey, Uid};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::mpsc::Receiver;

use crate::error::{Exit, Failure};
use crate::state::State;
use crate::whose::Surroundings;
pub use stream::{Lines, Replies};

/// How long a connection may take, and then the answer: longer than the controller itself waits for anything
/// that it answers, git and a first look at the specs included.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 60 });

/// Talks to the controller of one state folder.
#[derive(Debug, Clone)]
pub struct Client {
    state: State,
    around: Surroundings,
    patience: Duration,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens on the socket.
    #[error("the controller does not run: nothing listens on {}", socket.display())]
    Down {
        /// The socket.
        socket: PathBuf,
        /// The state folder, for the hint.
        folder: PathBuf,
    },
    /// The socket is there and does not let us in.
    #[error("cannot talk to the controller on {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The socket takes the request, and nothing comes back.
    #[error("the controller does not answer: nothing came from {} in {}", socket.display(), spell(*after))]
    Silent {
        /// The socket.
        socket: PathBuf,
        /// The state folder, for the hint.
        folder: PathBuf,
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection ended before the answer did.
    #[error("the controller broke off in the middle of an answer")]
    Broken(#[source] hyper::Error),
    /// The answer has another shape than expected.
    #[error("the controller's answer is not understood")]
    Answer(#[source] serde_json::Error),
    /// What comes from a command is no frame.
    #[error("the controller's answer is not understood")]
    Frame(#[source] FrameError),
    /// The controller said no.
    #[error("{}", body.message)]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What it said.
        body: ErrorBody,
    },
}

impl ClientError {
    /// Whether nothing listens.
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Down { .. })
    }

    /// Whether there is no controller any more: it never answered, or ended in the middle of its answer.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::Broken(_))
    }

    /// Whether what was asked for is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether what was asked for makes no sense.
    pub fn is_invalid(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// Whether the controller went away while it was asked, or is not so far yet, so that asking again may help.
    pub fn is_interruption(&self) -> bool {
        match self {
            Self::Down { .. } | Self::Silent { .. } | Self::Broken(_) => true,
            Self::Refused { status, .. } => *status == StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect { .. } | Self::Answer(_) | Self::Frame(_) => false,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            // 409 and 423: not until something else was done.
            ClientError::Refused { status, .. }
                if *status == StatusCode::CONFLICT || *status == StatusCode::LOCKED =>
            {
                Exit::Blocked
            }
            ClientError::Refused { status, .. } if *status == StatusCode::SERVICE_UNAVAILABLE => {
                Exit::NotReady
            }
            ClientError::Down { .. }
            | ClientError::Silent { .. }
            | ClientError::Connect { .. }
            | ClientError::Broken(_)
            | ClientError::Answer(_)
            | ClientError::Frame(_)
            | ClientError::Refused { .. } => Exit::Failed,
        };
        let failure = Self::from_error(exit, &error);
        match error {
            ClientError::Down { folder, .. } => failure
                .hint(format!("start it: controller run --specs DIR --state {}", folder.display())),
            ClientError::Silent { folder, .. } => failure.hint(format!(
                "is it stopped, or is the machine too busy? {} names its process",
                folder.join("lock").display()
            )),
            ClientError::Connect { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                failure.hint("the socket belongs to the user who started the controller")
            }
            ClientError::Answer(_) | ClientError::Frame(_) => {
                failure.hint("`ctl info` shows both versions; they should be the same")
            }
            ClientError::Connect { .. } | ClientError::Broken(_) => failure,
            ClientError::Refused { body, .. } => Self { diagnostics: body.diagnostics, ..failure },
        }
    }
}

pub type Answer<T> = std::result::Result<T, ClientError>;

impl Client {
    /// A client for the controller of a state folder. Nothing is opened yet.
    pub fn new(state: State) -> Self {
        Self { state, around: Surroundings::default(), patience: PATIENCE }
    }

    /// The same, for whoever asks from there.
    pub fn from(self, around: Surroundings) -> Self {
        Self { around, ..self }
    }

    /// From where it is asked.
    pub fn around(&self) -> &Surroundings {
        &self.around
    }

    /// The state folder.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Asks for something.
    pub async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Answer<T> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// Sends something.
    pub async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&impl serde::Serialize>,
    ) -> Answer<T> {
        self.call(Method::POST, path, body).await
    }

    /// Sends what has no answer but that it was done.
    pub async fn order(&self, path: &str) -> Answer<()> {
        let order = async {
            let response = self.send(Method::POST, path, None::<&()>).await?;
            response.into_body().collect().await.map_err(ClientError::Broken)?;
            Ok(())
        };
        self.bounded(order).await
    }

    /// Removes what has no answer but that it was done.
    pub async fn remove(&self, path: &str) -> Answer<()> {
        let order = async {
            let response = self.send(Method::DELETE, path, None::<&()>).await?;
            response.into_body().collect().await.map_err(ClientError::Broken)?;
            Ok(())
        };
        self.bounded(order).await
    }

    /// Removes something.
    pub async fn delete<T: serde::de::DeserializeOwned>(&self, path: &str) -> Answer<T> {
        self.call(Method::DELETE, path, None::<&()>).await
    }

    /// Asks for a stream of values, one a line, that goes on for as long as it likes.
    pub async fn follow(&self, path: &str) -> Answer<Lines> {
        let response = self.bounded(self.send(Method::GET, path, None::<&()>)).await?;
        Ok(Lines::new(response.into_body()))
    }

    /// Sends something, and is told how far it is: values, one a line, for as long as it takes.
    pub async fn report(&self, path: &str, body: &impl serde::Serialize) -> Answer<Lines> {
        let response = self.bounded(self.send(Method::POST, path, Some(body))).await?;
        Ok(Lines::new(response.into_body()))
    }

    /// Asks for values, one a line, that end by themselves.
    pub async fn list<T: serde::de::DeserializeOwned>(&self, path: &str) -> Answer<Vec<T>> {
        let list = async {
            let response = self.send(Method::GET, path, None::<&()>).await?;
            let mut lines = Lines::new(response.into_body());
            let mut values = Vec::new();
            while let Some(value) = lines.next().await? {
                values.push(value);
            }
            Ok(values)
        };
        self.bounded(list).await
    }

    /// All objects.
    pub async fn objects(&self) -> Answer<Vec<Object>> {
        self.get("/v1/objects").await
    }

    /// All objects, with the generations of the specs as they are in the folder at this moment.
    pub async fn objects_of_now(&self) -> Answer<Vec<Object>> {
        self.get("/v1/objects?fresh=true").await
    }

    /// One object.
    pub async fn object(&self, key: &ObjectKey) -> Answer<Object> {
        self.get(&path(key, "")).await
    }

    /// The first of these incarnations that is there in any form, also in the trash; absent when none is.
    pub async fn first_of(&self, key: &ObjectKey, uids: &[Uid]) -> Answer<Object> {
        let Some((last, others)) = uids.split_last() else { return self.object(key).await };
        let get = async |uid| self.get(&path(key, &format!("?uid={}", encode(uid)))).await;
        for uid in others {
            match get(uid).await {
                Err(error) if error.is_absent() => {}
                answer => return answer,
            }
        }
        get(last).await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl serde::Serialize>,
    ) -> Answer<T> {
        let call = async {
            let response = self.send(method, path, body).await?;
            let bytes = response.into_body().collect().await.map_err(ClientError::Broken)?;
            serde_json::from_slice(&bytes.to_bytes()).map_err(ClientError::Answer)
        };
        self.bounded(call).await
    }

    /// Waits for an answer, but not for ever: a controller that is stopped takes requests all the same.
    async fn bounded<T>(&self, answer: impl Future<Output = Answer<T>>) -> Answer<T> {
        tokio::time::timeout(self.patience, answer).await.unwrap_or_else(|_| {
            Err(ClientError::Silent {
                socket: self.state.socket(),
                folder: self.state.folder().to_owned(),
                after: self.patience,
            })
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl serde::Serialize>,
    ) -> Answer<Response<Incoming>> {
        let bytes = match body {
            Some(body) => serde_json::to_vec(body).map_err(ClientError::Answer)?,
            None => Vec::new(),
        };
        self.request(method, path, Full::new(Bytes::from(bytes))).await
    }

    /// Sends a body that goes on while the answer comes.
    pub async fn exchange(&self, path: &str, frames: Receiver<Frame>) -> Answer<Replies> {
        let exchange = self.request(Method::POST, path, stream::body(frames));
        Ok(Replies::new(self.bounded(exchange).await?.into_body()))
    }

    async fn request<B>(&self, method: Method, path: &str, body: B) -> Answer<Response<Incoming>>
    where
        B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(ClientError::Broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "control.sock")
            .header("content-type", "application/json")
            .body(body);
        let request = request.map_err(|error| ClientError::Refused {
            status: StatusCode::BAD_REQUEST,
            body: ErrorBody { message: format!("{path}: {error}"), diagnostics: Vec::new() },
        })?;
        let response = sender.send_request(request).await.map_err(ClientError::Broken)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.into_body().collect().await.map_err(ClientError::Broken)?.to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| ErrorBody {
            message: format!("the controller answered {status} to {path}"),
            diagnostics: Vec::new(),
        });
        Err(ClientError::Refused { status, body })
    }

    async fn connect(&self) -> Answer<UnixStream> {
        let socket = self.state.socket();
        connect(&socket).await.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::Down { socket, folder: self.state.folder().to_owned() }
            }
            _ => ClientError::Connect { socket, source },
        })
    }
}

fn spell(time: Duration) -> String {
    agent_harness_model::spec::Duration(time).to_string()
}

/// The path of an object, and of something of it (`/logs`).
pub fn path(key: &ObjectKey, rest: &str) -> String {
    format!("/v1/objects/{}/{}{rest}", key.kind, encode(&key.name))
}

/// A value as a part of a path or query.
pub fn encode(value: impl Display) -> String {
    let mut text = String::new();
    for byte in value.to_string().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Connects also where the path is longer than the 107 bytes that a socket's address holds.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return UnixStream::connect(socket).await;
    };
    if socket.as_os_str().len() <= 107 {
        return UnixStream::connect(socket).await;
    }
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    UnixStream::connect(short).await
}
