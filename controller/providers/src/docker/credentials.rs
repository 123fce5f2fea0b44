//! The user's logins to registries, from the configuration of the `docker` program and its credential helpers.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use std::collections::BTreeMap;
use tokio::io::AsyncWriteExt as _;

use super::error::DockerError;
use crate::fs;

/// The registry of images whose name has none.
const HUB: &str = "docker.io";
/// How that one is called in the configuration.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// A helper may have to ask a key ring.
const HELPER: Duration = Duration::from_secs(20);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Login>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Login {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// What a credential helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// The registry that an image comes from: `ghcr.io`, `localhost:5000`, or Docker Hub.
pub fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => HUB,
    }
}

/// The user's login to the registry of an image; `None`: they have none.
pub async fn of(image: &str) -> Result<Option<DockerCredentials>, DockerError> {
    let Some(path) = path() else { return Ok(None) };
    let bad = |why: String| DockerError::Credentials { path: path.clone(), why };
    let text = fs::read_to_string_if_exists(&path).map_err(|error| bad(error.to_string()))?;
    let Some(text) = text else { return Ok(None) };
    let config: Config = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let registry = registry(image);
    let key = if registry == HUB { HUB_KEY } else { registry };
    let helper = config.cred_helpers.get(key).or(config.creds_store.as_ref());
    if let Some(helper) = helper
        && let Some(helped) = ask(helper, key).await
    {
        return Ok(Some(login(key, helped.username, helped.secret)));
    }
    let auth = [key.to_owned(), format!("https://{key}"), format!("https://{key}/v1/")];
    let auth = auth.iter().find_map(|key| config.auths.get(key));
    Ok(auth.and_then(|auth| from_file(key, auth)))
}

fn path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = match set("DOCKER_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&set("HOME")?).join(".docker"),
    };
    Some(folder.join("config.json"))
}

fn from_file(key: &str, auth: &Login) -> Option<DockerCredentials> {
    if let Some(token) = auth.identitytoken.clone().filter(|token| !token.is_empty()) {
        let serveraddress = Some(key.to_owned());
        return Some(DockerCredentials {
            identitytoken: Some(token),
            serveraddress,
            ..DockerCredentials::default()
        });
    }
    if let (Some(user), Some(password)) = (&auth.username, &auth.password) {
        return Some(login(key, user.clone(), password.clone()));
    }
    let decoded = STANDARD.decode(auth.auth.as_deref()?.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.trim_end_matches('\0').split_once(':')?;
    Some(login(key, user.to_owned(), password.to_owned()))
}

fn login(key: &str, user: String, password: String) -> DockerCredentials {
    let serveraddress = Some(key.to_owned());
    // Some helpers say so of a token.
    if user == "<token>" {
        let identitytoken = Some(password);
        return DockerCredentials { identitytoken, serveraddress, ..DockerCredentials::default() };
    }
    let (username, password) = (Some(user), Some(password));
    DockerCredentials { username, password, serveraddress, ..DockerCredentials::default() }
}

/// Asks a helper; one that knows nothing ends with an error, and that is no trouble.
async fn ask(helper: &str, key: &str) -> Option<Helped> {
    let mut child = tokio::process::Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .inspect_err(|error| tracing::warn!(helper, %error, "a credential helper does not start"))
        .ok()?;
    let mut stdin = child.stdin.take()?;
    stdin.write_all(key.as_bytes()).await.ok()?;
    drop(stdin);
    let output = tokio::time::timeout(HELPER, child.wait_with_output()).await.ok()?.ok()?;
    output.status.success().then(|| serde_json::from_slice(&output.stdout).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_host_is_from_docker_hub() {
        for (image, want) in [
            ("postgres", HUB),
            ("pgvector/pgvector:pg16", HUB),
            ("ghcr.io/browserless/chromium:v2", "ghcr.io"),
            ("localhost/x", "localhost"),
            ("127.0.0.1:5000/x/y@sha256:00", "127.0.0.1:5000"),
        ] {
            assert_eq!(registry(image), want, "{image}");
        }
    }

    #[test]
    fn a_login_is_read_in_every_form_that_the_file_has() {
        let read = |text: &str| from_file("r", &serde_json::from_str(text).unwrap());
        let plain = read(r#"{"auth": "dXNlcjpwYTpzcw=="}"#).unwrap();
        assert_eq!(
            (plain.username.as_deref(), plain.password.as_deref()),
            (Some("user"), Some("pa:ss"))
        );
        let token = read(r#"{"auth": "dXNlcjo=", "identitytoken": "t"}"#).unwrap();
        assert_eq!((token.identitytoken.as_deref(), token.password), (Some("t"), None));
        assert!(read("{}").is_none());
    }
}
