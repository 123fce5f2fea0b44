//! The example for Lightdash, from the first start to the end of an agent, on a repository that stands in for the real one and
//! with the very Stack that a user has. Installing takes its time, so it is one life that all is asked of, a step after another.
//! Many of the steps are what went wrong with scripts that did the same: those say so.

mod app;
mod edits;
mod ends;
mod first;

use super::stand_in::StandIn;

#[test]
fn lightdash_comes_works_and_goes() {
    let mut place = StandIn::new();
    first::with_a_branch_that_is_ahead(&place);
    first::a_stranger_on_the_store_s_port_gets_nothing(&mut place);
    first::a_half_built_template_is_never_cloned(&place);
    place.ready("agent-1");
    first::an_agent_that_is_not_migrated_is_not_ready(&place);
    for agent in [1, 2] {
        app::it_works(&place, agent);
        app::its_files_are_its_own(&place, agent);
    }
    app::only_one_has_what_its_branch_has(&place);
    app::all_checks_of_the_repository_pass(&place);
    edits::a_tracked_file_is_never_written_over(&place);
    edits::the_scheduler_has_a_port_of_its_own(&place);
    edits::an_edit_is_seen(&place);
    edits::a_migration_that_is_not_run_is_run(&place);
    edits::other_ports_reach_every_process(&place);
    ends::one_goes_and_the_other_does_not_notice(&place);
    ends::it_comes_back_when_its_port_is_free(&place);
}
