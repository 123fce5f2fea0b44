//! What a container writes, as the engine keeps it, in the form of a log file of ours: time, stream, text.

use agent_harness_model::id::Mark;
use agent_harness_shim::timestamp;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use std::time::Duration;
use tokio::sync::mpsc;

use super::error::DockerError;
use super::live::Containers;
use super::own::own;

/// Between two looks whether a container that ended runs again, or a new one is in its place.
const AGAIN: Duration = Duration::from_millis(500);

/// Which lines are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct From {
    /// At most this many of the last lines.
    pub tail: Option<usize>,
    /// None from before this time, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Go on, also through restarts, until nobody listens.
    pub follow: bool,
}

impl Containers {
    /// The lines of a container's output, one in each message. `None`: there is no such container.
    pub async fn logs(
        &self,
        name: &str,
        mark: &Mark,
        from: From,
    ) -> Result<Option<mpsc::Receiver<Vec<u8>>>, DockerError> {
        if own(&self.engine, name, mark).await?.is_none() {
            return Ok(None);
        }
        let (lines, received) = mpsc::channel(256);
        let reader =
            Reader { containers: self.clone(), name: name.to_owned(), mark: mark.clone(), lines };
        tokio::spawn(reader.run(from));
        Ok(Some(received))
    }
}

struct Reader {
    containers: Containers,
    name: String,
    mark: Mark,
    lines: mpsc::Sender<Vec<u8>>,
}

impl Reader {
    async fn run(self, mut from: From) {
        let since = from.since_ms.and_then(|ms| i64::try_from(ms).ok());
        // Lines of this time or before were sent.
        let mut sent = since.and_then(|ms| Timestamp::from_millisecond(ms - 1).ok());
        loop {
            if self.read(from, &mut sent).await.is_none() || !from.follow {
                return;
            }
            // Whatever comes next is new from its first line on.
            from.tail = None;
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = self.lines.closed() => return,
            }
        }
    }

    /// Until the container ends or its output does; `None`: nobody listens any more.
    async fn read(&self, from: From, sent: &mut Option<Timestamp>) -> Option<()> {
        let engine = &self.containers.engine;
        let Ok(client) = engine.client().await else { return Some(()) };
        // By its id: a name may be another one's by now.
        let Ok(Some(found)) = own(engine, &self.name, &self.mark).await else { return Some(()) };
        let id = found.id.unwrap_or_else(|| self.name.clone());
        let tail = from.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string());
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true);
        let options = options.follow(from.follow).tail(&tail);
        // The engine counts in seconds; the rest of it is left out below.
        let seconds = sent.and_then(|at| i32::try_from(at.as_second()).ok());
        let options = seconds.map_or(options.clone(), |seconds| options.since(seconds)).build();
        let mut output = Box::pin(client.logs(&id, Some(options)));
        let mut newest = *sent;
        loop {
            let piece = tokio::select! {
                piece = output.next() => piece,
                () = self.lines.closed() => return None,
            };
            match piece {
                Some(Ok(piece)) => {
                    let Some((at, line)) = line(&piece) else { continue };
                    if sent.is_some_and(|sent| at <= sent) {
                        continue;
                    }
                    newest = newest.max(Some(at));
                    self.lines.send(line).await.ok()?;
                }
                // The engine went away: whoever follows waits for it.
                Some(Err(_)) | None => break,
            }
        }
        *sent = newest;
        Some(())
    }
}

/// A line as our log files have it, and when it was written; one that goes on in the next piece says so.
fn line(piece: &LogOutput) -> Option<(Timestamp, Vec<u8>)> {
    let (stream, message) = match piece {
        LogOutput::StdErr { message } => ("stderr", message),
        LogOutput::StdOut { message } | LogOutput::Console { message } => ("stdout", message),
        LogOutput::StdIn { .. } => return None,
    };
    let space = message.iter().position(|byte| *byte == b' ')?;
    let (at, text) = (message.get(..space)?, message.get(space + 1..)?);
    let at: Timestamp = std::str::from_utf8(at).ok()?.parse().ok()?;
    let (text, whole) = match text.strip_suffix(b"\n") {
        Some(text) => (text.strip_suffix(b"\r").unwrap_or(text), "F"),
        None => (text, "P"),
    };
    let ms = u64::try_from(at.as_millisecond()).unwrap_or_default();
    let mut line = format!("{} {stream} {whole} ", timestamp::format(ms)).into_bytes();
    // A line end inside of it would begin a line of somebody else's.
    line.extend(text.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
    line.push(b'\n');
    Some((at, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_engine_becomes_one_of_ours() {
        let shown = |piece: LogOutput| {
            line(&piece).map(|(_, line)| String::from_utf8_lossy(&line).into_owned())
        };
        let out = |text: &str| LogOutput::StdOut { message: text.to_owned().into() };
        assert_eq!(
            shown(out("2026-11-24T11:55:00.123456789Z hello there\n")).unwrap(),
            "2026-11-24T11:55:00.123Z stdout F hello there\n"
        );
        assert_eq!(
            shown(out("2026-11-24T11:55:00.123456789Z half")).unwrap(),
            "2026-11-24T11:55:00.123Z stdout P half\n"
        );
        let error = LogOutput::StdErr { message: "2026-11-24T11:55:00Z \n".into() };
        assert_eq!(shown(error).unwrap(), "2026-11-24T11:55:00.000Z stderr F \n");
        assert_eq!(shown(out("no time")), None);
    }
}
