//! The app of an agent, as its user has it.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;

use serde_json::Value;

use super::super::host::{Answer, request};
use super::super::stand_in::StandIn;

/// The user's password is that of the seeds.
const LOGIN: &str = r#"{"email":"demo@lightdash.com","password":"demo_password!"}"#;

/// Who is logged in at an agent's app.
pub struct Session {
    port: u16,
    host: String,
    cookie: String,
}

impl Session {
    /// Logs in through the page's port, by the agent's own name of this host: cookies know no ports.
    pub fn new(place: &StandIn, agent: u16) -> Self {
        let port = place.site.frontend + agent * 10;
        let host = format!("agent-{agent}.localhost:{port}");
        let answer = request(port, "POST", "/api/v1/login", &[("Host", &host)], LOGIN).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let value = name.eq_ignore_ascii_case("set-cookie").then_some(value)?;
            value.split(';').next().map(str::to_owned)
        });
        Self { port, host, cookie: cookie.expect("a cookie") }
    }

    /// What the API gives.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.answer(method, path, body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        answer["results"].clone()
    }

    pub fn answer(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers = [("Host", &*self.host), ("Cookie", &*self.cookie)];
        request(self.port, method, path, &headers, body).unwrap()
    }
}

/// Page, API, login, the demo project's warehouse, the bucket: all of them the agent's own.
pub fn it_works(place: &StandIn, agent: u16) {
    let site = &place.site;
    let (page, api) = (site.frontend + agent * 10, site.api + agent * 10);
    for port in [api, page] {
        let answer = request(port, "GET", "/api/v1/health", &[("Host", "localhost")], "").unwrap();
        let url = format!("\"siteUrl\":\"http://localhost:{page}\"");
        assert!(answer.status == 200 && answer.body.contains(&url), "{answer:?}");
    }
    let html = request(page, "GET", "/", &[("Host", "localhost")], "").unwrap();
    assert!(html.status == 200 && html.body.contains("<title>Lightdash</title>"), "{html:?}");
    assert!(
        site.ctl_ok(&["url", &agent.to_string()]).contains(&format!("http://localhost:{page}"))
    );

    // Upstream: the credentials in a clone could not be opened, or led to the template and kept it busy.
    let session = Session::new(place, agent);
    let warehouse = session.ask("GET", "/api/v1/projects/jaffle-shop/warehouse", "");
    let demo = place.worktree(agent).join("examples/full-jaffle-shop-demo/dbt");
    assert_eq!(warehouse["database"], format!("agent_{agent}"));
    assert_eq!(warehouse["dbtProjectDir"], demo.to_str().unwrap());
    assert_eq!(warehouse["orders"], 4);
    assert_eq!(site.sql(&format!("agent_{agent}"), "SELECT count(*) FROM jaffle.orders"), "4");

    let path = format!("/api/v1/uploads/of-agent-{agent}");
    let stored = session.ask("PUT", &path, &format!("{{\"agent\":{agent}}}"));
    assert_eq!(stored["bucket"], format!("agent-{agent}"));
    assert_eq!(session.ask("GET", &path, "")["agent"], agent);
    let other = format!("/api/v1/uploads/of-agent-{}", 3 - agent);
    assert_ne!(session.answer("GET", &other, "").status, 200, "that is another agent's");
    // A page may put a file by itself, where the store's own rules let it.
    let url = session.ask("POST", &format!("{path}-by-url/url"), "")["url"].clone();
    let url = url.as_str().unwrap().split_once(&format!("{}/", site.store)).unwrap().1.to_owned();
    let host = format!("127.0.0.1:{}", site.store);
    let origin = format!("http://localhost:{page}");
    let headers = [("Host", &*host), ("Origin", &*origin)];
    let put = request(site.store, "PUT", &format!("/{url}"), &headers, "{\"by\":\"url\"}").unwrap();
    let allowed =
        put.head.to_lowercase().contains(&format!("access-control-allow-origin: {origin}"));
    assert!(put.status == 200 && allowed, "{put:?}");
    assert_eq!(session.ask("GET", &format!("{path}-by-url"), "")["by"], "url");
}

