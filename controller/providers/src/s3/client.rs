//! Builds S3 clients: path style, one attempt, bounded time.

use std::time::Duration;

use agent_harness_model::kinds::service::StoreConnection;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A server that was restarted leaves dead connections behind: few requests are to meet one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// A client of a store. Makes no connection yet.
pub fn client(connection: &StoreConnection) -> Client {
    let http = Builder::new().pool_idle_timeout(IDLE_TIMEOUT);
    let http = if connection.endpoint.starts_with("https:") {
        http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    } else {
        // Loads no certificates.
        http.build_http()
    };
    let credentials = Credentials::new(
        &connection.access_key,
        connection.secret_key.reveal(),
        None,
        None,
        "agent-harness",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(&connection.endpoint)
        .region(Region::new(connection.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(true)
        // When and whether to try again is the engine's to decide.
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        )
        // Stores of other makers do not know the newer checksums.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    Client::from_conf(config)
}
