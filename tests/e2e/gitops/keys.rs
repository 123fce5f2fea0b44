//! Commits that are signed with GnuPG, and those that are not: only what one of the given keys has signed comes into force.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;

use super::super::harness::{Site, succeed, text};
use super::server::Server;
use super::team::Team;
use super::{source, start, sync, sync_in_vain};

/// A key ring of the team; nothing that GnuPG starts for it outlives it.
struct Ring(PathBuf);

impl Ring {
    fn new(site: &Site, people: &[&str]) -> Self {
        let ring = Self(site.folder().join("ring"));
        fs::DirBuilder::new().mode(0o700).create(&ring.0).unwrap();
        for who in people {
            ring.gpg(&["--quick-generate-key", who, "ed25519", "sign", "never"]);
        }
        let program = ring.program();
        let script =
            format!("#!/bin/sh\nexec gpg --homedir '{}' --batch \"$@\"\n", ring.0.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        ring
    }

    fn program(&self) -> PathBuf {
        self.0.join("gpg-of-the-team")
    }

    fn gpg(&self, words: &[&str]) -> String {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(&self.0).args(["--batch", "--quiet", "--passphrase", ""]);
        text(&succeed(gpg.args(words)).stdout)
    }

    /// Whoever commits from now on signs as this person.
    fn signs(&self, team: &Team, site: &Site, who: &str) {
        let program = self.program().display().to_string();
        for (name, value) in [
            ("gpg.program", program.as_str()),
            ("user.signingkey", who),
            ("commit.gpgsign", "true"),
        ] {
            team.git(site, &["config", name, value]);
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let _ =
            Command::new("gpgconf").arg("--homedir").arg(&self.0).args(["--kill", "all"]).status();
    }
}

#[test]
fn only_what_a_given_key_of_gnupg_has_signed_comes_into_force() {
    let mut site = Site::new();
    let (ann, eve) = ("ann@example.org", "eve@example.org");
    let ring = Ring::new(&site, &[ann, eve]);
    site.write_home("team.asc", &ring.gpg(&["--armor", "--export", ann]));
    let server = Server::of_files(&site);
    let team = Team::begin(&site, &server);
    ring.signs(&team, &site, ann);
    let first = team.push_all(&site, "Signed");
    let signers = format!("gpg:{}", site.folder().join("home/team.asc").display());
    start(&mut site, &server, &["--signers", &signers]);
    site.ready("agent-1");
    site.ready("agent-2");
    let untouched = (site.processes(1), site.processes(2));

    // Neither what nobody has signed removes anything, nor what somebody else has.
    site.remove_spec("agent-2.yaml");
    team.git(&site, &["config", "commit.gpgsign", "false"]);
    let unsigned = team.push_all(&site, "Not signed");
    ring.signs(&team, &site, eve);
    let by_another = || team.push_all(&site, "By another one");
    for refused in [&|| unsigned.clone(), &by_another as &dyn Fn() -> String] {
        let refused = refused();
        let why = sync_in_vain(&site);
        let wanted = format!("commit {} is not signed by anybody in", &refused[..9]);
        assert!(why.contains(&wanted), "{why}");
        assert_eq!(source(&site)["commit"]["id"], first.as_str());
        assert_eq!((site.processes(1), site.processes(2)), untouched);
    }

    ring.signs(&team, &site, ann);
    let last = team.push_all(&site, "Signed on top of it");
    assert_eq!(sync(&site), last);
    site.ctl_ok(&["wait", "agent-2", "--for", "deleted", "--timeout", "60s"]);
    assert_eq!(site.processes(1), untouched.0);
}
