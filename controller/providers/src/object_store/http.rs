//! The HTTP side of the server: the identity and admin paths, CORS, and everything else to S3.

use std::collections::HashMap;
use std::convert::Infallible;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use s3s::service::S3Service;
use s3s::{Body, S3ErrorCode, S3Result};

use super::api::Api;
use super::config::RootKey;
use super::cors::{self, CorsRule, Header};
use super::{now_ms, proof};

/// One server's request handler.
pub struct Handler {
    pub api: Api,
    pub s3: S3Service,
    pub root_key: RootKey,
    pub installation: String,
}

impl Handler {
    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        Ok(self.route(request).await)
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if path == proof::IDENTITY_PATH && request.method() == Method::GET {
            return self.identity(&request);
        }
        if path.starts_with(proof::ADMIN_PREFIX) {
            return self.admin(&request).await;
        }
        let bucket = path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
        let origin = header(request.headers(), "origin");
        let asked = header(request.headers(), "access-control-request-method");
        if request.method() == Method::OPTIONS
            && let (Some(origin), Some(asked)) = (&origin, &asked)
        {
            return self.preflight(&bucket, origin, asked, request.headers()).await;
        }
        let method = request.method().clone();
        let response = self.s3.call(request.map(Body::from)).await;
        let mut response = match response {
            Ok(response) => response,
            Err(error) => {
                let error: s3s::StdError = error.into();
                tracing::error!(%error, "a request could not be answered");
                return text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The request could not be answered\n",
                );
            }
        };
        if let Some(origin) = origin {
            let rules = self.rules(&bucket).await;
            add(response.headers_mut(), cors::response(&rules, &origin, method.as_str()));
        }
        response
    }

    /// Says whose server this is, with a proof that only the holder of the root key can make.
    fn identity(&self, request: &Request<Incoming>) -> Response<Body> {
        let query = query(request);
        let nonce = query.get("nonce").copied().unwrap_or_default();
        let answer = serde_json::json!({
            "installation": self.installation,
            "pid": std::process::id(),
            "proof": proof::identity(&self.root_key.secret_key, &self.installation, nonce),
        });
        text(StatusCode::OK, answer.to_string())
    }

    async fn admin(&self, request: &Request<Incoming>) -> Response<Body> {
        let path_and_query = request.uri().path_and_query().map_or("", |path| path.as_str());
        let proven = header(request.headers(), proof::ADMIN_HEADER).is_some_and(|value| {
            let method = request.method().as_str();
            proof::admin_holds(&self.root_key.secret_key, method, path_and_query, &value, now_ms())
        });
        if !proven {
            return text(StatusCode::FORBIDDEN, "AccessDenied\n");
        }
        let query = query(request);
        let operation = request.uri().path().trim_start_matches(proof::ADMIN_PREFIX);
        let named = |name: &str| query.get(name).copied().unwrap_or_default();
        let result = match (request.method(), operation) {
            (&Method::POST, "rename") => self.rename(named("from"), named("to")).await,
            (&Method::POST, "purge") => self.purge(named("bucket")).await,
            (&Method::GET, "buckets") => self.buckets().await,
            _ => return text(StatusCode::NOT_FOUND, "NotImplemented\n"),
        };
        match result {
            Ok(answer) => text(StatusCode::OK, answer),
            Err(error) => {
                let status = error.status_code().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                text(status, format!("{}\n", error.code().as_str()))
            }
        }
    }

    async fn rename(&self, from: &str, to: &str) -> S3Result<String> {
        check_names(&[from, to])?;
        self.api.store.rename(from, to).await.map(|()| "{}".to_owned())
    }

    /// Removes a bucket with all that is in it: emptying it object by object can take long, and never comes to an end
    /// where one cannot be read.
    async fn purge(&self, bucket: &str) -> S3Result<String> {
        check_names(&[bucket])?;
        self.api.store.purge(bucket).await.map(|()| "{}".to_owned())
    }

    /// All buckets with all that describes them, so that a controller needs one call for all agents.
    async fn buckets(&self) -> S3Result<String> {
        let buckets = self.api.store.list().await?;
        serde_json::to_string(&buckets).map_err(s3s::S3Error::internal_error)
    }

    async fn preflight(
        &self,
        bucket: &str,
        origin: &str,
        method: &str,
        headers: &HeaderMap,
    ) -> Response<Body> {
        let asked = header(headers, "access-control-request-headers").unwrap_or_default();
        let asked: Vec<&str> =
            asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        match cors::preflight(&self.rules(bucket).await, origin, method, &asked) {
            Some(allowed) => {
                let mut response = text(StatusCode::OK, "");
                add(response.headers_mut(), allowed);
                response
            }
            None => text(
                StatusCode::FORBIDDEN,
                "The bucket's CORS rules do not allow this origin, method or header\n",
            ),
        }
    }

    async fn rules(&self, bucket: &str) -> Vec<CorsRule> {
        if !s3s::path::check_bucket_name(bucket) {
            return Vec::new();
        }
        let Ok(bucket) = self.api.store.bucket(bucket).await else { return Vec::new() };
        match bucket.lock().await {
            Ok(state) => state.meta.cors.clone(),
            Err(_) => Vec::new(),
        }
    }
}

/// The names become paths.
fn check_names(buckets: &[&str]) -> S3Result<()> {
    if buckets.iter().all(|name| s3s::path::check_bucket_name(name)) {
        return Ok(());
    }
    Err(S3ErrorCode::InvalidBucketName.into())
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn add(headers: &mut HeaderMap, new: Vec<Header>) {
    for (name, value) in new {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The query's pairs as they came: the names and nonces in use need no decoding.
fn query(request: &Request<Incoming>) -> HashMap<&str, &str> {
    request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect()
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    response
}
