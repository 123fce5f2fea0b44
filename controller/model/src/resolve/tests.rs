//! Resolution of the specs of the design, and of what can go wrong in them.

use std::collections::BTreeMap;

use super::*;
use crate::drift::Past;
use crate::kinds::{AnyTarget, Resource};
use crate::plan::plan;
use crate::secret::Secret;
use crate::spec::parse::parse;
use crate::world::{Observed, Seen};

const INFRA: &str = "
apiVersion: agent-harness.dev/v1alpha1
kind: Infra
metadata: {name: shared}
spec:
  postgres: {embedded: {port: 15432}}
  objectStore: {embedded: {port: 19000}}
";

const STACK: &str = "
apiVersion: agent-harness.dev/v1alpha1
kind: Stack
metadata: {name: app}
spec:
  infra: shared
  ports: {frontend: 3000, api: 8000}
  worktree: {repo: ../app, base: main, path: '~/worktrees/${agent.name}'}
  database:
    template: {name: app_template, inputs: [migrations/**], build: {migrate: {run: app migrate}}}
    afterClone: {migrate: {run: app migrate}}
  bucket: {}
  env: {PORT: '${ports.api}', PGPASSWORD: '${database.password}', FE: '${FE_PORT}'}
  files: {'.env.agent.${agent.id}': {content: 'DB=${database.name}'}}
  setup: {install: {run: app install}}
  processes:
    api: {run: app api, ready: {http: {port: api, path: /health}}}
    frontend: {run: 'app serve --port ${ports.frontend}', after: {api: ready}}
";

const AGENT: &str = "
apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: agent-3}
spec: {stack: app, worktree: {branch: fix/foo}}
";

fn documents(texts: &[&str]) -> BTreeMap<ObjectKey, Document> {
    let mut all = BTreeMap::new();
    for (index, text) in texts.iter().enumerate() {
        let parsed = parse(&format!("/specs/{index}.yaml"), text.as_bytes());
        assert!(parsed.problems.is_empty(), "{:#?}", parsed.problems);
        all.extend(parsed.documents.into_iter().map(|document| (document.key.clone(), document)));
    }
    all
}

/// Resolves, giving every fact that is asked for.
pub(super) fn resolved(texts: &[&str]) -> Resolution {
    resolved_with(texts, |_| Ok("1-abcdef0123456789".into()))
}

/// The same, with answers of one's own.
pub(super) fn resolved_with(
    texts: &[&str],
    answer: impl Fn(&Need) -> Result<String, String>,
) -> Resolution {
    let documents = documents(texts);
    let uids = documents
        .keys()
        .map(|key| (key.clone(), Uid::new(format!("00000000-{}", key.slug()))))
        .collect();
    let mut facts = Facts {
        state: "/state".into(),
        home: "/home/me".into(),
        bin: "/bin/harness".into(),
        ..Facts::default()
    };
    loop {
        let resolution = resolve(&documents, &uids, &facts);
        let before = (facts.secrets.len(), facts.answers.len());
        for need in &resolution.needs {
            match need {
                Need::Secret(name) => {
                    facts.secrets.insert(name.clone(), Secret::new(format!("secret of {name}")));
                }
                other => {
                    facts.answers.insert(other.clone(), answer(other));
                }
            }
        }
        if before == (facts.secrets.len(), facts.answers.len()) {
            return resolution;
        }
    }
}

fn problem(texts: &[&str]) -> String {
    let resolution = resolved(texts);
    assert_eq!(resolution.problems.len(), 1, "{:#?}", resolution.problems);
    resolution.problems[0].line()
}

#[test]
fn everything_from_nothing_is_one_plan() {
    let resolution = resolved(&[INFRA, STACK, AGENT]);
    assert_eq!(resolution.problems, []);
    let ids: Vec<_> =
        resolution.desired.objects.values().flat_map(|object| object.resources.keys()).collect();
    let nothing: Observed = ids.into_iter().map(|id| (id.clone(), Seen::Known(None))).collect();
    insta::assert_snapshot!(plan(&resolution.desired, &nothing));
}

#[test]
fn an_agent_gets_its_own_of_everything() {
    let resolution = resolved(&[INFRA, STACK, AGENT]);
    let object = resolution
        .desired
        .objects
        .iter()
        .find(|((key, _), _)| *key == ObjectKey::agent("agent-3"))
        .map(|(_, object)| object)
        .unwrap();
    assert_eq!(object.ports, [("api".to_owned(), 8030), ("frontend".to_owned(), 3030)].into());
    let api = object
        .resources
        .iter()
        .find_map(|(id, wanted)| match &wanted.target {
            AnyTarget::Present(Resource::Process(want)) if id.name == "api" => Some(want),
            _ => None,
        })
        .unwrap();
    assert_eq!(api.command.argv, ["app", "api"]);
    assert_eq!(api.command.cwd, std::path::Path::new("/home/me/worktrees/agent-3"));
    assert_eq!(api.command.env["PORT"].reveal(), "8030");
    assert_eq!(api.command.env["FE"].reveal(), "3030");
    assert!(api.command.env["PGPASSWORD"].is_secret());
    assert_eq!(api.ports, [("api".to_owned(), 8030)]);
}

#[test]
fn a_secret_in_a_command_is_refused() {
    let stack =
        STACK.replace("app serve --port ${ports.frontend}", "app --password ${database.password}");
    insta::assert_snapshot!(problem(&[INFRA, &stack, AGENT]), @"/specs/1.yaml:18:16: a secret in a command can be read by everybody on the host; pass it in `env`, which only the process itself can read");
}

#[test]
fn a_port_past_the_last_one_is_named() {
    let agent = AGENT.replace("agent-3", "agent-9999");
    insta::assert_snapshot!(problem(&[INFRA, STACK, &agent]), @"/specs/1.yaml:7:27: port `api` of agent 9999 would be 107990, past 65535; 8000 + 9999 × 10 has to stay below 65536: use a smaller base, stride or id");
}

#[test]
fn an_unknown_name_is_an_error_at_its_line() {
    let stack = STACK.replace("${ports.api}", "${port.api}");
    let problems = resolved(&[INFRA, &stack]).problems;
    insta::assert_snapshot!(problems[0].line(), @"/specs/1.yaml:13:9: `${port.api}` is not known; did you mean `${ports.api}`? these exist: `AGENT_ID`, `AGENT_NAME`, `API_PORT`, `FE_PORT`, `FRONTEND_PORT`, `agent.id`, `agent.name`, `bucket.name`, `database.host`, `database.name`, `database.password`, `database.port`, `database.url`, `database.user`, `harness.bin`, `harness.state`, `home`, `infra.name`, `ports.api`, `ports.frontend`, `s3.accessKey`, `s3.endpoint`, `s3.region`, `s3.secretKey`, `stack.name`, `worktree.base`, `worktree.branch` and `worktree.path`");
}

#[test]
fn a_file_that_leaves_the_worktree_is_refused() {
    let stack = STACK.replace(".env.agent.${agent.id}", "../x");
    insta::assert_snapshot!(problem(&[INFRA, &stack, AGENT]), @"/specs/1.yaml:14:11: `../x` leaves the worktree; write a path below the worktree, without a leading `/` and without `..`");
}

#[test]
fn the_names_that_validation_knows_are_those_that_there_are() {
    let documents = documents(&[INFRA, STACK]);
    let Body::Infra(infra) = &documents[&ObjectKey::infra("shared")].body else { panic!() };
    let stack = &documents[&ObjectKey::stack("app")];
    let Body::Stack(spec) = &stack.body else { panic!() };
    let node = stack.node.get("spec").unwrap();
    let known = names::known(spec, node, "app", Some(infra));
    let broken = STACK.replace("PORT: '${ports.api}'", "PORT: '${no.such.name}'");
    let resolution = resolved(&[INFRA, &broken, AGENT]);
    let help = resolution.problems[0].help.clone().unwrap();
    let all = crate::spec::diagnostic::list(known.names());
    assert_eq!(help, format!("these exist: {all}; write `$$` for a literal `$`"));
}

#[test]
fn a_relative_path_starts_at_the_file_that_it_is_written_in() {
    let stack = STACK.replace("{content: 'DB=${database.name}'}", "{from: env.template}");
    let agent = AGENT.replace("branch: fix/foo}", "repo: ../other}");
    let mut all = documents(&[INFRA, &stack]);
    let text = agent.replace("spec: {", "spec: {files: {own: {from: own.template}}, ");
    let parsed = parse("/elsewhere/agents/a.yaml", text.as_bytes());
    all.extend(parsed.documents.into_iter().map(|document| (document.key.clone(), document)));
    let uids = all.keys().map(|key| (key.clone(), Uid::new("00000000"))).collect();
    let mut facts = Facts { home: "/home/me".into(), ..Facts::default() };
    // Each try finds out what the next one needs.
    for _ in 0..20 {
        for need in resolve(&all, &uids, &facts).needs {
            match need {
                Need::Secret(name) => _ = facts.secrets.insert(name, Secret::new("x")),
                other => _ = facts.answers.insert(other, Ok("1-abcdef0123456789".into())),
            }
        }
    }
    let asked = facts.answers.keys().filter_map(|need| match need {
        Need::File(path) => path.to_str(),
        _ => None,
    });
    assert_eq!(
        asked.collect::<Vec<_>>(),
        ["/elsewhere/agents/own.template", "/specs/env.template"]
    );
    let resolution = resolve(&all, &uids, &facts);
    let key = (ObjectKey::agent("agent-3"), Uid::new("00000000"));
    let repos: Vec<_> = resolution.desired.objects[&key]
        .resources
        .values()
        .filter_map(|wanted| match &wanted.place {
            crate::kinds::Place::Worktree(place) => place.repo.to_str(),
            _ => None,
        })
        .collect();
    assert_eq!(repos, ["/elsewhere/other"]);
}

#[test]
fn a_base_that_does_not_exist_stops_the_template_and_no_agent() {
    let resolution = resolved_with(&[INFRA, STACK, AGENT], |need| match need {
        Need::Inputs { .. } | Need::Commit { .. } => {
            Err("the repository /app has no revision `main`".into())
        }
        Need::Secret(_)
        | Need::File(_)
        | Need::Repository(_)
        | Need::Folder(_)
        | Need::Memory
        | Need::Disk
        | Need::FreeDisk(_)
        | Need::Program(_) => Ok(String::new()),
    });
    let lines: Vec<String> = resolution.problems.iter().map(Diagnostic::line).collect();
    insta::assert_snapshot!(lines.join("\n"), @"/specs/1.yaml:8:28: the repository /app has no revision `main`");
    let desired = &resolution.desired;
    let runs = crate::kinds::service::Observed::Running {
        fingerprint: String::new(),
        ready: crate::kinds::Readiness::Ready,
        pid: None,
    };
    let resources = desired.objects.values().flat_map(|object| object.resources.keys());
    let seen: Observed = resources
        .map(|id| {
            let have = (id.kind == crate::id::ResourceKind::Service)
                .then(|| crate::kinds::Have::Service(runs.clone()));
            (id.clone(), Seen::Known(have))
        })
        .collect();
    let key = (ObjectKey::agent("agent-3"), Uid::new("00000000-agent-agent-3"));
    // What does not need the database is made, what does waits.
    insta::assert_snapshot!(crate::plan::plan_object(
        desired,
        &seen,
        &Past::default(),
        &key.0,
        &key.1
    ), @r#"
    #1 agent/agent-3 worktree//home/me/worktrees/agent-3, add fix/foo from main, does not exist
    [1] -> #2 agent/agent-3 file/.env.agent.3, write, does not exist
    #3 agent/agent-3 bucket/agent-3, create, does not exist
    [1,2] -> #4 agent/agent-3 setup/install, run `app install`, was not run yet
    held agent/agent-3 database/agent_3, waits for stack/app template/app_template to be ready (template/app_template cannot be seen: not looked at yet)
    held agent/agent-3 setup/afterClone.migrate, waits for agent/agent-3 database/agent_3 to exist (template/app_template cannot be seen: not looked at yet)
    held agent/agent-3 process/api, waits for agent/agent-3 database/agent_3 to exist (template/app_template cannot be seen: not looked at yet)
    held agent/agent-3 process/frontend, waits for agent/agent-3 database/agent_3 to exist (template/app_template cannot be seen: not looked at yet)
    "#);
}

/// The base may move between two looks: a generation is keyed by the inputs of the very commit that it is built from.
#[test]
fn a_template_is_built_from_the_commit_whose_inputs_key_it() {
    let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let resolution = resolved_with(&[INFRA, STACK], |need| match need {
        Need::Commit { base, .. } => Ok(format!("commit of {base}")),
        Need::Inputs { commit, .. } => {
            asked.borrow_mut().insert(commit.clone());
            Ok("inputs".into())
        }
        Need::Secret(_)
        | Need::File(_)
        | Need::Repository(_)
        | Need::Folder(_)
        | Need::Memory
        | Need::Disk
        | Need::FreeDisk(_)
        | Need::Program(_) => Ok(String::new()),
    });
    let built = resolution.desired.objects.values().flat_map(|object| object.resources.values());
    let built: Vec<String> = built
        .filter_map(|wanted| match &wanted.target {
            AnyTarget::Present(Resource::Worktree(want)) => match &want.checkout {
                crate::kinds::worktree::Checkout::Detached { commit } => Some(commit.clone()),
                crate::kinds::worktree::Checkout::Branch { .. } => panic!("{want:?}"),
            },
            _ => None,
        })
        .collect();
    assert_eq!(asked.into_inner().into_iter().collect::<Vec<_>>(), ["commit of main"]);
    assert_eq!(built, ["commit of main"]);
}

#[test]
fn a_secret_file_is_not_for_everybody() {
    let stack = STACK.replace(
        "{content: 'DB=${database.name}'}",
        "{content: '${database.url}', mode: \"0644\"}",
    );
    insta::assert_snapshot!(problem(&[INFRA, &stack, AGENT]), @r#"/specs/1.yaml:14:66: the file holds a secret, and everybody could read it; write mode "0600", or leave it out"#);
}

#[test]
fn each_step_of_a_build_has_its_place() {
    let resolution = resolved(&[INFRA, STACK]);
    let all = resolution.desired.objects.values().flat_map(|object| &object.resources);
    let template = all.into_iter().find(|(id, _)| id.name.starts_with("app_template")).unwrap();
    let places = format!("{:?} {:?}", template.1.source, template.1.parts);
    insta::assert_snapshot!(places, @r#"Some("/specs/1.yaml:10:5") {"migrate": "/specs/1.yaml:10:69"}"#);
}

#[test]
fn a_build_gets_no_key_of_the_store() {
    let stack = STACK.replace("env: {", "env: {KEY: '${s3.secretKey}', ");
    let resolution = resolved(&[INFRA, &stack]);
    let template = resolution.desired.objects.values().flat_map(|object| object.resources.values());
    let keys: Vec<String> = template
        .filter_map(|wanted| match &wanted.target {
            AnyTarget::Present(Resource::Template(want)) => {
                Some(want.build[0].command.env["KEY"].reveal().to_owned())
            }
            _ => None,
        })
        .collect();
    assert_eq!(keys, [""]);
}

#[test]
fn a_url_is_encoded() {
    let stack = STACK.replace("template: {", "name: 'a b@${agent.id}'\n    template: {");
    let stack = stack.replace("env: {", "env: {URL: '${database.url}', ");
    let resolution = resolved(&[INFRA, &stack, AGENT]);
    let Resource::Process(want) = wanted(&resolution, "process/api") else { panic!() };
    insta::assert_snapshot!(want.command.env["URL"].reveal(), @"postgres://a%20b%403:secret%20of%20agent-agent-3--agent-3-database@127.0.0.1:15432/a%20b%403");
}

/// What is wanted of agent 3's resource of this kind and name.
fn wanted(resolution: &Resolution, name: &str) -> Resource {
    assert_eq!(resolution.problems, []);
    let objects = resolution.desired.objects.iter().filter(|((key, _), _)| key.name == "agent-3");
    let mut found = objects.flat_map(|(_, object)| &object.resources);
    let (_, wanted) = found.find(|(id, _)| id.local() == name).unwrap();
    match &wanted.target {
        AnyTarget::Present(want) => want.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_of_an_agents_own_ports_may_use_its_bucket() {
    let stack = STACK
        .replace("bucket: {}", "bucket: {cors: {origins: ['http://localhost:${ports.frontend}']}}");
    let Resource::Bucket(want) = wanted(&resolved(&[INFRA, &stack, AGENT]), "bucket/agent-3")
    else {
        panic!()
    };
    assert_eq!(want.cors.as_ref().unwrap().origins, ["http://localhost:3030"]);
}

#[test]
fn a_process_has_the_ports_of_its_probe_and_of_its_command_line() {
    let stack = STACK.replace("app serve", "app serve --api ${ports.api}");
    let resolution = resolved(&[INFRA, &stack, AGENT]);
    for (name, ports) in [("api", vec![("api", 8030)]), ("frontend", vec![("frontend", 3030)])] {
        let Resource::Process(want) = wanted(&resolution, &format!("process/{name}")) else {
            panic!()
        };
        let has: Vec<(&str, u16)> =
            want.ports.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(has, ports, "{name}");
    }
}

#[test]
fn a_suspended_agent_is_wanted_as_a_whole_and_left_alone() {
    let agent = AGENT.replace("stack: app", "stack: app, suspend: true");
    let resolution = resolved(&[INFRA, STACK, &agent]);
    assert!(matches!(wanted(&resolution, "process/api"), Resource::Process(_)));
    let plan = plan(&resolution.desired, &Observed::default());
    let about = |id: &crate::id::ResourceId| id.owner.name == "agent-3";
    assert!(!plan.steps.iter().any(|step| about(&step.resource)) && !plan.held.keys().any(about));
}

#[test]
fn what_replaced_names_come_to_is_checked() {
    let stack = STACK.replace(
        "files: {'.env.agent.${agent.id}': {content: 'DB=${database.name}'}}",
        "files: {'a-${agent.id}': {content: x}, a-3/b: {content: y}}",
    );
    insta::assert_snapshot!(problem(&[INFRA, &stack, AGENT]), @"/specs/1.yaml:14:42: `a-3/b` cannot lie in `a-3`, which is a file here and not a folder; rename one of them, or move it to another folder");
    let agent = AGENT.replace("fix/foo", "'x/${home}'");
    insta::assert_snapshot!(problem(&[INFRA, STACK, &agent]), @r#"/specs/2.yaml:5:31: "x//home/me" is no name for a branch: it contains `//`; write a name that git takes, such as `agent/${agent.name}`"#);
}

#[test]
fn a_secret_with_a_nul_is_refused() {
    for value in ["{secret: odd}", "'a ${secrets.odd}'"] {
        let problem = with_an_odd_secret(&STACK.replace("'${ports.api}'", value));
        insta::allow_duplicates! {
            insta::assert_snapshot!(problem, @"/specs/1.yaml:13:9: the secret `odd` contains a NUL character; give it a value of plain text: no variable can hold that character");
        }
    }
}

fn with_an_odd_secret(stack: &str) -> String {
    let documents = documents(&[INFRA, stack, AGENT]);
    let key = ObjectKey::agent("agent-3");
    let uids = documents.keys().map(|key| (key.clone(), Uid::new("1"))).collect();
    let names = [
        "spec-odd",
        "agent-agent-3-1-database",
        "agent-agent-3-1-object-store",
        "infra-shared-postgres",
        "infra-shared-object-store",
    ];
    let value = |name| Secret::new(if name == "spec-odd" { "x\0y" } else { "x" });
    let secrets = names.map(|name| (name.to_owned(), value(name))).into();
    let facts = Facts { home: "/home/me".into(), secrets, ..Facts::default() };
    let resolution = resolve(&documents, &uids, &facts);
    let problem = resolution.problems.iter().find(|it| it.object.as_ref() == Some(&key)).unwrap();
    problem.line()
}

#[test]
fn a_secret_that_cannot_be_had_is_said_also_where_an_earlier_value_is_known() {
    let documents = documents(&[INFRA]);
    let key = ObjectKey::infra("shared");
    let name = "infra-shared-postgres".to_owned();
    let mut facts = Facts { home: "/home/me".into(), ..Facts::default() };
    facts.secrets.insert(name.clone(), Secret::new("x"));
    facts.answers.insert(Need::Secret(name), Err("the secret cannot be had".into()));
    let resolution = resolve(&documents, &[(key, Uid::new("1"))].into(), &facts);
    let said: Vec<_> = resolution.problems.iter().map(Diagnostic::line).collect();
    assert_eq!(said, ["/specs/0.yaml:4:18: the secret cannot be had"]);
    assert!(resolution.desired.objects.is_empty());
}

#[test]
fn a_worktree_lies_apart_from_specs_repository_and_state() {
    for (path, words) in [
        ("/specs/${agent.name}", "would lie in /specs"),
        ("../specs", "would hold the spec file /specs/1.yaml"),
        ("../app", "would hold its own repository /app"),
        ("../app/.git/${agent.name}", "would lie in /app/.git"),
        ("/state", "would hold the state folder /state"),
    ] {
        let stack = STACK.replace("~/worktrees/${agent.name}", path);
        let found = problem(&[INFRA, &stack, AGENT]);
        assert!(found.starts_with("/specs/1.yaml:8:40: ") && found.contains(words), "{found}");
    }
    let stack = STACK.replace("~/worktrees/${agent.name}", "${harness.state}/worktrees/x");
    assert_eq!(resolved(&[INFRA, &stack, AGENT]).problems, []);
}

#[test]
fn an_agent_has_limits_of_its_own_and_those_of_its_stack() {
    let stack = STACK
        .replace("run: app api,", "run: app api, cpus: 0.5, nice: 5, openFiles: 64,")
        .replace("  processes:", "  limits: {memory: 4Gi, cpus: 2, pids: 512}\n  processes:");
    let agent = AGENT.replace("stack: app,", "stack: app, limits: {memory: 6Gi, pids: null},");
    let resolution = resolved(&[INFRA, &stack, &agent]);
    assert_eq!(resolution.problems, []);
    let key = (ObjectKey::agent("agent-3"), Uid::new("00000000-agent-agent-3"));
    let agent = &resolution.desired.objects[&key];
    let found = agent.resources.iter().find(|(id, _)| id.local() == "process/api");
    let AnyTarget::Present(Resource::Process(api)) = &found.unwrap().1.target else {
        panic!("it is wanted");
    };
    assert_eq!(
        (api.limits.milli_cpus, api.limits.nice, api.limits.open_files, api.limits.memory),
        (Some(500), Some(5), Some(64), None)
    );
    let budget = api.budget;
    assert_eq!((budget.memory, budget.milli_cpus, budget.pids), (Some(6 << 30), Some(2000), None));
}
