//! `ctl psql`: how it calls the user's psql, and that there is no prompt without one.

use crate::support::Controller;

const ENVIRONMENT: [(&str, &str); 5] = [
    ("PGDATABASE", "agent_1"),
    ("PGHOST", "127.0.0.1"),
    ("PGPASSWORD", "hunter2"),
    ("PGPORT", "15432"),
    ("PGUSER", "agent_1"),
];

#[test]
fn psql_is_told_where_to_go_and_never_the_password_as_an_argument() {
    let controller = Controller::with_environment(&ENVIRONMENT);
    let psql = controller.script(
        "psql",
        "#!/bin/sh\nfor word in \"$@\"; do echo \"<$word>\"; done\n/usr/bin/env | /usr/bin/grep ^PG | /usr/bin/sort\n",
    );
    let done = controller
        .ctl()
        .env("PATH", psql.parent().unwrap())
        .env("PGSERVICE", "elsewhere")
        .env("PGHOSTADDR", "10.0.0.1")
        .args(["psql", "1", "select 'a b'", "--", "--csv"])
        .assert();
    done.success().stdout(
        "<--command>\n<select 'a b'>\n<--csv>\nPGCONNECT_TIMEOUT=10\nPGDATABASE=agent_1\nPGHOST=127.0.0.1\nPGPASSWORD=hunter2\nPGPORT=15432\nPGUSER=agent_1\n",
    );
}

#[test]
fn the_users_own_timeout_stays() {
    let controller = Controller::with_environment(&ENVIRONMENT);
    let psql = controller.script("psql", "#!/bin/sh\necho $PGCONNECT_TIMEOUT\n");
    let mut ctl = controller.ctl();
    ctl.env("PATH", psql.parent().unwrap()).env("PGCONNECT_TIMEOUT", "60");
    ctl.args(["psql", "1"]).assert().success().stdout("60\n");
}

#[test]
fn without_psql_there_is_no_prompt() {
    let controller = Controller::with_environment(&ENVIRONMENT);
    let words =
        controller.ctl().env("PATH", controller.path()).args(["psql", "1"]).assert().code(1);
    let words = String::from_utf8(words.get_output().stderr.clone()).unwrap();
    assert!(words.starts_with("error: psql is not installed\n"), "{words}");
}
