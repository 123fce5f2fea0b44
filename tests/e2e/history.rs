//! Specs over time: earlier ones are applied again, an agent is let be whatever its spec says, and one that is protected
//! stays.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;

use super::harness::{Site, text};

#[test]
fn an_earlier_spec_comes_again_and_who_is_suspended_is_let_be() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    let first = fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap();
    let generation =
        |site: &Site| site.object("agent-1")["metadata"]["generation"].as_u64().unwrap();
    let with = |more: &str| first.replace("{stack: hello}", &format!("{{stack: hello, {more}}}"));

    // A change is a generation, and the one before comes again.
    site.write_spec("agent-1.yaml", &with("env: {EXTRA: one}"));
    site.eventually("the second generation", || (generation(&site) == 2).then_some(()));
    let told = site.ctl_ok(&["history", "1"]);
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["GENERATION", "AGE", "LINES", "COMMIT", "SOURCE"], "{told}");
    assert_eq!((rows[1][0], rows[1][2], rows[2][0], rows[2][2]), ("1", "-", "2", "+1"), "{told}");
    assert_eq!(site.ctl_ok(&["history", "1", "--generation", "1"]).trim_end(), first.trim_end());
    site.ctl_ok(&["rollback", "1", "--wait"]);
    assert_eq!(generation(&site), 3);
    assert!(!site.ctl_ok(&["env", "1"]).contains("EXTRA"));
    assert_eq!(
        fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap().trim_end(),
        first.trim_end()
    );
    site.ctl_ok(&["rollback", "1", "--to", "2", "--wait"]);
    assert!(site.ctl_ok(&["env", "1"]).contains("EXTRA=one"));
    let nothing = site.ctl(&["rollback", "1", "--to", "7"]);
    assert_eq!(nothing.status.code(), Some(1));
    let said = text(&nothing.stderr);
    assert!(said.contains("agent/agent-1 is of generation 4, and no generation 7 of it is kept; there are: 1, 2, 3"), "{said}");

    // Suspended, it stays as it is, also across a restart of the controller; resumed, it catches up.
    let running = site.processes(1);
    assert!(site.ctl_ok(&["suspend", "1"]).contains("agent/agent-1 suspended"));
    assert!(site.ctl_ok(&["suspend", "1"]).contains("unchanged"));
    site.kill();
    site.start();
    site.write_spec("agent-1.yaml", &with("env: {EXTRA: two}"));
    site.eventually("a status about the new generation", || {
        let object = site.object("agent-1");
        let status = &object["status"];
        (status["observedGeneration"] == 5 && status["phase"] == "Suspended").then_some(())
    });
    assert_eq!(site.processes(1), running);
    let refused = site.ctl(&["restart", "1"]);
    assert_eq!(refused.status.code(), Some(4));
    let said = text(&refused.stderr);
    assert!(
        said.contains("is suspended (by `ctl suspend` since ")
            && said.contains("`ctl resume agent-1` goes on"),
        "{said}"
    );
    site.ctl_ok(&["resume", "1"]);
    site.ready("agent-1");
    assert!(site.processes(1).iter().all(|process| !running.contains(process)));

    // Protected, it is not deleted: neither by a word, nor with its file.
    site.write_spec("agent-1.yaml", &with("deletion: {protect: true}"));
    site.eventually("the last generation", || (generation(&site) == 6).then_some(()));
    site.ready("agent-1");
    let kept = site.processes(1);
    for words in [&["delete", "1"][..], &["delete", "1", "--purge", "--yes"]] {
        let refused = site.ctl(words);
        assert_eq!(refused.status.code(), Some(4), "{words:?}");
        let said = text(&refused.stderr);
        assert!(
            said.contains("agent/agent-1 is protected: take `deletion: {protect: true}` out"),
            "{said}"
        );
    }
    site.remove_spec("agent-1.yaml");
    site.eventually("the deletion to be refused", || {
        let told = site.ctl_ok(&["describe", "agent-1"]);
        (told.contains("DeletionBlocked") && told.contains("Protected")).then_some(())
    });
    site.ctl_ok(&["approve"]);
    site.write_spec("agent-1.yaml", &first);
    site.eventually("it to be unprotected", || (generation(&site) == 7).then_some(()));
    assert_eq!(site.processes(1), kept);
    site.ctl_ok(&["delete", "1", "--wait"]);
}
