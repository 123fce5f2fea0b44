//! Expiry and CORS: from what is wanted to S3's rules. Pure.

use agent_harness_model::kinds::bucket::{Cors, Desired};
use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, CorsRule, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter,
};

use crate::object_store::{CorsRule as StoredCors, ExpiryRule, SECONDS_ID};

/// The id of our CORS rule; rules with other ids are somebody else's and stay.
pub const CORS_ID: &str = "agent-harness";

const DAY_S: u64 = 24 * 60 * 60;

/// Our lifecycle rule, for objects and for uploads that nobody finished. Stores other than our own round up to whole days.
pub fn lifecycle(want: &Desired) -> Result<Option<LifecycleRule>, BuildError> {
    let Some(seconds) = want.expire_after_s else { return Ok(None) };
    LifecycleRule::builder()
        .id(lifecycle_id(seconds))
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(LifecycleExpiration::builder().days(days(seconds)).build())
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder().days_after_initiation(days(seconds)).build(),
        )
        .build()
        .map(Some)
}

/// Our CORS rule.
pub fn cors(want: &Desired) -> Result<Option<CorsRule>, BuildError> {
    let Some(Cors { origins, methods, headers, expose_headers, max_age_s }) = &want.cors else {
        return Ok(None);
    };
    CorsRule::builder()
        .id(CORS_ID)
        .set_allowed_origins(Some(origins.clone()))
        .set_allowed_methods(Some(methods.clone()))
        .set_allowed_headers(Some(headers.clone()))
        .set_expose_headers(Some(expose_headers.clone()))
        .max_age_seconds(i32::try_from(*max_age_s).unwrap_or(i32::MAX))
        .build()
        .map(Some)
}

/// Whether what our own store holds is what is wanted; rules of others do not count.
pub fn holds(want: &Desired, cors: &[StoredCors], expiry: &[ExpiryRule]) -> bool {
    let cors: Vec<_> = cors.iter().filter(|rule| is_ours_cors(rule.id.as_deref())).collect();
    let cors_holds = match (&want.cors, cors.as_slice()) {
        (None, []) => true,
        (Some(want), [have]) => {
            want.origins == have.origins
                && want.methods == have.methods
                && want.headers == have.headers
                && want.expose_headers == have.expose
                && have.max_age == i32::try_from(want.max_age_s).ok()
        }
        _ => false,
    };
    let expiry: Vec<_> =
        expiry.iter().filter(|rule| is_ours_lifecycle(rule.id.as_deref())).collect();
    let expiry_holds = match (want.expire_after_s, expiry.as_slice()) {
        (None, []) => true,
        (Some(seconds), [have]) => {
            have.enabled && have.prefix.is_empty() && have.id == Some(lifecycle_id(seconds))
        }
        _ => false,
    };
    cors_holds && expiry_holds
}

/// Whether a CORS rule has our id.
pub fn is_ours_cors(id: Option<&str>) -> bool {
    id == Some(CORS_ID)
}

/// Whether a lifecycle rule has an id of ours.
pub fn is_ours_lifecycle(id: Option<&str>) -> bool {
    id.is_some_and(|id| id.starts_with(SECONDS_ID))
}

/// Whether the wanted expiry is a whole number of days, as all stores can do it.
pub fn is_whole_days(seconds: u64) -> bool {
    seconds.is_multiple_of(DAY_S)
}

fn lifecycle_id(seconds: u64) -> String {
    format!("{SECONDS_ID}{seconds}s")
}

fn days(seconds: u64) -> i32 {
    i32::try_from(seconds.div_ceil(DAY_S).max(1)).unwrap_or(i32::MAX)
}
