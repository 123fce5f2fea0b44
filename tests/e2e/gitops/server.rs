//! Real Git servers on loopback: `git http-backend` behind nginx, which wants a password, and sshd, which wants a key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::super::harness::{Site, succeed, text};
use super::super::host::is_free;

/// Who may fetch and push over HTTP.
pub const USER: &str = "ann";
pub const PASSWORD: &str = "of Ann alone";

/// Servers of one site, with the repository that they serve. They end with this.
pub struct Server {
    processes: Vec<Child>,
    folder: PathBuf,
    /// Where the repository is, for `git`.
    pub url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // So that it ends those that it has begun.
            let _ = Command::new("kill").arg(process.id().to_string()).status();
            let _ = process.wait();
        }
    }
}

impl Server {
    /// Without any server: git reaches it by its path.
    pub fn of_files(site: &Site) -> Self {
        let folder = repository(site);
        let url = format!("file://{}", folder.join("team/specs.git").display());
        Self { processes: Vec::new(), folder, url }
    }

    /// By HTTP, with a password that the user's git gets from its credential helper.
    pub fn of_http(site: &Site, port: u16) -> Self {
        let folder = repository(site);
        let at = |name: &str| folder.join(name);
        let hash =
            text(&succeed(Command::new("openssl").args(["passwd", "-apr1", PASSWORD])).stdout);
        fs::write(at("passwords"), format!("{USER}:{}\n", hash.trim())).unwrap();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let (here, socket) = (folder.display(), at("fcgi.sock"));
        let settings = format!(
            "{user} daemon off; pid {here}/nginx.pid; error_log {here}/error.log; events {{}}\n\
             http {{ access_log {here}/access.log; client_body_temp_path {here}/body; fastcgi_temp_path {here}/fcgi;\n\
             proxy_temp_path {here}/proxy; scgi_temp_path {here}/scgi; uwsgi_temp_path {here}/uwsgi;\n\
             server {{ listen 127.0.0.1:{port}; client_max_body_size 0;\n\
             location ~ ^(/.*)$ {{ auth_basic git; auth_basic_user_file {here}/passwords;\n\
             fastcgi_pass unix:{}; fastcgi_param SCRIPT_FILENAME {}; fastcgi_param GIT_HTTP_EXPORT_ALL 1;\n\
             fastcgi_param GIT_PROJECT_ROOT {here}; fastcgi_param PATH_INFO $1; fastcgi_param REMOTE_USER $remote_user;\n\
             fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method;\n\
             fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length; }} }} }}\n",
            socket.display(),
            backend().display(),
        );
        fs::write(at("nginx.conf"), settings).unwrap();
        let mut fcgi = Command::new("fcgiwrap");
        fcgi.args(["-c", "2", "-s"]).arg(format!("unix:{}", socket.display()));
        let fcgi = start(&mut fcgi, &folder);
        site.eventually("the CGI program to listen", || socket.exists().then_some(()));
        let mut nginx = Command::new("nginx");
        nginx.arg("-c").arg(at("nginx.conf")).arg("-e").arg(at("start.log"));
        let nginx = start(&mut nginx, &folder);
        site.eventually("nginx to listen", || (!is_free(port)).then_some(()));
        let url = format!("http://{USER}@127.0.0.1:{port}/team/specs.git");
        Self { processes: vec![nginx, fcgi], folder, url }
    }

    /// By ssh, with a key that the user's ssh is told of.
    pub fn of_ssh(site: &Site, port: u16) -> Self {
        let folder = repository(site);
        let at = |name: &str| folder.join(name);
        for key in ["host", "user"] {
            key_at(&at(key));
        }
        fs::copy(at("user.pub"), at("authorized")).unwrap();
        let known = fs::read_to_string(at("host.pub")).unwrap();
        fs::write(at("known"), format!("[127.0.0.1]:{port} {known}")).unwrap();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nPidFile {here}/sshd.pid\n\
             AuthorizedKeysFile {here}/authorized\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             UsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n",
            here = folder.display()
        );
        fs::write(at("sshd_config"), settings).unwrap();
        // It wants this folder of the system.
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f"]).arg(at("sshd_config"));
        let sshd = start(&mut sshd, &folder);
        site.eventually("sshd to listen", || (!is_free(port)).then_some(()));
        let user = text(&succeed(Command::new("id").arg("-un")).stdout);
        let path = at("team/specs.git");
        let url = format!("ssh://{}@127.0.0.1:{port}{}", user.trim(), path.display());
        Self { processes: vec![sshd], folder, url }
    }

    /// How ssh gets in.
    pub fn ssh(&self) -> String {
        let at = |name: &str| self.folder.join(name).display().to_string();
        format!(
            "ssh -F none -i {} -oIdentitiesOnly=yes -oUserKnownHostsFile={} -oStrictHostKeyChecking=yes -oBatchMode=yes",
            at("user"),
            at("known")
        )
    }

    /// Where the repository is, for whoever is on the same machine.
    pub fn path(&self) -> PathBuf {
        self.folder.join("team/specs.git")
    }

    /// The folder of all that is the servers'.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A key of ssh without a password.
pub fn key_at(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    succeed(command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path));
}

/// An empty repository to push to.
fn repository(site: &Site) -> PathBuf {
    let folder = site.folder().join("served");
    fs::create_dir_all(folder.join("team")).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let mut git = site.command("git");
    succeed(
        git.args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(folder.join("team/specs.git")),
    );
    folder
}

fn backend() -> PathBuf {
    let folder = text(&succeed(Command::new("git").arg("--exec-path")).stdout);
    Path::new(folder.trim()).join("git-http-backend")
}

fn start(command: &mut Command, folder: &Path) -> Child {
    let name = Path::new(command.get_program()).file_name().unwrap().to_owned();
    let log = fs::File::create(folder.join(name).with_extension("out")).unwrap();
    let command = command.env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}
