//! The table of what is done about a container, as exact texts.

use super::*;
use crate::secret::Secret;

fn want(change: impl FnOnce(&mut Config)) -> Arc<Desired> {
    let mut config = Config {
        image: "pgvector/pgvector:pg16".into(),
        env: BTreeMap::from([
            ("POSTGRES_PASSWORD".into(), Text::Secret(Secret::new("hidden"))),
            ("TZ".into(), Text::from("UTC")),
        ]),
        memory: Some(1 << 30),
        mounts: vec![Mount {
            source: Source::Volume("harness-shared_data".into()),
            target: "/var/lib/postgresql/data".into(),
            read_only: false,
        }],
        ..Config::default()
    };
    change(&mut config);
    let place = Place {
        infra: "shared".into(),
        name: "postgres".into(),
        container: "harness-shared-postgres-1".into(),
        volumes: vec!["harness-shared_data".into()],
    };
    Arc::new(Desired { place, fingerprint: "f".into(), config, ready: Vec::new() })
}

fn there(state: State) -> Observed {
    Observed::There { settings: want(|_| {}).config.settings(), state }
}

fn plan(target: &Target<Desired>, have: Option<&Observed>) -> String {
    match Container::diff(target, &want(|_| {}).place, have) {
        Verdict::Settled => "settled".into(),
        Verdict::Change(steps) => {
            let text = steps.iter().map(|(action, cause)| format!("{action}: {cause}"));
            text.collect::<Vec<_>>().join("; ")
        }
        other => format!("{other:?}"),
    }
}

fn present(have: Option<&Observed>) -> String {
    plan(&Target::Present(want(|_| {})), have)
}

fn ended(end: End, restart_due: bool) -> State {
    State::Exited(Exit {
        how: "exit code 1".into(),
        end,
        restarts: 0,
        restart_due,
        backoff_ms: 4000,
        last_lines: Vec::new(),
    })
}

#[test]
fn what_is_not_there_is_made_and_what_does_not_run_is_started() {
    assert_eq!(present(None), "create from pgvector/pgvector:pg16: does not exist");
    let kept = Observed::Kept(vec!["harness-shared_data".into()]);
    assert_eq!(
        present(Some(&kept)),
        "create from pgvector/pgvector:pg16: does not exist; volume harness-shared_data kept from before"
    );
    for (state, text) in [
        (State::Created, "start: was never started"),
        (State::Paused, "start: is paused"),
        (State::Running(Readiness::Ready), "settled"),
        (State::Running(Readiness::NotReady("not yet".into())), "Wait(\"not yet\")"),
        (
            State::Restarting("exit code 1".into()),
            "Wait(\"ended: exit code 1; the engine starts it again after a backoff\")",
        ),
        (State::Removing, "Wait(\"it is being removed\")"),
        (ended(End::Failure, true), "start: ended: exit code 1"),
        (
            ended(End::Failure, false),
            "Wait(\"ended: exit code 1; starts again after a backoff of 4 s\")",
        ),
    ] {
        assert_eq!(present(Some(&there(state))), text);
    }
}

#[test]
fn what_the_engine_is_to_leave_ended_stays_so() {
    let stays = "Stalled(\"ended: exit code 1; its `restart` says that it stays so\")";
    for (restart, end, text) in [
        (Restart::Never, End::Failure, stays),
        (Restart::OnFailure, End::Success, stays),
        (Restart::OnFailure, End::Failure, "start: ended: exit code 1"),
        (Restart::UnlessStopped, End::Success, "start: ended: exit code 1"),
    ] {
        let want = want(|config| config.restart = restart);
        let state = ended(end, true);
        let have = Observed::There { settings: want.config.settings(), state };
        assert_eq!(plan(&Target::Present(want), Some(&have)), text);
    }
}

#[test]
fn a_change_is_told_setting_by_setting_and_no_secret_is_in_it() {
    let have = there(State::Running(Readiness::Ready));
    let to = |change: fn(&mut Config)| plan(&Target::Present(want(change)), Some(&have));
    assert_eq!(
        to(|config| config.memory = Some(2 << 30)),
        "recreate from pgvector/pgvector:pg16: `memory` was 1Gi, is to be 2Gi"
    );
    assert_eq!(
        to(|config| {
            config.image = "pgvector/pgvector:pg17".into();
            config.memory = None;
            config.nano_cpus = Some(1_500_000_000);
            config.env.remove("TZ");
            config.command = vec!["postgres".into(), "-c".into(), "a=b c".into()];
        }),
        "recreate from pgvector/pgvector:pg17: `command` is to be [\"postgres\", \"-c\", \"a=b c\"], \
         `cpus` is to be 1.5, `image` was pgvector/pgvector:pg16, is to be pgvector/pgvector:pg17, \
         `env.TZ` was UTC, is not set any more, `memory` was 1Gi, is not set any more"
    );
    let secret = to(|config| {
        config.env.insert("POSTGRES_PASSWORD".into(), Text::Secret(Secret::new("other")));
    });
    let told = "recreate from pgvector/pgvector:pg16: `env.POSTGRES_PASSWORD` is another secret";
    assert_eq!(secret, told);
    let plain = to(|config| {
        config.env.insert("POSTGRES_PASSWORD".into(), Text::from("seen"));
    });
    let told =
        "recreate from pgvector/pgvector:pg16: `env.POSTGRES_PASSWORD` was a secret, is to be seen";
    assert_eq!(plain, told);
}

#[test]
fn what_leaves_keeps_its_volumes_until_it_is_purged() {
    let have = there(State::Running(Readiness::Ready));
    let kept = Observed::Kept(vec!["harness-shared_data".into()]);
    let foreign = Observed::Foreign("somebody's".into());
    for (target, have, text) in [
        (Target::Trashed, Some(&have), "remove: no longer wanted; its data is kept"),
        (Target::Trashed, Some(&kept), "settled"),
        (Target::Trashed, Some(&foreign), "settled"),
        (Target::Gone, Some(&have), "purge with volume harness-shared_data: to be purged"),
        (Target::Gone, Some(&kept), "purge with volume harness-shared_data: to be purged"),
        (Target::Gone, Some(&foreign), "settled"),
        (Target::Gone, None, "settled"),
    ] {
        assert_eq!(plan(&target, have), text);
    }
}

#[test]
fn what_is_somebody_elses_is_named_and_left_alone() {
    let foreign = Observed::Foreign("the name is taken".into());
    assert_eq!(present(Some(&foreign)), "Conflict(\"the name is taken\")");
    let port = Observed::PortTaken("port 15432 is taken by the container x".into());
    assert_eq!(
        present(Some(&port)),
        "Conflict(\"port 15432 is taken by the container x; stop that, or give the service another port\")"
    );
}
