//! How the shared servers of a test run, and what its specs ask for where they are containers.

use std::process::Command;

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

/// Takes away what an earlier run left under the name of this Infra: a test that was killed, or one that looked at what is
/// refused. The engine of the tests keeps it from run to run, and names come again.
pub fn clear(infra: &str) {
    let project = format!("harness-{infra}");
    let docker = |words: &[&str]| {
        let said = Command::new("docker").args(words).output();
        said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default()
    };
    let label = format!("label=com.docker.compose.project={project}");
    for container in docker(&["ps", "--all", "--quiet", "--filter", &label]).lines() {
        docker(&["rm", "--force", container]);
    }
    let names = docker(&["volume", "ls", "--quiet"]);
    for volume in names.lines().filter(|name| name.starts_with(&format!("{project}_"))) {
        docker(&["volume", "rm", volume]);
    }
    docker(&["network", "rm", &project]);
}
