//! Where the lines of a log come from: its file, or the controller, which has them from the Docker engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_harness_model::id::ObjectKey;
use agent_harness_shim::logs::{self, Follower, From, Joiner, Line};
use tokio::sync::mpsc;

use crate::client::{Client, Lines, encode, path};
use crate::error::{Failure, Result};

/// What a container wrote until now has come when nothing more came for this time.
const QUIET: Duration = Duration::from_millis(200);
/// The longest time that is waited for that.
const SO_FAR: Duration = Duration::from_secs(3);
/// Between two tries to go on when the controller went away.
const AGAIN: Duration = Duration::from_secs(1);

/// A log that is read.
pub enum Source {
    /// Its file.
    File { path: PathBuf, follower: Box<Follower> },
    /// What the controller streams; closed when it is not followed.
    Streamed(mpsc::Receiver<Line>),
    /// Nothing comes of it.
    Silent,
}

impl Source {
    /// Opens a file; the lines that are there.
    pub fn file(path: PathBuf, from: From) -> Result<(Self, Vec<Line>)> {
        let (follower, lines) =
            Follower::open(&path, from).map_err(|error| failed(&path, &error))?;
        Ok((Self::File { path, follower: Box::new(follower) }, lines))
    }

    /// What the run before the latest one wrote, if there was one.
    pub fn previous(path: &Path, from: From) -> Result<Option<(Self, Vec<Line>)>> {
        let lines = logs::previous(path, from).map_err(|error| failed(path, &error))?;
        Ok(lines.map(|lines| (Self::Silent, lines)))
    }

    /// Asks the controller for a container's output; the lines so far.
    pub async fn streamed(
        client: &Client,
        (key, name): (&ObjectKey, &str),
        from: From,
        follow: bool,
    ) -> Result<(Self, Vec<Line>)> {
        let stream =
            Stream { client: client.clone(), base: path(key, &format!("/logs/{}", encode(name))) };
        let mut body = stream.open(from, follow).await?;
        let mut lines = Vec::new();
        let (sender, mut received) = mpsc::channel(1024);
        if !follow {
            let mut joiner = Joiner::default();
            while let Some(line) = body.next_line().await? {
                joiner.push(line, &mut |line| lines.push(line));
            }
            return Ok((Self::Streamed(received), lines));
        }
        tokio::spawn(stream.follow(body, sender));
        let so_far = async {
            while let Ok(Some(line)) = tokio::time::timeout(QUIET, received.recv()).await {
                lines.push(line);
            }
        };
        // What is left comes with the next look.
        let _ = tokio::time::timeout(SO_FAR, so_far).await;
        Ok((Self::Streamed(received), lines))
    }

    /// The lines written since the last call.
    pub fn next_lines(&mut self) -> Result<Vec<Line>> {
        match self {
            Self::File { path, follower } => {
                follower.next_lines().map_err(|error| failed(path, &error))
            }
            Self::Silent => Ok(Vec::new()),
            Self::Streamed(received) => {
                Ok(std::iter::from_fn(|| received.try_recv().ok()).collect())
            }
        }
    }
}

/// How a container's output is asked for.
struct Stream {
    client: Client,
    base: String,
}

impl Stream {
    async fn open(&self, from: From, follow: bool) -> Result<Lines> {
        let since = from.since_ms.map(|since| format!("since={since}"));
        let tail = from.tail.map(|tail| format!("tail={tail}"));
        let follow = follow.then(|| "follow=true".to_owned());
        let query: Vec<_> = [since, tail, follow].into_iter().flatten().collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        Ok(self.client.follow(&format!("{}{query}", self.base)).await?)
    }

    /// Goes on for as long as somebody listens, also through a restart of the controller.
    async fn follow(self, mut body: Lines, lines: mpsc::Sender<Line>) {
        let mut joiner = Joiner::default();
        let mut last = None;
        loop {
            while let Ok(Some(line)) = body.next_line().await {
                let mut whole = Vec::new();
                joiner.push(line, &mut |line| whole.push(line));
                for line in whole {
                    last = line.at_ms.or(last);
                    if lines.send(line).await.is_err() {
                        return;
                    }
                }
            }
            body = loop {
                tokio::time::sleep(AGAIN).await;
                if lines.is_closed() {
                    return;
                }
                let from = From { tail: None, since_ms: last.map(|at| at + 1) };
                if let Ok(body) = self.open(from, true).await {
                    break body;
                }
            };
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}
