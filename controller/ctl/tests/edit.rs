//! `ctl edit` with a script as the editor.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Controller, agent};

const SPEC: &str = "# mine
apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: agent-1}
spec: {stack: hello}
";

/// A controller with one agent, and what was applied.
fn controller(folder: &Path) -> (Controller, PathBuf, Arc<Mutex<Vec<Value>>>) {
    let spec = folder.join("agent-1.yaml");
    write(&spec, SPEC);
    std::fs::set_permissions(&spec, std::fs::Permissions::from_mode(0o640)).unwrap();
    let applied = Arc::new(Mutex::new(Vec::new()));
    let (noted, source) = (Arc::clone(&applied), format!("{}:4", spec.display()));
    let controller = Controller::new(move |line, body| match line {
        "POST /v1/apply" => {
            assert_eq!(body["dryRun"], true);
            noted.lock().unwrap().push(body["files"][0]["text"].clone());
            if body.to_string().contains("stack: none") {
                let diagnostic = "error: there is no Stack `none`\n --> agent-1.yaml:5:15";
                return (
                    422,
                    json!({ "message": "nothing was applied", "diagnostics": [diagnostic] }),
                );
            }
            (200, json!([{ "object": "agent/agent-1", "change": "configured", "generation": 2 }]))
        }
        _ => (200, agent(&source)),
    });
    (controller, spec, applied)
}

fn write(path: &Path, text: &str) {
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_is_edited_is_checked_and_put_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (controller, spec, applied) = controller(folder.path());
    let editor =
        controller.script("editor", "#!/bin/sh\nsed -i 's/stack: hello/stack: other/' \"$2\"\n");
    let done = controller
        .ctl()
        .env("EDITOR", format!("{} --wait", editor.display()))
        .args(["edit", "1"])
        .assert();
    done.success().stdout("agent/agent-1 configured\n").stderr("");
    assert_eq!(*applied.lock().unwrap(), [json!(SPEC.replace("hello", "other"))]);
    assert_eq!(read(&spec), SPEC.replace("hello", "other"));
    assert_eq!(spec.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    assert_eq!(controller.left(), Vec::<PathBuf>::new());
}

#[test]
fn nothing_happens_when_nothing_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (controller, _, applied) = controller(folder.path());
    let done = controller.ctl().env("EDITOR", "true").args(["edit", "1"]).assert();
    done.success().stdout("").stderr("nothing was changed\n");
    assert!(applied.lock().unwrap().is_empty());
    let done = controller.ctl().env("EDITOR", "false").args(["edit", "1"]).assert();
    done.code(1)
        .stderr("error: the editor `false` ended with exit status: 1; nothing was changed\n");
    assert_eq!(controller.left(), Vec::<PathBuf>::new());
}

/// What is wrong is shown at the top: first what is not well-formed, then what the controller refuses,
/// until it is right.
#[test]
fn what_is_wrong_comes_back_with_the_reason_at_its_top() {
    let folder = tempfile::tempdir().unwrap();
    let (controller, _, applied) = controller(folder.path());
    let seen = folder.path().join("seen");
    let editor = controller.script(
        "editor",
        &format!(
            "#!/bin/sh\ncat \"$1\" >> {seen}\n\
             sed -i 's/stack: none/stack: other/; s/stcak: hello/stack: none/; s/stack: hello/stcak: hello/' \"$1\"\n",
            seen = seen.display()
        ),
    );
    let done = controller.ctl_on_terminal("edit 1").env("VISUAL", editor).assert().success();
    let words = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    let unknown = words.find("error: unknown key `stcak` in `spec`").unwrap();
    let absent = words.find("error: there is no Stack `none`").unwrap();
    assert!(unknown < absent && words.ends_with("agent/agent-1 configured\r\n"), "{words}");
    assert_eq!(controller.left(), Vec::<PathBuf>::new());
    assert_eq!(applied.lock().unwrap().len(), 2, "what is not well-formed is not sent");
    let seen = read(&seen);
    assert!(seen.contains("#ctl| error: unknown key `stcak` in `spec`"), "{seen}");
    assert!(seen.contains("#ctl| error: there is no Stack `none`"), "{seen}");
    assert_eq!(seen.matches("# mine").count(), 3, "{seen}");
}

