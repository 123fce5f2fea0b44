//! Ports of a process: whose they are when it is to be started or respawned.

use std::net::TcpListener;
use std::sync::Arc;

use agent_harness_model::kinds::process::Check;
use agent_harness_model::kinds::{AnyTarget, Verdict};
use agent_harness_model::world::Class;

use super::super::ports::listener;
use super::world::{World, checked, free_port, shell};
use super::*;

/// A script that listens on a port until it is ended, and dies at once where it cannot.
fn listen_on(port: u16) -> String {
    format!(
        "exec perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(\
         LocalAddr => \"127.0.0.1:{port}\", Listen => 5, ReuseAddr => 1) or die; sleep 1000'"
    )
}

#[tokio::test]
async fn a_port_that_a_stranger_has_is_a_conflict_that_names_it() {
    let mut world = World::new("exec sleep 1000");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    world.want.ports = vec![("api".to_owned(), port)];
    let Verdict::Conflict(why) = world.verdict(world.present()).await else { panic!("taken") };
    let pid = std::process::id();
    assert!(why.starts_with(&format!("port {port} (api) is taken by pid {pid} (")), "{why}");
    drop(socket);
    // A program that another test starts has it for the moment between its fork and its exec.
    until(|| listener(port).unwrap().is_none().then_some(())).await;
    world.converge(&world.present()).await;
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn an_edit_to_a_port_that_a_stranger_has_keeps_the_old_process() {
    let old = free_port();
    let mut world = World::new(&listen_on(old));
    world.want.ports = vec![("api".to_owned(), old)];
    world.converge(&world.present()).await;
    let pid = world.pid().await;

    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let new = stranger.local_addr().unwrap().port();
    world.want.fingerprint = "two".to_owned();
    world.want.command.argv = shell(&listen_on(new));
    world.want.ports = vec![("api".to_owned(), new)];
    let Verdict::Change(steps) = world.verdict(world.present()).await else { panic!("a respawn") };
    let error = world.apply(&steps[0].0).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict, "{error}");
    let us = std::process::id();
    assert!(
        error.message.starts_with(&format!("port {new} (api) is taken by pid {us} (")),
        "{error}"
    );
    assert_eq!(world.pid().await, pid, "the old one runs on");

    drop(stranger);
    until(|| listener(new).unwrap().is_none().then_some(())).await;
    world.apply(&steps[0].0).await.unwrap();
    world.converge(&world.present()).await;
    assert_ne!(world.pid().await, pid);
    world.converge(&AnyTarget::Gone).await;
}

/// It comes up on its port, and another one in its place, once its spec is another.
async fn is_replaced_on(mut world: World, port: u16) {
    world.want.ports = vec![("api".to_owned(), port)];
    world.want.ready = Some(checked(Check::Tcp { port }, 50, 9_000));
    world.converge(&world.present()).await;
    let pid = world.pid().await;
    world.want.fingerprint = "two".to_owned();
    world.converge(&world.present()).await;
    assert_ne!(world.pid().await, pid);
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn a_child_without_our_mark_that_has_the_port_is_part_of_its_process() {
    let port = free_port();
    let listen = listen_on(port).replacen("exec ", "", 1);
    let world = World::new(&format!("env -i PATH=/usr/bin setsid {listen} & wait"));
    is_replaced_on(world, port).await;
}

/// Whoever listens on another address of the machine is in nobody's way at `localhost`, neither of what runs nor of
/// what is to come in its place.
#[tokio::test]
async fn a_stranger_on_another_address_holds_up_no_respawn() {
    let port = free_port();
    let _stranger = TcpListener::bind(("127.0.0.9", port)).unwrap();
    is_replaced_on(World::new(&listen_on(port)), port).await;
}

#[tokio::test]
async fn a_stranger_with_a_copy_of_our_environment_is_a_stranger() {
    let old = free_port();
    let mut world = World::new(&listen_on(old));
    world.want.ports = vec![("api".to_owned(), old)];
    world.converge(&world.present()).await;
    let pid = world.pid().await;
    let new = free_port();
    let mut stranger = std::process::Command::new("/bin/sh")
        .args(["-c", &listen_on(new)])
        .env("HARNESS_MARK", &world.bench.mark)
        .env("HARNESS_PROCESS", "agent-3.456789ab/worker")
        .spawn()
        .unwrap();
    until(|| listener(new).unwrap()).await;
    world.want.fingerprint = "two".to_owned();
    world.want.command.argv = shell(&listen_on(new));
    world.want.ports = vec![("api".to_owned(), new)];
    let Verdict::Change(steps) = world.verdict(world.present()).await else { panic!("a respawn") };
    let error = world.apply(&steps[0].0).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict, "{error}");
    assert_eq!(world.pid().await, pid, "the old one runs on");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn two_processes_of_ours_can_swap_their_ports() {
    let mut one = World::new("");
    let mut two = World::new("");
    two.id.name = "worker".to_owned();
    two.installation.clone_from(&one.installation);
    two.bench.mark.clone_from(&one.bench.mark);
    two.provider = ProcessProvider::new(Arc::clone(&one.supervisor), one.bench.path("logs"));
    let ports = [free_port(), free_port()];
    for fingerprint in ["one", "two"] {
        let ports = if fingerprint == "one" { ports } else { [ports[1], ports[0]] };
        for (world, port) in [(&mut one, ports[0]), (&mut two, ports[1])] {
            world.want.fingerprint = fingerprint.to_owned();
            world.want.command.argv = shell(&listen_on(port));
            world.want.ports = vec![("port".to_owned(), port)];
            let check = Check::Tcp { port };
            world.want.ready = Some(checked(check, 50, 9_000));
        }
        // Neither can wait for the other to be done.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut settled = 0;
            for world in [&one, &two] {
                match world.verdict(world.present()).await {
                    Verdict::Settled => settled += 1,
                    Verdict::Change(steps) => {
                        for (action, _) in steps {
                            world.apply(&action).await.unwrap();
                        }
                    }
                    Verdict::Wait(_) | Verdict::Conflict(_) => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    other @ (Verdict::Drift(_) | Verdict::Stalled(_)) => panic!("{other:?}"),
                }
            }
            if settled == 2 {
                break;
            }
            assert!(Instant::now() < deadline, "they never settle");
        }
    }
    one.converge(&AnyTarget::Gone).await;
    two.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn an_orphan_that_has_the_port_is_replaced_and_no_conflict() {
    let port = free_port();
    orphan_is_replaced(port, &listen_on(port)).await;
    // A server that wrote over its environment, as it is started by many a script.
    let listen = listen_on(port).replacen("exec ", "", 1);
    orphan_is_replaced(port, &format!("env -i PATH=/usr/bin {listen} & wait")).await;
}

async fn orphan_is_replaced(port: u16, script: &str) {
    let mut world = World::new(script);
    world.want.ports = vec![("api".to_owned(), port)];
    world.want.ready = Some(checked(Check::Tcp { port }, 50, 9_000));
    world.converge(&world.present()).await;
    let orphan = world.orphaned().await;
    world.converge(&world.present()).await;
    assert!(!is_alive(orphan));
    world.converge(&AnyTarget::Gone).await;
}
