//! Images: whether one is there, and how it is pulled, with how far that is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use agent_harness_model::id::ResourceId;
use bollard::errors::Error as Bollard;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::credentials;
use super::engine::Engine;
use super::error::{DockerError, chain};

/// Hears how far the pull for a container is.
pub type Report = Arc<dyn Fn(&ResourceId, &Pulling) + Send + Sync>;

/// How far a pull is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulling {
    image: String,
    /// By the id of each layer.
    layers: BTreeMap<String, Layer>,
    /// Something began or ended since the last report, and not only some bytes more.
    news: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Layer {
    Waits,
    /// Bytes, and of how many.
    Downloads(u64, u64),
    Unpacks,
    Done,
}

impl Pulling {
    fn new(image: &str) -> Self {
        Self { image: image.to_owned(), layers: BTreeMap::new(), news: true }
    }

    /// Whether more is new than that time passes.
    pub fn is_news(&self) -> bool {
        self.news
    }

    fn note(&mut self, info: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&info.id, info.status.as_deref()) else { return };
        let bytes = |number: Option<i64>| number.and_then(|it| u64::try_from(it).ok());
        let detail = info.progress_detail.as_ref();
        let layer = match status {
            "Pulling fs layer" | "Waiting" => Layer::Waits,
            "Downloading" => Layer::Downloads(
                bytes(detail.and_then(|it| it.current)).unwrap_or_default(),
                bytes(detail.and_then(|it| it.total)).unwrap_or_default(),
            ),
            "Verifying Checksum" | "Download complete" | "Extracting" => Layer::Unpacks,
            "Pull complete" | "Already exists" => Layer::Done,
            // Of the tag, not of a layer.
            _ => return,
        };
        let same_step =
            |before: &Layer| std::mem::discriminant(before) == std::mem::discriminant(&layer);
        self.news = !self.layers.get(id).is_some_and(same_step);
        self.layers.insert(id.clone(), layer);
    }
}

impl fmt::Display for Pulling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pulling {}", self.image)?;
        let done = self.layers.values().filter(|it| **it == Layer::Done).count();
        if !self.layers.is_empty() {
            write!(f, ": {done} of {} layers", self.layers.len())?;
        }
        for (id, layer) in &self.layers {
            match layer {
                Layer::Waits | Layer::Done => {}
                Layer::Unpacks => write!(f, ", {id} unpacks")?,
                Layer::Downloads(_, 0) => write!(f, ", {id} downloads")?,
                Layer::Downloads(has, of) => {
                    let (has, of) = (megabytes(*has), megabytes(*of));
                    write!(f, ", {id} {has} of {of} MB")?;
                }
            }
        }
        Ok(())
    }
}

/// With one decimal.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Sees to it that an image is there.
pub async fn ensure(
    engine: &Engine,
    id: &ResourceId,
    image: &str,
    report: &Report,
    stop: &CancellationToken,
) -> Result<(), DockerError> {
    let client = engine.client().await?;
    let look = client.inspect_image(image);
    match engine.call(&format!("look at image {image}"), look).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    let login = credentials::of(image).await?;
    let options = CreateImageOptionsBuilder::new().from_image(&with_tag(image)).build();
    let mut pull = client.create_image(Some(options), None, login);
    let mut progress = Pulling::new(image);
    report(id, &progress);
    loop {
        let next = tokio::select! {
            next = pull.next() => next,
            () = stop.cancelled() => return Err(DockerError::Unwanted),
        };
        match next {
            None => return Ok(()),
            Some(Ok(CreateImageInfo { error_detail: Some(error), .. })) => {
                return Err(failed(image, None, error.message.as_deref().unwrap_or_default()));
            }
            Some(Ok(info)) => {
                progress.note(&info);
                report(id, &progress);
            }
            Some(Err(Bollard::DockerResponseServerError { status_code, message })) => {
                return Err(failed(image, Some(status_code), &message));
            }
            Some(Err(Bollard::DockerStreamError { error })) => {
                return Err(failed(image, None, &error));
            }
            Some(Err(error)) => {
                let why = chain(&error);
                return Err(DockerError::Unreachable { host: engine.host().to_owned(), why });
            }
        }
    }
}

/// Without a tag the engine would pull all of them.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// What a registry's refusal means.
fn failed(image: &str, status: Option<u16>, message: &str) -> DockerError {
    let message = message.trim().to_owned();
    let image = image.to_owned();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["no space left on device"]) {
        return DockerError::DiskFull { message };
    }
    // A registry that knows nobody of this name says the same of what does not exist: the more likely first.
    if says(&["no basic auth credentials", "unauthorized", "authentication required"])
        && !says(&["repository does not exist", "manifest unknown"])
    {
        let registry = credentials::registry(&image).to_owned();
        return DockerError::Login { image, registry, message };
    }
    if status == Some(404)
        || says(&["manifest unknown", "not found", "does not exist", "invalid reference format"])
    {
        return DockerError::NoImage { image, message };
    }
    DockerError::Pull { image, message }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn info(id: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.into()),
            status: Some(status.into()),
            progress_detail: Some(ProgressDetail { current: Some(current), total: Some(total) }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn the_progress_names_each_layer_that_is_under_way() {
        let mut pulling = Pulling::new("axllent/mailpit");
        assert_eq!(pulling.to_string(), "pulling axllent/mailpit");
        for step in [
            info("aaa", "Pulling fs layer", 0, 0),
            info("bbb", "Pulling fs layer", 0, 0),
            info("ccc", "Already exists", 0, 0),
            info("aaa", "Downloading", 1_550_000, 12_000_000),
            info("bbb", "Extracting", 1, 2),
        ] {
            pulling.note(&step);
            assert!(pulling.is_news());
        }
        pulling.note(&info("aaa", "Downloading", 6_000_000, 12_000_000));
        assert!(!pulling.is_news());
        pulling.note(&info("latest", "Pulling from axllent/mailpit", 0, 0));
        assert_eq!(
            pulling.to_string(),
            "pulling axllent/mailpit: 1 of 3 layers, aaa 6.0 of 12.0 MB, bbb unpacks"
        );
    }

    #[test]
    fn a_tag_is_pulled_and_not_all_of_them() {
        for (image, want) in [
            ("postgres", "postgres:latest"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("localhost:5000/x:1", "localhost:5000/x:1"),
            ("x@sha256:00", "x@sha256:00"),
        ] {
            assert_eq!(with_tag(image), want);
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let said = |status, message| failed("reg.example/a/b:1", status, message);
        let login = said(Some(500), "Head \"…\": no basic auth credentials");
        assert!(login.to_string().contains("`docker login reg.example`"), "{login}");
        let gone = said(Some(404), "manifest for reg.example/a/b:1 not found: manifest unknown");
        assert!(matches!(gone, DockerError::NoImage { .. }), "{gone}");
        let hub = "pull access denied for b, repository does not exist or may require 'docker login': denied: requested access to the resource is denied";
        assert!(matches!(said(Some(404), hub), DockerError::NoImage { .. }));
        let full = said(None, "write /var/lib/docker/tmp/x: no space left on device");
        assert!(matches!(full, DockerError::DiskFull { .. }));
        let down = said(Some(500), "dial tcp 127.0.0.1:1: connect: connection refused");
        assert!(matches!(down, DockerError::Pull { .. }));
    }
}
