//! How the shared servers of a test run, and what its specs ask for where they are containers.

/// How the shared servers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    /// As processes of the controller's.
    Embedded,
    /// As containers.
    Containers,
}

impl Servers {
    /// Those of tests that do not say: `HARNESS_TEST_SERVERS=containers` runs all of them on containers.
    pub fn of_this_run() -> Self {
        match std::env::var("HARNESS_TEST_SERVERS") {
            Ok(name) if name == "containers" => Self::Containers,
            _ => Self::Embedded,
        }
    }

    /// The name of the Infra. An engine knows its containers by it, and all tests share one engine.
    pub fn infra(self, port: u16) -> String {
        match self {
            Self::Embedded => "shared".to_owned(),
            Self::Containers => format!("t{port}"),
        }
    }
}

/// The servers of the example, as containers.
pub fn servers(infra: &str, postgres: u16, store: u16) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1
kind: Infra
metadata: {{name: {infra}}}
spec:
  postgres:
    container:
      image: pgvector/pgvector:pg16
      command: [postgres, -c, shared_preload_libraries=pg_stat_statements]
      ports: {{postgres: {{host: {postgres}, container: 5432}}}}
      volumes: {{data: /var/lib/postgresql/data}}
  objectStore:
    container:
      image: minio/minio:latest
      command: [server, /data]
      ports: {{s3: {{host: {store}, container: 9000}}}}
      volumes: {{objects: /data}}
"
    )
}
