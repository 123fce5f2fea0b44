//! What containers the specs of a test ask for.

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
