//! What several of S3's requests and answers have in common. Their types are generated and share nothing but the names
//! of their fields, so only a macro can go over them.

/// What the writer says about an object, in a `PutObjectInput`, `CopyObjectInput` or `CreateMultipartUploadInput`.
macro_rules! attributes {
    ($input:ident) => {
        $crate::object_store::object_file::Attributes {
            content_type: $input.content_type,
            content_encoding: $input.content_encoding,
            content_disposition: $input.content_disposition,
            content_language: $input.content_language,
            cache_control: $input.cache_control,
            expires: $crate::object_store::api::expires_text($input.expires.as_ref()),
            website_redirect_location: $input.website_redirect_location,
            // In a stable order.
            user: $input.metadata.unwrap_or_default().into_iter().collect(),
            tags: $crate::object_store::api::tags::of_text($input.tagging.as_deref())?,
        }
    };
}

/// What the client says about a body, in a `PutObjectInput` or `UploadPartInput`.
macro_rules! claims {
    ($input:ident, $trailers:expr) => {
        $crate::object_store::api::write::Claims {
            algorithm: $input.checksum_algorithm,
            checksums: $crate::object_store::object_file::Checksums {
                crc32: $input.checksum_crc32,
                crc32c: $input.checksum_crc32c,
                sha1: $input.checksum_sha1,
                sha256: $input.checksum_sha256,
                crc64nvme: $input.checksum_crc64nvme,
            },
            content_md5: $input.content_md5,
            content_length: $input.content_length,
            trailers: $trailers,
        }
    };
}

/// What is to be read, in a `GetObjectInput` or `HeadObjectInput`.
macro_rules! asked {
    ($input:ident) => {
        $crate::object_store::api::read::Asked {
            bucket: $input.bucket,
            key: $input.key,
            version: $input.version_id,
            conditions: $crate::object_store::api::read::Conditions {
                matches: $input.if_match,
                none_match: $input.if_none_match,
                modified_since: $input.if_modified_since,
                unmodified_since: $input.if_unmodified_since,
            },
            range: $input.range,
            checksum_mode: $input.checksum_mode,
        }
    };
}

/// An answer with the given fields and the checksums of an object.
macro_rules! with_checksums {
    ($checksums:expr, $output:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let checksums = $checksums;
        $output {
            $($field: $value,)*
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            checksum_crc64nvme: checksums.crc64nvme,
            ..$output::default()
        }
    }};
}

/// A `GetObjectOutput` or `HeadObjectOutput` with the given fields and all that is said about an object.
macro_rules! described {
    ($found:ident, $output:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let meta = $found.meta;
        let attributes = meta.attributes;
        with_checksums!($found.checksums, $output {
            accept_ranges: Some("bytes".into()),
            content_length: Some($crate::object_store::api::signed($found.length)),
            content_range: $found.content_range,
            e_tag: Some(s3s::dto::ETag::Strong(meta.etag)),
            last_modified: Some($crate::object_store::api::timestamp(meta.modified_ms)),
            content_type: attributes.content_type,
            content_encoding: attributes.content_encoding,
            content_disposition: attributes.content_disposition,
            content_language: attributes.content_language,
            cache_control: attributes.cache_control,
            expires: $crate::object_store::api::expires(attributes.expires.as_deref()),
            website_redirect_location: attributes.website_redirect_location,
            metadata: Some(attributes.user.into_iter().collect()),
            $($field: $value,)*
        })
    }};
}

pub(super) use {asked, attributes, claims, described, with_checksums};
