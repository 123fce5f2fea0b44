//! Tags, CORS and lifecycle of a bucket.

use s3s::dto::{
    AbortIncompleteMultipartUpload, CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput,
    DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, DeleteBucketTaggingInput,
    DeleteBucketTaggingOutput, ExpirationStatus, GetBucketCorsInput, GetBucketCorsOutput,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, PutBucketCorsInput, PutBucketCorsOutput,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput, Tag,
};
use s3s::{S3Request, S3Result, s3_error};

use super::Api;
use crate::object_store::bucket::BucketMeta;
use crate::object_store::cors::CorsRule;
use crate::object_store::lifecycle::ExpiryRule;

async fn describe(
    api: &Api,
    bucket: &str,
    change: impl FnOnce(&mut BucketMeta) + Send + 'static,
) -> S3Result<()> {
    api.store.bucket(bucket).await?.describe(change).await
}

async fn description(api: &Api, bucket: &str) -> S3Result<BucketMeta> {
    Ok(api.store.bucket(bucket).await?.lock().await?.meta.clone())
}

pub async fn get_tags(
    api: &Api,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<GetBucketTaggingOutput> {
    let tags = description(api, &request.input.bucket).await?.tags;
    if tags.is_empty() {
        return Err(s3_error!(NoSuchTagSet));
    }
    let tag_set =
        tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect();
    Ok(GetBucketTaggingOutput { tag_set })
}

pub async fn put_tags(
    api: &Api,
    request: S3Request<PutBucketTaggingInput>,
) -> S3Result<PutBucketTaggingOutput> {
    let tags: Option<_> =
        request.input.tagging.tag_set.into_iter().map(|tag| Some((tag.key?, tag.value?))).collect();
    let tags = tags.ok_or_else(|| s3_error!(InvalidTag))?;
    describe(api, &request.input.bucket, |meta| meta.tags = tags).await?;
    Ok(PutBucketTaggingOutput::default())
}

pub async fn delete_tags(
    api: &Api,
    request: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<DeleteBucketTaggingOutput> {
    describe(api, &request.input.bucket, |meta| meta.tags.clear()).await?;
    Ok(DeleteBucketTaggingOutput::default())
}

pub async fn get_cors(
    api: &Api,
    request: S3Request<GetBucketCorsInput>,
) -> S3Result<GetBucketCorsOutput> {
    let rules = description(api, &request.input.bucket).await?.cors;
    if rules.is_empty() {
        return Err(s3_error!(NoSuchCORSConfiguration));
    }
    let rules = rules.into_iter().map(|rule| CORSRule {
        id: rule.id,
        allowed_origins: rule.origins,
        allowed_methods: rule.methods,
        allowed_headers: some(rule.headers),
        expose_headers: some(rule.expose),
        max_age_seconds: rule.max_age,
    });
    Ok(GetBucketCorsOutput { cors_rules: Some(rules.collect()) })
}

pub async fn put_cors(
    api: &Api,
    request: S3Request<PutBucketCorsInput>,
) -> S3Result<PutBucketCorsOutput> {
    let rules = request.input.cors_configuration.cors_rules.into_iter().map(|rule| CorsRule {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers: rule.allowed_headers.unwrap_or_default(),
        expose: rule.expose_headers.unwrap_or_default(),
        max_age: rule.max_age_seconds,
    });
    let rules: Vec<_> = rules.collect();
    let stars = |text: &String| text.matches('*').count() > 1;
    if rules.iter().any(|rule| rule.origins.iter().chain(&rule.headers).any(stars)) {
        return Err(s3_error!(InvalidRequest, "An origin or header may hold one * at most"));
    }
    describe(api, &request.input.bucket, |meta| meta.cors = rules).await?;
    Ok(PutBucketCorsOutput::default())
}

pub async fn delete_cors(
    api: &Api,
    request: S3Request<DeleteBucketCorsInput>,
) -> S3Result<DeleteBucketCorsOutput> {
    describe(api, &request.input.bucket, |meta| meta.cors.clear()).await?;
    Ok(DeleteBucketCorsOutput::default())
}

pub async fn get_lifecycle(
    api: &Api,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<GetBucketLifecycleConfigurationOutput> {
    let rules = description(api, &request.input.bucket).await?.expiry;
    if rules.is_empty() {
        return Err(s3_error!(NoSuchLifecycleConfiguration));
    }
    Ok(GetBucketLifecycleConfigurationOutput {
        rules: Some(rules.into_iter().map(lifecycle_rule).collect()),
        ..GetBucketLifecycleConfigurationOutput::default()
    })
}

pub async fn put_lifecycle(
    api: &Api,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<PutBucketLifecycleConfigurationOutput> {
    let rules = request.input.lifecycle_configuration.map(|configuration| configuration.rules);
    let rules: Vec<ExpiryRule> =
        rules.unwrap_or_default().into_iter().map(expiry_rule).collect::<S3Result<_>>()?;
    describe(api, &request.input.bucket, |meta| meta.expiry = rules).await?;
    Ok(PutBucketLifecycleConfigurationOutput::default())
}

pub async fn delete_lifecycle(
    api: &Api,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<DeleteBucketLifecycleOutput> {
    describe(api, &request.input.bucket, |meta| meta.expiry.clear()).await?;
    Ok(DeleteBucketLifecycleOutput::default())
}

fn lifecycle_rule(rule: ExpiryRule) -> LifecycleRule {
    let status = if rule.enabled { ExpirationStatus::ENABLED } else { ExpirationStatus::DISABLED };
    LifecycleRule {
        abort_incomplete_multipart_upload: rule
            .abort_days
            .map(|days| AbortIncompleteMultipartUpload { days_after_initiation: Some(days) }),
        expiration: rule
            .days
            .map(|days| LifecycleExpiration { days: Some(days), ..LifecycleExpiration::default() }),
        filter: Some(LifecycleRuleFilter {
            prefix: Some(rule.prefix),
            ..LifecycleRuleFilter::default()
        }),
        id: rule.id,
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static(status),
        transitions: None,
    }
}

/// What the sweep can do is taken; what it cannot is refused, never silently left undone.
fn expiry_rule(rule: LifecycleRule) -> S3Result<ExpiryRule> {
    let unsupported = || {
        s3_error!(
            NotImplemented,
            "This store expires by days and prefix, and aborts multipart uploads; nothing else"
        )
    };
    let LifecycleRule {
        abort_incomplete_multipart_upload,
        expiration,
        filter,
        id,
        noncurrent_version_expiration,
        noncurrent_version_transitions,
        prefix,
        status,
        transitions,
    } = rule;
    let filter = filter.unwrap_or_default();
    if noncurrent_version_expiration.is_some()
        || noncurrent_version_transitions.is_some()
        || transitions.is_some()
        || filter.and.is_some()
        || filter.tag.is_some()
        || filter.object_size_greater_than.is_some()
        || filter.object_size_less_than.is_some()
    {
        return Err(unsupported());
    }
    let days = match expiration {
        Some(LifecycleExpiration { date: None, days: Some(days), .. }) if days > 0 => Some(days),
        Some(LifecycleExpiration { date: None, days: Some(_), .. }) => {
            return Err(s3_error!(InvalidArgument, "Days must be a positive number"));
        }
        Some(_) => return Err(unsupported()),
        None => None,
    };
    Ok(ExpiryRule {
        id,
        enabled: status.as_str() == ExpirationStatus::ENABLED,
        prefix: filter.prefix.or(prefix).unwrap_or_default(),
        days,
        abort_days: abort_incomplete_multipart_upload.and_then(|abort| abort.days_after_initiation),
    })
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}
