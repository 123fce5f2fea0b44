//! MLflow's tracking server, from PyPI: runs in PostgreSQL, artifacts in a bucket, the tables made by MLflow's own
//! migrations; runs are logged by its own client.

use serde_json::Value;

use super::{agent_1_goes_and_comes_back, template, up};
use crate::e2e::host::http;

/// What a question of its API is answered.
fn ask(port: u16, path: &str) -> (u16, String) {
    http(port, "GET", path, "").unwrap()
}

#[test]
fn runs_and_artifacts_are_of_one_agent_alone_and_come_back_with_it() {
    let site = up("mlflow", [15460, 19060, 5000]);
    let (one, two) = (site.api + 10, site.api + 20);

    // Both came out of one template, which MLflow's own migrations made.
    let version = "SELECT version_num FROM alembic_version";
    let migrated = site.sql(&template(&site, "mlflow_template"), version);
    assert!(!migrated.is_empty());
    for database in ["agent_1", "agent_2"] {
        assert_eq!(site.sql(database, version), migrated);
    }

    // A run, by its own client.
    let train = "examples/mlflow/app/train.py";
    let printed = site.ctl_ok(&["exec", "1", "--", "python", train, "--rate", "0.01"]);
    let run = printed.lines().last().unwrap();
    let (status, answer) = ask(one, &format!("/api/2.0/mlflow/runs/get?run_id={run}"));
    assert_eq!(status, 200, "{answer}");
    let got: Value = serde_json::from_str(&answer).unwrap();
    let params = got["run"]["data"]["params"].as_array().unwrap();
    let rate = params.iter().find(|it| it["key"] == "rate").unwrap();
    assert_eq!(rate["value"], "0.01");
    // Without a number of results it gives none.
    let losses =
        format!("/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss&max_results=100");
    let losses: Value = serde_json::from_str(&ask(one, &losses).1).unwrap();
    assert_eq!(losses["metrics"].as_array().unwrap().len(), 5, "{losses}");
    let experiment = got["run"]["info"]["experiment_id"].as_str().unwrap();
    let object = format!("{experiment}/{run}/artifacts/outcome.txt");
    let artifact = format!("/api/2.0/mlflow-artifacts/artifacts/{object}");
    let (status, outcome) = ask(one, &artifact);
    assert!(status == 200 && outcome.starts_with("slope "), "{status} {outcome}");

    // It is there in the first one's database and bucket, and nowhere in the second one's.
    let logged = format!("SELECT value FROM params WHERE key = 'rate' AND run_uuid = '{run}'");
    assert_eq!(site.sql("agent_1", &logged), "0.01");
    assert_eq!(site.sql("agent_2", "SELECT count(*) FROM runs"), "0");
    let objects = site.admin().objects("agent-1");
    assert_eq!(objects, [(object, outcome.clone())].into());
    assert!(site.admin().objects("agent-2").is_empty());
    let (status, answer) = ask(two, &format!("/api/2.0/mlflow/runs/get?run_id={run}"));
    assert_eq!(status, 404, "{answer}");

    agent_1_goes_and_comes_back(&site, |agent| {
        let database = format!("agent_{agent}");
        let rows = [
            "SELECT * FROM runs",
            "SELECT * FROM metrics ORDER BY step",
            "SELECT * FROM params ORDER BY key",
        ];
        let rows = rows.map(|sql| site.sql(&database, sql));
        (rows, site.admin().objects(&format!("agent-{agent}")))
    });
    assert_eq!(ask(one, &artifact), (200, outcome));
}
