//! PM2 configs that are programs: run by the user's own node, or not at all.

use std::path::Path;

use assert_cmd::Command;

use crate::support::{Controller, ctl};

/// A config that prints, has a timer and makes paths absolute, as those that people write.
const CONFIG: &str = "console.log('loading');
setInterval(() => {}, 1000);
module.exports = { apps: [{ name: 'it\\'s', script: 'server.js', cwd: __dirname + '/packages/a', env: { PORT: 8080 } }] };
";

fn words(command: &mut Command, code: i32) -> (String, String) {
    let done = command.assert().code(code);
    let [out, err] = [&done.get_output().stdout, &done.get_output().stderr];
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
    (text(out), text(err))
}

fn has_node() -> bool {
    std::process::Command::new("node").arg("--version").output().is_ok()
}

fn convert(controller: &Controller, name: &str, text: &str) -> Command {
    let folder = controller.path().join("a b'; $(c)");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), text.as_bytes()).unwrap();
    let mut command = ctl(controller.path());
    command.args(["convert", "pm2", "--name", "app"]).arg(path);
    command
}

fn nobody() -> Controller {
    Controller::new(|_, _| (404, serde_json::Value::Null))
}

/// Where there is no node, a stand-in prints what it would print.
#[test]
fn a_program_is_run_for_what_it_says() {
    let controller = nobody();
    let mut command = convert(&controller, "ecosystem.config.js", CONFIG);
    if !has_node() {
        let folder = controller.path().join("a b'; $(c)/packages/a");
        let app = serde_json::json!({
            "name": "it's", "script": "server.js", "cwd": folder, "env": {"PORT": 8080},
        });
        let said = serde_json::json!({ "apps": [app] }).to_string();
        let script = format!("#!/bin/sh\ncat <<'END'\nloading\n{said}\nEND\n");
        let bin = controller.script("node", &script);
        command.env("PATH", path_with(bin.parent().unwrap()));
    }
    let (yaml, _) = words(&mut command, 0);
    insta::assert_snapshot!(yaml, @"
    apiVersion: agent-harness.dev/v1alpha1
    kind: Stack
    metadata:
      name: app
    spec:
      ports:
        it-s: 8080
      processes:
        it-s:
          run: node server.js
          cwd: packages/a
          env:
            PORT: ${ports.it-s}
    ");
}

fn path_with(folder: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

#[test]
fn a_program_that_fails_is_said_to() {
    let controller = nobody();
    let said = "echo 'Error: Cannot find module x' >&2\necho '    at deep (x.js:1)' >&2";
    let bin = controller.script("node", &format!("#!/bin/sh\n{said}\nexit 1\n"));
    let mut command = convert(&controller, "ecosystem.config.cjs", "require('x')\n");
    command.env("PATH", path_with(bin.parent().unwrap()));
    let (yaml, said) = words(&mut command, 1);
    assert_eq!(yaml, "");
    let said = said.replace(&controller.path().display().to_string(), "STATE");
    insta::assert_snapshot!(said, @"
    error: STATE/a b'; $(c)/ecosystem.config.cjs cannot be run: Error: Cannot find module x
     hint: correct it so that `node` loads it; nothing of it was converted
    ");
}

#[test]
fn without_node_a_program_cannot_be_read() {
    let controller = nobody();
    let mut command = convert(&controller, "ecosystem.config.js", CONFIG);
    command.env("PATH", controller.path());
    let (yaml, said) = words(&mut command, 1);
    assert_eq!(yaml, "");
    let said = said.replace(&controller.path().display().to_string(), "STATE");
    insta::assert_snapshot!(said, @"
    error: STATE/a b'; $(c)/ecosystem.config.js is a program, and there is no `node` on PATH to run it
     hint: install Node.js, or write what it exports into a .json file and convert that
    ");
}
