//! Procfiles.

use super::super::procfile::convert;
use super::shown;

fn procfile(text: &str) -> String {
    shown(convert("Procfile", text, "app"))
}

#[test]
fn lines_become_processes() {
    insta::assert_snapshot!(
        procfile(
            "# comment
web: bundle exec puma -p ${PORT:-3000}

worker: QUEUE=* bin/worker && echo '${HOME}'
  metrics:node metrics.js --port $PORT
release: bin/migrate
mail_catcher_: mailpit
"
        ),
        @"
          ports:
            metrics: 5001
            web: 5000
          processes:
            mail_catcher:
              run: mailpit
            metrics:
              run: node metrics.js --port $PORT
              env:
                PORT: ${ports.metrics}
            web:
              run: bundle exec puma -p $${PORT:-3000}
              env:
                PORT: ${ports.web}
            worker:
              run: QUEUE=* bin/worker && echo '$${HOME}'
        ---
        2:1 note: `web`: its PORT is `ports.web`: 5000 + 10 × the number of the agent
        5:3 note: `metrics`: its PORT is `ports.metrics`: 5001 + 10 × the number of the agent
        6:1 lost: `release`: it runs once before a release, and is no process that stays; write it under `setup` as a step: `release: {run: …}`
        7:1 note: `mail_catcher_`: `mail_catcher_` is no name in a spec: it is `mail_catcher` here
         note: a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without one it runs in the home folder
        "
    );
}

#[test]
fn what_is_wrong_is_at_its_line() {
    insta::assert_snapshot!(
        procfile("web: a\nweb: b\nno command\nx y: z\nopen: echo 'a\nempty:\n"),
        @"
        Procfile:2:1: the process `web` is there twice; give one of them another name
        Procfile:3:1: this is no line of a Procfile; write `NAME: COMMAND`; a name has letters, digits, `-` and `_`
        Procfile:4:1: this is no line of a Procfile; write `NAME: COMMAND`; a name has letters, digits, `-` and `_`
        Procfile:5:1: the command cannot be read: the quote ' is never closed; write it as you would in a shell
        Procfile:6:1: this is no line of a Procfile; write `NAME: COMMAND`; a name has letters, digits, `-` and `_`
        "
    );
    insta::assert_snapshot!(procfile("# nothing\n"), @"Procfile: the file names no process; write `NAME: COMMAND` lines");
}
