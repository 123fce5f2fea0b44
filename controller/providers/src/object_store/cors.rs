//! Cross-origin rules of a bucket: which headers a browser's request is answered with. Pure.

use serde::{Deserialize, Serialize};

/// One rule, as `PutBucketCors` gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorsRule {
    pub id: Option<String>,
    /// Each may hold one `*`.
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    /// Each may hold one `*`.
    pub headers: Vec<String>,
    pub expose: Vec<String>,
    /// Seconds.
    pub max_age: Option<i32>,
}

/// A header to add to a response.
pub type Header = (&'static str, String);

/// The answer to `OPTIONS`: the headers, or `None` when no rule allows the request.
pub fn preflight(
    rules: &[CorsRule],
    origin: &str,
    method: &str,
    request_headers: &[&str],
) -> Option<Vec<Header>> {
    let rule = rules.iter().find(|rule| {
        rule.allows(origin, method)
            && request_headers.iter().all(|header| {
                rule.headers.iter().any(|allowed| {
                    matches(&allowed.to_ascii_lowercase(), &header.to_ascii_lowercase())
                })
            })
    })?;
    let mut answer = rule.common(origin);
    answer.push(("access-control-allow-methods", rule.methods.join(", ")));
    if !request_headers.is_empty() {
        answer.push(("access-control-allow-headers", request_headers.join(", ").to_lowercase()));
    }
    if let Some(seconds) = rule.max_age {
        answer.push(("access-control-max-age", seconds.to_string()));
    }
    Some(answer)
}

/// The headers of the response to a request that a browser really sent; empty when no rule allows it.
pub fn response(rules: &[CorsRule], origin: &str, method: &str) -> Vec<Header> {
    rules
        .iter()
        .find(|rule| rule.allows(origin, method))
        .map(|rule| rule.common(origin))
        .unwrap_or_default()
}

impl CorsRule {
    fn allows(&self, origin: &str, method: &str) -> bool {
        self.methods.iter().any(|allowed| allowed == method)
            && self.origins.iter().any(|allowed| matches(allowed, origin))
    }

    fn common(&self, origin: &str) -> Vec<Header> {
        let mut headers = if self.origins.iter().any(|allowed| allowed == "*") {
            vec![("access-control-allow-origin", "*".to_owned())]
        } else {
            vec![
                ("access-control-allow-origin", origin.to_owned()),
                ("access-control-allow-credentials", "true".to_owned()),
            ]
        };
        if !self.expose.is_empty() {
            headers.push(("access-control-expose-headers", self.expose.join(", ")));
        }
        headers.push((
            "vary",
            "Origin, Access-Control-Request-Headers, Access-Control-Request-Method".to_owned(),
        ));
        headers
    }
}

/// Whether `text` fits a pattern with at most one `*`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests;
