//! Random sets of specs: valid ones, of every shape that the planner has to deal with.

use std::fmt::Write as _;

use proptest::prelude::*;

/// One agent of a [`World`].
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its number.
    pub id: u16,
    /// Overrides, as lines of YAML below `spec`.
    pub overrides: Vec<&'static str>,
}

/// A set of specs.
#[derive(Debug, Clone)]
pub struct Specs {
    /// Parts of the Stack, as lines of YAML below `spec`.
    pub stack: Vec<&'static str>,
    /// The agents.
    pub agents: Vec<Agent>,
    /// Shared buckets.
    pub shared_bucket: bool,
    /// The Infra that the Stack uses: `shared`, `spare` beside it, or `boxed`, whose servers are containers.
    pub infra: &'static str,
    /// The limit of those containers.
    pub memory: &'static str,
    /// The repository of the worktrees.
    pub repo: &'static str,
}

impl Default for Specs {
    fn default() -> Self {
        Self {
            stack: Vec::new(),
            agents: Vec::new(),
            shared_bucket: false,
            infra: "shared",
            memory: "1Gi",
            repo: "/repo",
        }
    }
}

const PARTS: &[&str] = &[
    "bucket: {}",
    "bucket: {expireAfter: 1d, cors: {origins: ['*']}}",
    "files: {.env: {content: 'P=${ports.api}'}, notes.md: {content: hi}}",
    "files: {.env: {content: 'P=${ports.api} again', mode: '0600'}}",
    "setup: {install: {run: app install}}",
    "setup: {install: {run: app install}, build: {run: app build, after: [install]}}",
    "env: {PORT: '${ports.api}', WHO: '${agent.name}'}",
    "env: {PORT: '${ports.api}', WHO: other}",
];

const DATABASES: &[&str] = &[
    "database: {}",
    "database: {name: 'db_${agent.id}'}",
    "database: {template: {name: tmpl, inputs: ['m/**'], build: {migrate: {run: app migrate}}}}",
    "database: {template: {name: tmpl, build: {migrate: {run: app migrate}, seed: {run: app seed}}}, afterClone: {fix: {run: app fix}}}",
];

const PROCESSES: &[&str] = &[
    "processes: {api: {run: app api}}",
    "processes: {api: {run: app api, ready: {http: {port: api}}}, web: {run: app web, after: {api: ready}}}",
    "processes: {api: {run: 'app api --v2', ready: {tcp: {port: api}}}, web: {run: app web, after: {api: started}}, work: {run: app work, after: {web: ready}}}",
];

const OVERRIDES: &[&str] = &[
    "worktree: {branch: 'fix/${agent.name}'}",
    "worktree: {path: '/elsewhere/x${agent.id}'}",
    "env: {EXTRA: '1'}",
    "ports: {api: 9000}",
    "processes: {api: {run: app other}}",
    "suspend: true",
];

fn one_of(lines: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::weighted(0.7, proptest::sample::select(lines))
}

prop_compose! {
    fn stack()(
        database in one_of(DATABASES),
        processes in one_of(PROCESSES),
        parts in proptest::sample::subsequence(PARTS, 0..=4),
    ) -> Vec<&'static str> {
        let mut lines: Vec<&'static str> = database.into_iter().chain(processes).collect();
        for part in parts {
            let key = part.split(':').next();
            if lines.iter().all(|line| line.split(':').next() != key) {
                lines.push(part);
            }
        }
        lines
    }
}

prop_compose! {
    fn agent()(
        id in 1_u16..=4,
        overrides in proptest::sample::subsequence(OVERRIDES, 0..=2),
    ) -> Agent {
        let mut kept: Vec<&'static str> = Vec::new();
        for line in overrides {
            if kept.iter().all(|other| other.split(':').next() != line.split(':').next()) {
                kept.push(line);
            }
        }
        Agent { id, overrides: kept }
    }
}

prop_compose! {
    /// A set of specs with up to three agents.
    pub fn specs()(
        stack in stack(),
        agents in proptest::collection::vec(agent(), 0..=3),
        shared_bucket in any::<bool>(),
        infra in prop_oneof![3 => Just("shared"), 1 => Just("spare"), 2 => Just("boxed")],
        memory in prop_oneof![2 => Just("1Gi"), 1 => Just("2Gi")],
        repo in prop_oneof![4 => Just("/repo"), 1 => Just("/fork"), 1 => Just("/alias")],
    ) -> Specs {
        let mut kept: Vec<Agent> = Vec::new();
        for agent in agents {
            if kept.iter().all(|other| other.id != agent.id) {
                kept.push(agent);
            }
        }
        Specs { stack, agents: kept, shared_bucket, infra, memory, repo }
    }
}

impl Specs {
    /// The YAML of every object, with the name of its file.
    pub fn files(&self) -> Vec<(String, String)> {
        let head = |kind: &str, name: &str| {
            format!(
                "apiVersion: agent-harness.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"
            )
        };
        let mut infra = head("Infra", "shared");
        infra.push_str("  postgres: {embedded: {port: 15432}}\n");
        let buckets = if self.shared_bucket { ", buckets: {results: {}}" } else { "" };
        let _ = writeln!(infra, "  objectStore: {{embedded: {{port: 19000}}{buckets}}}");
        let mut spare = head("Infra", "spare");
        spare.push_str("  postgres: {embedded: {port: 15433}}\n");
        spare.push_str("  objectStore: {embedded: {port: 19001}}\n");
        let Self { infra: used, memory, repo, .. } = self;
        let mut boxed = head("Infra", "boxed");
        let _ = writeln!(
            boxed,
            "  postgres: {{container: {{image: pg, memory: {memory}, volumes: {{data: /data}}, \
             ports: {{postgres: {{host: 15434, container: 5432}}}}}}}}"
        );
        boxed.push_str(
            "  objectStore: {container: {image: s3, ports: {s3: {host: 19002, container: 9000}}}}\n  \
             services: {mail: {container: {image: mail}}}\n",
        );
        let mut stack = head("Stack", "app");
        let _ = writeln!(stack, "  infra: {used}\n  ports: {{api: 8000}}");
        let _ = writeln!(
            stack,
            "  worktree: {{repo: {repo}, base: main, path: '/trees/${{agent.name}}'}}"
        );
        for line in &self.stack {
            let _ = writeln!(stack, "  {line}");
        }
        let mut files = vec![
            ("infra.yaml".into(), infra),
            ("spare.yaml".into(), spare),
            ("boxed.yaml".into(), boxed),
            ("stack.yaml".into(), stack),
        ];
        let has_api = self.stack.iter().any(|line| line.starts_with("processes:"));
        for agent in &self.agents {
            let name = format!("agent-{}", agent.id);
            let mut text = head("Agent", &name);
            text.push_str("  stack: app\n");
            for line in &agent.overrides {
                // An override may add a process, and then has to be whole; keep to those that are there.
                if has_api || !line.starts_with("processes:") {
                    let _ = writeln!(text, "  {line}");
                }
            }
            files.push((format!("{name}.yaml"), text));
        }
        files
    }
}
