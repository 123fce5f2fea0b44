//! Settings that a server refuses: one that runs stays, and one that ran comes back as it was.

use std::sync::Arc;

use agent_harness_model::kinds::Readiness;
use agent_harness_model::kinds::service::{Action, Desired, Observed, Runtime};
use agent_harness_model::secret::{Secret, Text};
use agent_harness_model::world::{ApplyError, Class};

use super::super::server::free_port;
use super::{Bench, ask};

impl Bench {
    fn with(&self, port: u16, fingerprint: &str, setting: (&str, impl Into<Text>)) -> Desired {
        let mut want = self.want(port, fingerprint);
        let Runtime::EmbeddedPostgres(embedded) = &mut want.runtime else { panic!() };
        embedded.settings.insert(setting.0.into(), setting.1.into());
        want
    }

    async fn refuse(&self, want: &Desired) -> ApplyError {
        self.apply(Action::Restart(Arc::new(want.clone()))).await.unwrap_err()
    }

    /// The pid of a server that runs with other settings than it should.
    async fn pid(&self, want: &Desired) -> u32 {
        match self.see(want, true).await {
            Some(Observed::Running { fingerprint, ready: Readiness::Ready, pid: Some(pid) })
                if fingerprint != want.fingerprint =>
            {
                pid
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn wrong_settings_stop_no_server_that_works() {
    let bench = Bench::new();
    let port = free_port();
    let good = bench.with(port, "f1", ("work_mem", "7MB"));
    bench.start(&good).await.unwrap();
    let pid = bench.ready(&good).await;
    let value = bench.with(port, "f2", ("max_connections", "lots"));
    let error = bench.refuse(&value).await;
    assert_eq!(error.class, Class::Terminal);
    assert_eq!(
        error.message,
        "PostgreSQL refuses what `postgres.embedded.settings` says: invalid value for parameter \
         \"max_connections\": \"lots\"; correct it there. The server runs with its last good settings"
    );
    // A server names the value that it refuses, which a user may have put among the secrets.
    let secret = Text::Secret(Secret::new("s3cr3t-many"));
    let error = bench.refuse(&bench.with(port, "f3", ("max_connections", secret))).await;
    assert!(error.message.contains("\"max_connections\": \"***\""), "{error}");
    let name = bench.with(port, "f4", ("no_such_setting", "1"));
    let error = bench.refuse(&name).await;
    let words = "unrecognized configuration parameter \"no_such_setting\"";
    assert!(error.message.contains(words), "{error}");
    assert_eq!(bench.ready(&good).await, pid);

    // Also one that has to be started meanwhile comes up.
    bench.apply(Action::Stop(good.place.clone())).await.unwrap();
    let error = bench.start(&value).await.unwrap_err();
    assert!(error.message.ends_with("runs with its last good settings"), "{error}");
    bench.pid(&value).await;
    assert_eq!(ask(&value, "SHOW work_mem").await.as_deref(), Some("7MB"));
}

#[tokio::test]
async fn settings_that_only_a_start_shows_to_be_wrong_are_taken_back() {
    let mut bench = Bench::new();
    let port = free_port();
    let good = bench.with(port, "f1", ("work_mem", "7MB"));
    bench.start(&good).await.unwrap();
    let first = bench.ready(&good).await;
    let bad = bench.with(port, "f2", ("shared_preload_libraries", "no_such_library"));
    let error = bench.refuse(&bad).await;
    assert_eq!(error.class, Class::Terminal);
    assert!(error.message.contains("no_such_library"), "{error}");
    let end = "tried again when it has changed, or by the next controller; correct it there. The server runs with \
               its last good settings";
    assert!(error.message.ends_with(end), "{error}");
    let second = bench.pid(&bad).await;
    assert_ne!(second, first);
    assert_eq!(ask(&good, "SHOW work_mem").await.as_deref(), Some("7MB"));

    // The same again costs nobody anything.
    assert_eq!(bench.refuse(&bad).await, error);
    assert_eq!(bench.pid(&bad).await, second);
    // Perhaps it is there by now: the next controller tries once.
    bench.again();
    assert!(bench.refuse(&bad).await.message.contains("no_such_library"));
    assert_ne!(bench.pid(&bad).await, second);

    bench.apply(Action::Restart(Arc::new(good.clone()))).await.unwrap();
    bench.ready(&good).await;
}

#[tokio::test]
async fn a_new_server_that_refuses_its_settings_says_why() {
    let bench = Bench::new();
    let library = bench.with(free_port(), "f1", ("shared_preload_libraries", "no_such_library"));
    let error = bench.start(&library).await.unwrap_err();
    assert!(error.message.starts_with("PostgreSQL ended right after its start"), "{error}");
    assert!(error.message.contains("no_such_library"), "{error}");
}