#[test]
fn giving_up_keeps_the_edits() {
    let folder = tempfile::tempdir().unwrap();
    let (controller, _, _) = controller(folder.path());
    let editor =
        controller.script("editor", "#!/bin/sh\nsed -i 's/stack: hello/stack: none/' \"$1\"\n");
    let done = controller.ctl_on_terminal("edit 1").env("EDITOR", editor).assert().code(1);
    let words = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert_eq!(words.matches("there is no Stack `none`").count(), 1, "{words}");
    assert!(words.contains("error: given up; nothing was changed"), "{words}");
    assert!(read(&kept(&words)).contains("stack: none"), "{words}");
}

/// The file in which the edits are kept, as it was said.
fn kept(words: &str) -> PathBuf {
    words.trim_end().rsplit_once("your edits are kept in ").unwrap().1.into()
}

/// An editor that is a program may make another mistake each time.
#[test]
fn without_a_terminal_the_editor_opens_once() {
    let folder = tempfile::tempdir().unwrap();
    let (controller, spec, _) = controller(folder.path());
    let mut ctl = controller.ctl();
    ctl.env("EDITOR", "sed -i s/agent-1/agent-11/").args(["edit", "1"]);
    let done = ctl.assert().code(1);
    let words = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(words.contains("error: agent/agent-1 is not in it any more"), "{words}");
    assert_eq!(read(&kept(&words)), SPEC.replace("agent-1", "agent-11"));
    assert_eq!(read(&spec), SPEC);
    let mut ctl = controller.ctl();
    ctl.env("EDITOR", "sed -i s/hello/none/").args(["edit", "1"]);
    let done = ctl.assert().code(1);
    let words = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(words.starts_with("error: there is no Stack `none`"), "{words}");
    assert_eq!(read(&kept(&words)), SPEC.replace("hello", "none"));
    assert_eq!(controller.left().len(), 2, "a draft each, and nothing beside");
}

#[test]
fn a_file_that_changed_meanwhile_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (controller, spec, _) = controller(folder.path());
    let editor = controller.script(
        "editor",
        &format!("#!/bin/sh\necho '# a' >> \"$1\"; echo '# b' >> {}\n", spec.display()),
    );
    let done = controller.ctl().env("EDITOR", editor).args(["edit", "1"]).assert().code(1);
    let words = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(words.contains("agent-1.yaml changed meanwhile"), "{words}");
    assert_eq!(read(&spec), format!("{SPEC}# b\n"));
}

#[test]
fn an_interrupt_of_the_editor_does_not_end_ctl() {
    let folder = tempfile::tempdir().unwrap();
    let (controller, spec, _) = controller(folder.path());
    let editor = controller.script(
        "editor",
        "#!/bin/sh\nkill -INT $PPID\nkill -QUIT $PPID\nsed -i 's/stack: hello/stack: other/' \"$1\"\n",
    );
    let done = controller.ctl().env("EDITOR", editor).args(["edit", "1"]).assert();
    done.success().stdout("agent/agent-1 configured\n");
    assert_eq!(read(&spec), SPEC.replace("hello", "other"));
}

#[test]
fn a_name_is_not_changed_for_that_would_be_a_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let (controller, spec, applied) = controller(folder.path());
    let editor = controller
        .script("editor", "#!/bin/sh\nsed -i 's/{name: agent-1}/{name: agent-2}/' \"$1\"\n");
    let done = controller.ctl().env("EDITOR", editor).args(["edit", "1"]).assert().code(1);
    let words = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(words.contains("agent/agent-1 is not in it any more"), "{words}");
    assert!(words.contains("ctl delete agent/agent-1"), "{words}");
    assert!(words.contains("your edits are kept in "), "{words}");
    assert!(applied.lock().unwrap().is_empty(), "it was not even asked");
    assert_eq!(read(&spec), SPEC);
}
