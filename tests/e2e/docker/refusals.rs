//! What an engine refuses, and what goes wrong with a container: said with a remedy; nothing else suffers, and nothing is
//! lost.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use super::engine::{Beside, Engine};
use crate::e2e::containers::Servers;
use crate::e2e::harness::Site;
use crate::e2e::host::{Disk, free_ports};

/// An Infra with these services alone; its controller does not run yet.
fn site(services: &str) -> Site {
    let site = Site::on(Servers::Containers);
    for file in ["agent-1.yaml", "agent-2.yaml", "stack.yaml"] {
        site.remove_spec(file);
    }
    write(&site, services);
    site
}

fn write(site: &Site, services: &str) {
    let head = "apiVersion: agent-harness.dev/v1alpha1\nkind: Infra";
    let text =
        format!("{head}\nmetadata: {{name: {}}}\nspec:\n  services:\n{services}", site.infra);
    site.write_spec("infra.yaml", &text);
}

/// A service of this name, with more of its container.
fn service(name: &str, image: &str, more: &str) -> String {
    format!("    {name}: {{container: {{image: '{image}'{more}}}}}\n")
}

/// Waits until the description of the Infra holds all of these.
fn told(site: &Site, words: &[&str]) -> String {
    let name = format!("infra/{}", site.infra);
    site.eventually(&format!("{words:?}"), || {
        let text = site.ctl(&["describe", &name]);
        let text = crate::e2e::harness::text(&text.stdout);
        words.iter().all(|word| text.contains(word)).then_some(text)
    })
}

#[test]
fn images_that_cannot_be_had_say_why_and_the_others_run() {
    let Some(engine) = Engine::get("images that cannot be had") else { return };
    let registry = variable("HARNESS_TEST_REGISTRY");
    let login = variable("HARNESS_TEST_LOGIN_REGISTRY");
    let mail = "axllent/mailpit:latest";
    // Pulled for real, and layer by layer: an earlier run may have left the image, whatever its tag is by now, and one
    // that was killed containers that keep it.
    let left = engine.run(&["ps", "--all", "--quiet", "--filter", &format!("ancestor={mail}")]);
    for container in left.lines() {
        engine.run(&["rm", "--force", container]);
    }
    let images = engine.run(&["images", "--format", "{{.ID}} {{.Repository}}"]);
    for (image, _) in images
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|it| it.1.ends_with("axllent/mailpit"))
    {
        let _ = engine.docker(&["rmi", "--force", image]);
    }
    let mut site = site(
        &[
            service("gone", &format!("{registry}/{mail}-gone"), ""),
            service("nobody", &format!("{registry}/no/such:1"), ""),
            service("closed", &format!("{login}/{mail}"), ""),
            service("down", "127.0.0.1:1/x/y:1", ""),
            service("mail", mail, ""),
        ]
        .concat(),
    );
    site.start();
    told(
        &site,
        &[
            "NeedsAttention",
            &format!("no image `{registry}/{mail}-gone` can be pulled"),
            &format!("no image `{registry}/no/such:1` can be pulled"),
            &format!("say `docker login {login}`"),
            "`127.0.0.1:1/x/y:1` could not be pulled",
        ],
    );
    site.eventually("the other service to be ready", || {
        let states = site.object(&format!("infra/{}", site.infra))["status"]["resources"].clone();
        (states["container/mail"]["state"] == "Ready").then_some(())
    });
    let events = site.ctl_ok(&["events", &format!("infra/{}", site.infra)]);
    assert!(events.contains(&format!("pulling {mail}: ")), "layers are told: {events}");

    // With the user's login it is pulled.
    let user = "aGFybmVzczpvbmx5LWZvci10ZXN0cw==";
    let config = format!("{{\"auths\": {{\"{login}\": {{\"auth\": \"{user}\"}}}}}}");
    site.write_home(".docker/config.json", &config);
    write(&site, &service("closed", &format!("{login}/{mail}"), ", labels: {try: again}"));
    site.ready(&format!("infra/{}", site.infra));
}

