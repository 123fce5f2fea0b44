//! What holds on embedded servers holds on containers: the same tests, on the other servers.

use super::engine::Engine;
use crate::e2e::containers::Servers;
use crate::e2e::harness::Site;
use crate::e2e::{drift, isolation, life};

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
