//! Servers that somebody else runs: agents get their databases and buckets there, and nothing else there is touched.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::harness::{Site, text};
use super::host::http;

/// The servers of one place are somebody else's for the other one.
#[test]
fn agents_live_on_servers_of_somebody_else() {
    let mut lender = Site::new();
    for file in ["agent-1.yaml", "agent-2.yaml", "stack.yaml"] {
        fs::remove_file(lender.specs().join(file)).unwrap();
    }
    lender.start();
    lender.ready(&format!("infra/{}", lender.infra));
    let (postgres, store) = (lender.postgres, lender.store);
    lender.sql("postgres", "CREATE DATABASE precious");
    let admin = lender.admin();
    assert!(admin.makes("precious"));
    admin.put("precious", "key", "precious");
    let databases = || {
        let all = "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles ORDER BY 1";
        lender.sql("postgres", all)
    };
    let before = (databases(), admin.buckets());
    let servers = [postgres, store].map(Site::pid_on);

    let mut site = Site::new();
    let (infra, access) = (site.infra.clone(), lender.admin_key());
    let secrets = site.state().join("secrets");
    fs::create_dir_all(&secrets).unwrap();
    for (name, value) in [
        ("spec-theirs", lender.secret(&format!("infra-{}-postgres", lender.infra))),
        ("spec-their-store", lender.secret(&format!("infra-{}-object-store", lender.infra))),
    ] {
        fs::write(secrets.join(name), value).unwrap();
        fs::set_permissions(secrets.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    site.write_spec(
        "infra.yaml",
        &format!(
            "apiVersion: agent-harness.dev/v1alpha1\nkind: Infra\nmetadata: {{name: {infra}}}\nspec:\n  \
             postgres: {{external: {{url: \"postgres://postgres@127.0.0.1:{postgres}/postgres\", password: {{secret: theirs}}}}}}\n  \
             objectStore: {{external: {{endpoint: \"http://127.0.0.1:{store}\", accessKey: {access}, secretKey: {{secret: their-store}}}}}}\n"
        ),
    );
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    assert_eq!(
        site.ctl_ok(&["exec", "1", "--", "hello", "check"]),
        "api, page, database and bucket work\n"
    );
    assert!(
        admin.objects("agent-1").len() > admin.objects("agent-2").len(),
        "the note's file is there"
    );
    let other = http(site.api + 20, "GET", "/api/v1/notes", "").unwrap().1;
    assert!(other.contains("Welcome") && !other.contains("a note of hello check"), "{other}");

    // To the trash and back.
    let there = admin.objects("agent-1");
    site.ctl_ok(&["delete", "1"]);
    site.wait("agent-1", "deleted");
    let live = "SELECT count(*) FROM pg_database WHERE datname = 'agent_1'";
    assert_eq!(lender.sql("postgres", live), "0");
    site.ctl_ok(&["undelete", "1"]);
    site.ready("agent-1");
    let back = http(site.api + 10, "GET", "/api/v1/notes", "").unwrap().1;
    assert!(back.contains("a note of hello check"), "{back}");
    for (key, value) in there.iter().filter(|(key, _)| key.starts_with("attachments/")) {
        assert_eq!(admin.objects("agent-1").get(key), Some(value));
    }
    // Their administrator's keys are in nothing that is shown.
    let shown = [site.ctl_ok(&["get", "-o", "yaml"]), site.ctl_ok(&["events"]), site.report()];
    for name in ["spec-theirs", "spec-their-store"] {
        let secret = site.secret(name);
        assert!(shown.iter().all(|shown| !shown.contains(&secret)), "{name} is shown");
    }

    // It all goes, and what is theirs stays.
    site.kill();
    let mut down = site.controller();
    let down = down.args(["down", "--purge", "--yes"]).output().unwrap();
    assert!(down.status.success(), "{}", text(&down.stderr));
    assert_eq!((databases(), admin.buckets()), before);
    assert_eq!(admin.objects("precious")["key"], "precious");
    assert_eq!([postgres, store].map(Site::pid_on), servers);
}