#[test]
fn what_is_somebody_elses_is_named_and_left_alone() {
    let Some(engine) = Engine::get("what is somebody else's") else { return };
    let [port, ..] = free_ports();
    let mut site = site("");
    let project = format!("harness-{}", site.infra);
    let [name, volume, holder] =
        [format!("{project}-named-1"), format!("{project}_taken"), format!("{project}-holder")];
    let label = "com.docker.compose.project=shop";
    let image = "axllent/mailpit:latest";
    engine.run(&["create", "--name", &name, "--label", label, image]);
    engine.run(&["volume", "create", "--label", label, &volume]);
    let publish = format!("127.0.0.1:{port}:8025");
    engine.run(&["run", "--detach", "--name", &holder, "--publish", &publish, image]);
    let program = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let held = program.local_addr().unwrap().port();
    write(
        &site,
        &[
            service("named", image, ""),
            service("volume", image, ", volumes: {taken: /data}"),
            service("port", image, &format!(", ports: {{web: {{host: {port}, container: 8025}}}}")),
            service("held", image, &format!(", ports: {{web: {{host: {held}, container: 8025}}}}")),
        ]
        .concat(),
    );
    site.start();
    let pid = format!("pid {}", std::process::id());
    told(
        &site,
        &[
            &format!("the container {name} is not ours (image {image}, compose project shop)"),
            &format!("the volume `{volume}` is of the compose project shop"),
            &format!("port {port} is taken by the container {holder} (image {image})"),
            &format!("port {held} is taken by {pid}"),
        ],
    );
    // It was made for a container that was refused then.
    engine.run(&["network", "inspect", &project]);
    site.down();
    assert!(!engine.docker(&["network", "inspect", &project]).status.success(), "it goes as well");
    assert_eq!(engine.inspect(&name, "{{.State.Status}}"), "created");
    assert_eq!(engine.inspect(&holder, "{{.State.Status}}"), "running");
    engine.run(&["volume", "inspect", &volume]);
    engine.run(&["rm", "--force", &name, &holder]);
    engine.run(&["volume", "rm", &volume]);
}

#[test]
fn a_container_that_cannot_live_says_what_kills_it() {
    let Some(engine) = Engine::get("a container that cannot live") else { return };
    let image = "axllent/mailpit:latest";
    let eats = "entrypoint: [sh, -c, 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done']";
    let mut site = site(&[
        service("small", image, &format!(", {eats}, memory: 16Mi")),
        service("sick", image, ", healthcheck: {test: [CMD-SHELL, 'echo out of ink; exit 1'], interval: 1s, retries: 1}"),
        service("ends", image, ", entrypoint: [sh, -c, 'echo my last words; exit 3'], restart: never"),
        service("wrong", image, ", entrypoint: [/no/such/program]"),
        service("bind", image, ", volumes: {./not-there: /there}"),
    ]
    .concat());
    site.start();
    told(
        &site,
        &[
            "killed for lack of memory, its limit of 16Mi is too small: raise `memory`",
            "its health check fails: out of ink",
            "exit code 3 (its last words: my last words)",
            "/no/such/program",
            "not-there",
        ],
    );
    let restarts = engine.inspect(&format!("harness-{}-small-1", site.infra), "{{.RestartCount}}");
    assert_ne!(restarts, "0", "the engine starts it again, ever more slowly");
    site.down();
}

#[test]
fn an_engine_that_cannot_be_used_says_what_to_do() {
    let Some(_engine) = Engine::get("an engine that cannot be used") else { return };
    let start = |host: &str| {
        let mut site = site(&service("mail", "axllent/mailpit:latest", ""));
        site.start_with(&[("DOCKER_HOST", host)]);
        site
    };
    let site = start("unix:///nonexistent/docker.sock");
    told(&site, &["there is no Docker engine at unix:///nonexistent/docker.sock", "DOCKER_HOST"]);
    drop(site);
    let site = start("carrier://pigeon");
    told(&site, &["DOCKER_HOST is `carrier://pigeon`"]);
    drop(site);

    // One that says that it is older than any that this machine could run.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let body = r#"{"ApiVersion": "1.40", "Version": "19.03"}"#;
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        }
    });
    let site = start(&format!("unix://{}", socket.display()));
    told(&site, &["speaks API 1.40; this needs 1.41 (Docker 20.10) or later"]);
}

#[test]
fn a_socket_that_may_not_be_opened_names_the_group_to_join() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    let Some(_engine) = Engine::get("a socket that may not be opened") else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    // Root can give it to the group `adm` of any Debian, and be somebody else; others can close their own to themselves.
    let (mode, group) = if rustix::process::geteuid().is_root() {
        chown(&socket, Some(0), Some(4)).unwrap();
        (0o660, "usermod -aG adm $USER")
    } else {
        (0, "usermod -aG ")
    };
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(mode)).unwrap();
    let mut site = site(&service("mail", "axllent/mailpit:latest", ""));
    site.become_a_user();
    site.start_with(&[("DOCKER_HOST", &format!("unix://{}", socket.display()))]);
    told(&site, &["may not be opened by this user", group]);
}

#[test]
fn a_disk_that_is_full_during_a_pull_is_named_and_waited_for() {
    let Some(_engine) = Engine::get("a full disk during a pull") else { return };
    if !Disk::is_possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Less than the image takes.
    let disk = Disk::mount(folder.path().join("disk"), 20);
    let engine = Beside::start(folder.path().join("disk"));
    // Of this registry by name: for one of Docker Hub the engine would say what it heard there in the end.
    let image = format!("{}/axllent/mailpit:latest", variable("HARNESS_TEST_REGISTRY"));
    let mut site = site(&service("mail", &image, ""));
    site.start_with(&[("DOCKER_HOST", &engine.host())]);
    told(&site, &["the disk is full", "no space left on device", "`docker system df` shows"]);
    disk.grow(400);
    site.ready(&format!("infra/{}", site.infra));
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see tests/images/README.md"))
}
