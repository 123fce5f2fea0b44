//! A whole set as large as a real app needs it: containers, every kind of key, five agents.

use super::{check, words};

const INFRA: &str = r"
apiVersion: agent-harness.dev/v1alpha1
kind: Infra
metadata: {name: shared}
spec:
  postgres:
    container:
      image: pgvector/pgvector:pg16
      command: [postgres, -c, shared_preload_libraries=pg_stat_statements, -c, pg_stat_statements.track=all]
      env: {POSTGRES_PASSWORD: {secret: postgres}}
      ports: {postgres: {host: 15432, container: 5432}}
      volumes: {agent-db-data: /var/lib/postgresql/data}
      healthcheck: {test: [CMD-SHELL, pg_isready -U postgres], interval: 5s, timeout: 3s, retries: 5}
      shmSize: 256Mi
      memory: 1Gi
  objectStore:
    embedded: {port: 19000}
    buckets: {default: {expireAfter: 1d}, results: {}}
  services:
    mailpit:
      container:
        image: axllent/mailpit:latest
        ports: {web: {host: 18025, container: 8025}, smtp: {host: 11025, container: 1025}}
        env: {MP_MAX_MESSAGES: 5000, MP_SMTP_AUTH_ACCEPT_ANY: 1}
        restart: unlessStopped
    browser:
      container:
        image: ghcr.io/browserless/chromium:v2.38.2
        ports: {web: {host: 13001, container: 3000}}
        shmSize: 512Mi
        extraHosts: {host.docker.internal: host-gateway}
";

const STACK: &str = r#"
apiVersion: agent-harness.dev/v1alpha1
kind: Stack
metadata: {name: lightdash}
spec:
  infra: shared
  ports: {frontend: 3000, api: 8000, scheduler: 8001, debugger: 9200}
  portStride: 10
  worktree:
    repo: ~/src/lightdash
    base: origin/main
    branch: agent/${agent.name}
    path: ~/worktrees/${agent.name}
  database:
    name: agent_${agent.id}
    template:
      name: lightdash_template
      inputs: [packages/backend/src/database/migrations/**, docker/seeds/**]
      build: {migrate: {run: pnpm -F backend migrate}, seed: {run: pnpm -F backend seed}}
    afterClone: {migrate: {run: pnpm -F backend migrate}}
  bucket: {name: "agent-${agent.id}"}
  path: [venv/bin]
  env:
    PORT: ${ports.api}
    PGDATABASE: ${database.name}
    S3_BUCKET: ${bucket.name}
    S3_ENDPOINT: ${s3.endpoint}
    EMAIL_SMTP_PORT: ${services.mailpit.ports.smtp}
    HEADLESS_BROWSER_PORT: ${services.browser.ports.web}
    SITE_URL: http://localhost:${FE_PORT}
    LIGHTDASH_SECRET: {secret: lightdash}
  files:
    .env.agent.${agent.id}: {from: env.template, mode: "0600"}
    CLAUDE.agent.md: {from: CLAUDE.agent.md}
  setup:
    install: {run: pnpm install --frozen-lockfile, inputs: [pnpm-lock.yaml], timeout: 20m}
    build: {run: pnpm -F common build && pnpm -F warehouses build, creates: packages/common/dist/cjs/index.js}
    venv: {run: [sh, -c, "python3 -m venv venv && venv/bin/pip install dbt-core==1.7.0"], creates: venv/bin/dbt, after: []}
  processes:
    api:
      run: node --import tsx --inspect=127.0.0.1:${DEBUG_PORT} src/index.ts
      cwd: packages/backend
      ready: {http: {port: api, path: /api/v1/health}, timeout: 60s}
      restart: always
      stop: {signal: SIGTERM, timeout: 5s}
      memory: 1Gi
    frontend:
      run: node_modules/.bin/vite --port ${ports.frontend} --strictPort
      cwd: packages/frontend
      after: {api: ready}
    scheduler: {enabled: false, run: node --import tsx src/scheduler.ts, cwd: packages/backend}
  verify:
    typecheck: {parallel: {common: pnpm -F common typecheck, backend: pnpm -F backend typecheck}}
    test-full: {run: pnpm test, only: full}
"#;

const AGENT: &str = r"
apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: agent-3}
spec:
  stack: lightdash
  worktree: {branch: fix/foo}
  processes: {scheduler: {enabled: true, env: {PORT: '${ports.scheduler}'}}, frontend: {memory: 1Gi}}
";

#[test]
fn the_whole_of_a_real_app_is_valid() {
    let mut files = vec![("infra.yaml".to_owned(), INFRA.to_owned())];
    files.push(("stack.yaml".to_owned(), STACK.to_owned()));
    for n in 1..=5 {
        let name = format!("agent-{n}");
        let branch = format!("fix/{n}");
        let text = AGENT.replace("agent-3", &name).replace("fix/foo", &branch);
        files.push((format!("{name}.yaml"), text));
    }
    let valid = check(files);
    assert_eq!(words(&valid), "");
    assert_eq!(valid.documents.len(), 7);
}
