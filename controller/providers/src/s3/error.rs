//! What can go wrong with a store, and what that means for what comes next.

use std::error::Error as StdError;
use std::io;

use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata, SdkError};

use crate::Class;
use crate::object_store::StoreError;

/// A failure of one call.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// `remedy`: what to do about it; empty where nothing is known.
    #[error("cannot reach the object store at {endpoint}{}", aside(remedy))]
    Unreachable {
        endpoint: String,
        remedy: String,
        #[source]
        source: BoxError,
    },
    /// The request went out and no answer came; it may have been carried out.
    #[error("the object store did not answer whether it did `{action}`")]
    NoAnswer {
        action: String,
        #[source]
        source: BoxError,
    },
    /// The store said no. `code` is S3's own word.
    #[error("the object store refused `{action}`: {code}{}", explain(code, message))]
    Refused { action: String, status: u16, code: String, message: String },
    /// The request could not be built.
    #[error("`{action}` cannot be asked of the object store")]
    Unsendable {
        action: String,
        #[source]
        source: BoxError,
    },
    /// Another server answers on the port of ours. `remedy`: as above.
    #[error(
        "{endpoint} is answered by another program than our object store ({why}){}",
        after(remedy)
    )]
    Impostor { endpoint: String, remedy: String, why: String },
    /// Something without our mark is in the way.
    #[error("the bucket {bucket} is not ours ({whose}) and is left alone")]
    Foreign { bucket: String, whose: String },
    /// A key without our mark is in the way.
    #[error(
        "the object store has a key {access_key} that is not ours ({whose}) and is left alone; remove it there, or \
         write `keys: shared` under the Infra's objectStore"
    )]
    ForeignKey { access_key: String, whose: String },
    /// It is no MinIO, or what stands before it lets nothing through.
    #[error(
        "the object store at {endpoint} has no admin API as a MinIO has it (HTTP {status}), so it cannot give each \
         agent a key of its own; write `keys: shared` under the Infra's objectStore"
    )]
    NoAdminApi { endpoint: String, status: u16 },
    #[error(
        "the key of the Infra's objectStore may not manage keys of the MinIO at {endpoint}: `{action}` was refused{}; \
         give it the policy consoleAdmin, or write `keys: shared`",
        aside(said)
    )]
    MayNotManageKeys { endpoint: String, action: String, said: String },
    /// Neither the bucket nor its trash is there.
    #[error("the bucket {bucket} is gone")]
    Gone { bucket: String },
    /// The Infra of a place is not known.
    #[error(
        "the object store of infra {infra} is not known: its Infra is missing or has no objectStore"
    )]
    NoStore { infra: String },
    #[error("the object store at {endpoint} gave an answer that does not parse")]
    BadAnswer {
        endpoint: String,
        #[source]
        source: BoxError,
    },
    #[error(transparent)]
    Files(#[from] StoreError),
}

impl S3Error {
    /// What it means for what comes next.
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Gone { .. } | Self::BadAnswer { .. } => {
                Class::Transient
            }
            Self::NoAnswer { .. } => Class::Indeterminate,
            Self::Refused { status, code, .. } => refusal(*status, code),
            Self::Unsendable { .. } | Self::NoAdminApi { .. } | Self::MayNotManageKeys { .. } => {
                Class::Terminal
            }
            Self::NoStore { .. } => Class::Blocked,
            Self::Impostor { .. } | Self::Foreign { .. } | Self::ForeignKey { .. } => {
                Class::Conflict
            }
            Self::Files(error) => error.class(),
        }
    }

    /// Where the store is our own, what is wrong with it is told by its Infra.
    pub fn at_infra(mut self, infra: &str) -> Self {
        if let Self::Unreachable { remedy, .. } | Self::Impostor { remedy, .. } = &mut self
            && remedy.is_empty()
        {
            *remedy = format!("`ctl describe infra/{infra}` says why");
        }
        self
    }

    /// S3's word for a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Unsendable { .. }
            | Self::Impostor { .. }
            | Self::Foreign { .. }
            | Self::ForeignKey { .. }
            | Self::NoAdminApi { .. }
            | Self::MayNotManageKeys { .. }
            | Self::Gone { .. }
            | Self::NoStore { .. }
            | Self::BadAnswer { .. }
            | Self::Files(_) => None,
        }
    }

    /// Whether the store does not offer what was asked.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Refused { status, code, .. }
            if *status == 501 || matches!(code.as_str(), "NotImplemented" | "MethodNotAllowed" | "XNotImplemented"))
    }

    /// What the store says where it takes a setting for wrong, such as a rule that it does not know. Not where the key is
    /// not good enough, the bucket is not there, or somebody came between: then it says nothing of the setting.
    pub fn refused_setting(&self) -> Option<String> {
        let Self::Refused { status, code, message, .. } = self else { return None };
        let other = matches!(status, 401 | 403 | 404 | 408 | 409 | 429)
            || matches!(
                code.as_str(),
                "AuthorizationHeaderMalformed" | "ExpiredToken" | "InvalidToken"
            );
        if !(400..500).contains(status) || other || self.class() != Class::Terminal {
            return None;
        }
        Some(if message.is_empty() { code.clone() } else { format!("{code}: {message}") })
    }
}

