//! Parse Server, from npm: objects in PostgreSQL, files in a bucket, the schema made by the server itself.

use serde_json::{Value, json};

use super::{agent_1_goes_and_comes_back, template, up};
use crate::e2e::harness::Site;
use crate::e2e::host::request;

/// A client with the keys of one agent's app, at the server of one.
struct Client<'a> {
    site: &'a Site,
    keys: u16,
    at: u16,
}

impl Client<'_> {
    /// The answer to a request: status, and what it says.
    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
        let (app, key) =
            (format!("notes-agent-{}", self.keys), self.site.secret("spec-parse-rest-key"));
        let headers = [
            ("Host", "localhost"),
            ("X-Parse-Application-Id", app.as_str()),
            ("X-Parse-REST-API-Key", &key),
            ("Content-Type", kind),
        ];
        let port = self.site.api + self.at * 10;
        let answer = request(port, method, &format!("/parse{path}"), &headers, body).unwrap();
        (answer.status, answer.body)
    }

    /// What comes of a request that has to succeed.
    fn done(&self, method: &str, path: &str, kind: &str, body: &str) -> Value {
        let (status, answer) = self.ask(method, path, kind, body);
        assert!(status / 100 == 2, "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }
}

/// The titles of all notes.
const TITLES: &str = r#"SELECT title FROM "Note" ORDER BY title"#;

#[test]
fn objects_and_files_are_of_one_agent_alone_and_come_back_with_it() {
    let site = up("parse-server", [15450, 19050, 1337]);
    let (one, two) =
        (Client { site: &site, keys: 1, at: 1 }, Client { site: &site, keys: 2, at: 2 });

    // Both came out of one template, which the server's own migrations made.
    let template = template(&site, "parse_template");
    let classes = r#"SELECT string_agg("className", ' ' ORDER BY "className") FROM "_SCHEMA" WHERE "className" IN ('Note', '_User')"#;
    let first = r#"SELECT "objectId", title FROM "Note""#;
    for database in ["agent_1", "agent_2"] {
        assert_eq!(site.sql(database, classes), "Note _User");
        assert_eq!(site.sql(database, first), site.sql(&template, first));
        assert_eq!(site.sql(database, TITLES), "Welcome");
    }

    // A note with an attachment, through the first one's server.
    let file = one.done("POST", "/files/words.txt", "text/plain", "for agent 1 alone");
    let attachment = json!({"__type": "File", "name": file["name"], "url": file["url"]});
    let note = json!({"title": "Of agent 1", "attachment": attachment}).to_string();
    let made = one.done("POST", "/classes/Note", "application/json", &note);
    let path = format!("/classes/Note/{}", made["objectId"].as_str().unwrap());
    let read = one.done("GET", &path, "application/json", "");
    assert_eq!(read["title"], "Of agent 1");
    let url = read["attachment"]["url"].as_str().unwrap();
    // It says where to by the name that it was asked by.
    let inside = "http://localhost/parse";
    let file_path = url.strip_prefix(inside).unwrap_or_else(|| panic!("{url} is not at {inside}"));
    assert_eq!(one.ask("GET", file_path, "text/plain", "").1, "for agent 1 alone");

    // It is there in the first one's database and bucket, and nowhere in the second one's.
    assert_eq!(site.sql("agent_1", TITLES), "Of agent 1\nWelcome");
    assert_eq!(site.sql("agent_2", TITLES), "Welcome");
    let objects = site.admin().objects("agent-1");
    assert_eq!(objects.values().collect::<Vec<_>>(), ["for agent 1 alone"], "{objects:?}");
    assert!(site.admin().objects("agent-2").is_empty());
    assert_eq!(two.ask("GET", &path, "application/json", "").0, 404);
    let stranger = Client { site: &site, keys: 1, at: 2 };
    assert_eq!(stranger.ask("GET", &path, "application/json", "").0, 403);

    // The app's own check, as an agent would run it.
    let check = ["exec", "2", "--", "npm", "--prefix", "examples/parse-server/app", "run", "check"];
    assert!(site.ctl_ok(&check).contains("server, database and bucket work"));

    agent_1_goes_and_comes_back(&site, |agent| {
        let rows = site.sql(&format!("agent_{agent}"), r#"SELECT * FROM "Note" ORDER BY title"#);
        (rows, site.admin().objects(&format!("agent-{agent}")))
    });
    assert_eq!(one.done("GET", &path, "application/json", "")["title"], "Of agent 1");
    assert_eq!(one.ask("GET", file_path, "text/plain", "").1, "for agent 1 alone");
}