/// What is written into the worktree: all that an agent has to know, nothing that it must not, and nothing that Git sees.
pub fn its_files_are_its_own(place: &StandIn, agent: u16) {
    let tree = place.worktree(agent);
    let read = |name: &str| fs::read_to_string(tree.join(name)).unwrap();
    let env = read(&format!(".env.agent.{agent}"));
    let value = |key: &str| {
        let line = env.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}")).to_owned()
    };
    assert_eq!(value("PGDATABASE"), format!("agent_{agent}"));
    assert_eq!(value("PORT"), (place.site.api + agent * 10).to_string());
    assert_eq!(value("LIGHTDASH_SECRET"), place.site.secret("spec-lightdash"));

    // Upstream: the developers' own environment was mixed in, with its key and its containers.
    for line in read(".env.development").lines().filter(|line| !line.starts_with('#')) {
        let shared = ["PGUSER", "PGPORT"].contains(&line.split('=').next().unwrap());
        assert!(shared || !env.contains(&format!("\n{line}\n")), "{line}");
    }
    assert!(!env.contains("LIGHTDASH_LICENSE_KEY"));
    // What a shell gets by the file is what the processes have.
    let shown = place.site.ctl_ok(&["exec", &agent.to_string(), "--", "env"]);
    for line in env.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        assert!(shown.lines().any(|shown| shown == line), "{line} is in the file alone");
    }

    let words = [
        "ctl verify",
        "--full",
        &*format!("http://localhost:{}", place.site.frontend + agent * 10),
    ];
    let told = read("CLAUDE.agent.md");
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
    assert!(read("AGENTS.override.md").contains("CLAUDE.agent.md"));
    assert_eq!(read("CLAUDE.local.md"), "@CLAUDE.agent.md\n");
    for name in ["CLAUDE.agent.md", "CLAUDE.local.md", "AGENTS.override.md"] {
        for key in ["PGPASSWORD", "S3_SECRET_KEY", "S3_ACCESS_KEY", "LIGHTDASH_SECRET"] {
            assert!(!read(name).contains(&value(key)), "{key} is in {name}");
        }
    }
    assert_eq!(place.git_in(&tree, &["status", "--short"]), "", "all is as it was committed");
    assert!(read("AGENTS.md").starts_with("# Instructions of the repository"));
}

/// A migration of one branch is in the database of that agent alone.
pub fn only_one_has_what_its_branch_has(place: &StandIn) {
    let ahead = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'ahead'";
    assert_eq!(place.site.sql("agent_2", ahead), "1");
    assert_eq!(place.site.sql("agent_1", ahead), "0");
}

/// All stages of `verify`; and an error of TypeScript is told with its place, though pnpm runs it in another folder.
pub fn all_checks_of_the_repository_pass(place: &StandIn) {
    let report = |words: &[&str]| -> serde_json::Value {
        let output = place.site.ctl(&[&["verify", "2"], words].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let told = report(&["--full"]);
    assert_eq!(told["status"], "pass", "{told:#}");
    let names = |told: &serde_json::Value| -> Vec<String> {
        let stages = told["stages"].as_array().unwrap().iter();
        stages.map(|stage| stage["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&told), ["typecheck", "lint", "test-unit", "test-full", "smoke"]);
    let wrong = "packages/backend/src/wrong.ts";
    let path = place.worktree(2).join(wrong);
    std::fs::write(&path, "export const wrong: number = `it's \"wrong\"`;\n").unwrap();
    let told = report(&[]);
    assert_eq!((&told["status"], names(&told)), (&"fail".into(), vec!["typecheck".to_owned()]));
    let first = told["stages"][0]["first_error"].as_str().unwrap();
    assert!(first.starts_with(&format!("{wrong}:1:14 TS2322: ")), "{first}");
    std::fs::remove_file(path).unwrap();
    // They leave nothing behind that Git would see.
    assert_eq!(place.git_in(&place.worktree(2), &["status", "--short"]), "");
}
