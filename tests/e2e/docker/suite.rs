//! What holds on embedded servers holds on containers: the same tests, on the other servers.

use super::engine::Engine;
use crate::e2e::containers::Servers;
use crate::e2e::harness::{Site, text};
use crate::e2e::{agents, drift, isolation, life};

#[test]
fn agents_come_work_apart_and_come_back_on_containers() {
    let Some(_engine) = Engine::get("agents on containers") else { return };
    life::come_work_apart_and_come_back(Site::on(Servers::Containers));
}

#[test]
fn an_agent_opens_its_own_data_and_no_others_on_containers() {
    let Some(_engine) = Engine::get("isolation on containers") else { return };
    isolation::opens_its_own_data_and_no_others(Site::on(Servers::Containers));
}

#[test]
fn what_somebody_broke_is_put_right_on_containers() {
    let Some(_engine) = Engine::get("drift on containers") else { return };
    drift::somebody_breaks_all(Site::on(Servers::Containers));
}

#[test]
fn slow_queries_are_those_of_the_own_database_alone_on_containers() {
    let Some(_engine) = Engine::get("slow queries on containers") else { return };
    agents::slow_queries(Site::on(Servers::Containers));
}

#[test]
fn how_to_have_queries_counted_is_said_on_containers() {
    let Some(_engine) = Engine::get("slow queries on containers that count none") else { return };
    let mut site = Site::on(Servers::Containers);
    site.edit(
        "infra.yaml",
        "[postgres, -c, shared_preload_libraries=pg_stat_statements]",
        "[postgres]",
    );
    site.start();
    site.ready("agent-1");
    let output = site.ctl(&["slow-queries", "1"]);
    let told = text(&output.stderr);
    let remedy = "command: [postgres, -c, shared_preload_libraries=pg_stat_statements]";
    assert!(!output.status.success() && told.contains(remedy), "{told}");
}