fn refusal(status: u16, code: &str) -> Class {
    match code {
        "BucketAlreadyExists" => Class::Conflict,
        // Somebody else's change came between: look again.
        "OperationAborted" | "NoSuchBucket" | "BucketNotEmpty" | "BucketAlreadyOwnedByYou" => {
            Class::Transient
        }
        "RequestTimeout" | "SlowDown" | "ServiceUnavailable" | "InternalError" => Class::Transient,
        _ if status == 429 || (status >= 500 && status != 501) => Class::Transient,
        _ => Class::Terminal,
    }
}

/// What to do where a store of somebody else's does not answer.
pub const EXTERNAL_REMEDY: &str =
    "see that it runs, and that `objectStore` of the Infra says where";

/// In brackets, where there is something to say.
fn aside(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

/// At the end, where there is something to say.
fn after(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("; {text}") }
}

fn explain(code: &str, message: &str) -> String {
    let remedy = match code {
        "SignatureDoesNotMatch" => "; check the secret key of the Infra's objectStore",
        "InvalidAccessKeyId" => "; check the access key of the Infra's objectStore",
        "AccessDenied" => "; the key needs the rights to create, tag and delete buckets",
        "RequestTimeTooSkewed" => "; the clocks of this host and of the store differ too much",
        _ => "",
    };
    if message.is_empty() { remedy.to_owned() } else { format!(" ({message}){remedy}") }
}

/// Whether a call changes anything, which decides what a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Reads,
    Changes,
}

/// Sorts what the SDK reports of the store at `endpoint`; `remedy`: what to do where it does not answer. `action` reads
/// like `create bucket agent-3`.
pub fn sort<E>(
    error: SdkError<E>,
    (endpoint, remedy): (&str, &str),
    action: impl Into<String>,
    effect: Effect,
) -> S3Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let action = action.into();
    match &error {
        SdkError::ServiceError(refused) if refused.raw().status().is_success() => {
            let source = error.into_source().unwrap_or_else(Into::into);
            match effect {
                Effect::Reads => S3Error::BadAnswer { endpoint: endpoint.to_owned(), source },
                Effect::Changes => S3Error::NoAnswer { action, source },
            }
        }
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            let meta = refused.err().meta();
            // An answer to HEAD has no body, and so no code.
            let code = meta.code().map_or_else(|| format!("HTTP {status}"), str::to_owned);
            let message = meta.message().unwrap_or_default().to_owned();
            S3Error::Refused { action, status, code, message }
        }
        SdkError::ConstructionFailure(_) => {
            S3Error::Unsendable { action, source: error.into_source().unwrap_or_else(Into::into) }
        }
        SdkError::DispatchFailure(_) if effect == Effect::Reads || never_sent(&error) => {
            S3Error::Unreachable {
                endpoint: endpoint.to_owned(),
                remedy: remedy.to_owned(),
                source: error.into_source().unwrap_or_else(Into::into),
            }
        }
        _ if effect == Effect::Reads => S3Error::Unreachable {
            endpoint: endpoint.to_owned(),
            remedy: remedy.to_owned(),
            source: error.into_source().unwrap_or_else(Into::into),
        },
        _ => S3Error::NoAnswer { action, source: error.into_source().unwrap_or_else(Into::into) },
    }
}

/// Whether the connection itself failed, so that nothing can have been carried out.
fn never_sent(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::AddrNotAvailable
            );
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_setting_is_told_from_a_refused_key() {
        let said = |status, code: &str, message: &str| {
            let (code, message) = (code.to_owned(), message.to_owned());
            let action = "set CORS of b".to_owned();
            S3Error::Refused { action, status, code, message }.refused_setting()
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(said(400, "InvalidRequest", "no"), text("InvalidRequest: no"));
        assert_eq!(said(405, "HTTP 405", ""), text("HTTP 405"));
        for (status, code) in [
            (403, "AccessDenied"),
            (400, "ExpiredToken"),
            (404, "NoSuchBucket"),
            (409, "OperationAborted"),
            (429, "TooMany"),
            (503, "SlowDown"),
        ] {
            assert_eq!(said(status, code, "no"), None, "{code}");
        }
    }

    #[test]
    fn refusals_are_sorted() {
        for (status, code, class) in [
            (403, "SignatureDoesNotMatch", Class::Terminal),
            (403, "AccessDenied", Class::Terminal),
            (409, "BucketAlreadyExists", Class::Conflict),
            (503, "SlowDown", Class::Transient),
            (500, "Whatever", Class::Transient),
            (501, "NotImplemented", Class::Terminal),
            (429, "TooMany", Class::Transient),
        ] {
            assert_eq!(refusal(status, code), class, "{status} {code}");
        }
    }
}
