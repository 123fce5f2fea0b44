//! Every key that compose knows and that is not carried over: why, and what to do instead.

/// What becomes of a key.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It is carried over, or says nothing.
    Carried,
    /// It is not: why, and what to do instead.
    Lost(&'static str),
    /// It need not be.
    Note(&'static str),
}

use Fate::{Carried, Lost, Note};

/// Keys of the file.
pub const TOP: &[(&str, Fate)] = &[
    ("version", Carried),
    ("name", Carried),
    ("services", Carried),
    ("volumes", Carried),
    ("networks", Carried),
    ("configs", Lost("there are no configs; mount each file by its path under `volumes`")),
    (
        "secrets",
        Lost(
            "there are no secret files; mount each by its path under `volumes`, or write `{secret: NAME}` in `env`",
        ),
    ),
    (
        "include",
        Lost(
            "other files are not read; write `docker compose config` into a file and convert that",
        ),
    ),
    ("models", Lost("there are no models; run the model as a service")),
];

/// Keys of a volume.
pub const VOLUME: &[(&str, Fate)] = &[
    ("external", Carried),
    ("name", Carried),
    ("driver", Carried),
    ("driver_opts", Carried),
    ("labels", Carried),
];

/// Keys of a network that is the file's own.
pub const NETWORK: &[(&str, Fate)] = &[
    ("external", Carried),
    ("name", Carried),
    ("driver", Carried),
    ("attachable", Carried),
    ("labels", Carried),
    ("driver_opts", Lost(NETWORK_SAYS)),
    ("ipam", Lost(NETWORK_SAYS)),
    ("internal", Lost(NETWORK_SAYS)),
    ("enable_ipv4", Lost(NETWORK_SAYS)),
    ("enable_ipv6", Lost(NETWORK_SAYS)),
];

const NETWORK_SAYS: &str = "the network is the harness's own; make one with `docker network create` and name it under `network` of each container";

/// Keys of a service.
pub const SERVICE: &[(&str, Fate)] = &[
    ("image", Carried),
    ("command", Carried),
    ("entrypoint", Carried),
    ("environment", Carried),
    ("env_file", Carried),
    ("ports", Carried),
    ("volumes", Carried),
    ("healthcheck", Carried),
    ("shm_size", Carried),
    ("mem_limit", Carried),
    ("cpus", Carried),
    ("deploy", Carried),
    ("restart", Carried),
    ("labels", Carried),
    ("extra_hosts", Carried),
    ("logging", Carried),
    ("ulimits", Carried),
    ("user", Carried),
    ("networks", Carried),
    ("network_mode", Carried),
    ("extends", Carried),
    ("build", Carried),
    ("scale", Carried),
    ("profiles", Lost("every service of an Infra runs; remove this one unless it is to run")),
    ("pids_limit", Lost("a container has no limit of processes; set `ulimits: {nproc: …}`")),
    (
        "working_dir",
        Lost("the folder is the image's; write `[sh, -c, cd DIR && exec …]` as `command`"),
    ),
    ("hostname", Lost("the host name is the engine's; others reach it by the name of the service")),
    ("domainname", Lost("there is no domain name; leave it out")),
    ("dns", Lost(DNS)),
    ("dns_opt", Lost(DNS)),
    ("dns_search", Lost(DNS)),
    ("cap_add", Lost(RIGHTS)),
    ("cap_drop", Lost(RIGHTS)),
    ("privileged", Lost(RIGHTS)),
    ("security_opt", Lost(RIGHTS)),
    ("userns_mode", Lost(RIGHTS)),
    ("group_add", Lost("further groups are not set; write `user: USER:GROUP`")),
    ("cgroup", Lost(RIGHTS)),
    ("cgroup_parent", Lost(RIGHTS)),
    ("ipc", Lost(RIGHTS)),
    ("pid", Lost(RIGHTS)),
    ("uts", Lost(RIGHTS)),
    ("isolation", Lost(RIGHTS)),
    ("runtime", Lost(RIGHTS)),
    ("sysctls", Lost("kernel settings of a container are not set; set them on the host")),
    ("devices", Lost(DEVICES)),
    ("device_cgroup_rules", Lost(DEVICES)),
    ("gpus", Lost(DEVICES)),
    ("blkio_config", Lost("disks are not shared out; leave it out")),
    ("read_only", Lost("the container may write into its own layer; leave it out")),
    ("tmpfs", Lost("there is no memory file system but /dev/shm; name a volume for it")),
    ("init", Lost("no init process is put in front; take an image that has one")),
    ("tty", Lost("there is no terminal; leave it out")),
    ("stdin_open", Lost("standard input is closed; leave it out")),
    ("stop_signal", Lost("the signal is the image's; change it there")),
    ("stop_grace_period", Lost("the time to stop is the engine's, 10s; leave it out")),
    ("post_start", Lost(HOOKS)),
    ("pre_stop", Lost(HOOKS)),
    ("pre_start", Lost(HOOKS)),
    (
        "platform",
        Lost("the platform is the engine's; name the image by the digest of the other one"),
    ),
    ("mac_address", Lost("addresses are the engine's; leave it out")),
    (
        "links",
        Lost("there are no further names for services; use the names of the services themselves"),
    ),
    ("external_links", Lost("other containers are not linked; name their network under `network`")),
    ("volumes_from", Lost("volumes are not taken from others; name them under `volumes`")),
    ("configs", Lost("there are no configs; mount each file by its path under `volumes`")),
    (
        "secrets",
        Lost(
            "there are no secret files; mount each by its path under `volumes`, or write `{secret: NAME}` in `env`",
        ),
    ),
    ("label_file", Lost("labels are not read from files; write them under `labels`")),
    ("credential_spec", Lost("it is for Windows; leave it out")),
    ("provider", Lost("only containers are run; run the service yourself")),
    (
        "use_api_socket",
        Lost("the engine's socket is not handed on; mount it by its path under `volumes`"),
    ),
    ("models", Lost("there are no models; run the model as a service")),
    ("storage_opt", Lost("disk space is not limited; leave it out")),
    ("mem_reservation", Lost(SHARES)),
    ("mem_swappiness", Lost(SHARES)),
    ("memswap_limit", Lost(SHARES)),
    ("oom_kill_disable", Lost(SHARES)),
    ("oom_score_adj", Lost(SHARES)),
    ("cpuset", Lost(SHARES)),
    ("cpu_shares", Lost(SHARES)),
    ("cpu_quota", Lost(SHARES)),
    ("cpu_period", Lost(SHARES)),
    ("cpu_count", Lost(SHARES)),
    ("cpu_percent", Lost(SHARES)),
    ("cpu_rt_period", Lost(SHARES)),
    ("cpu_rt_runtime", Lost(SHARES)),
    ("depends_on", Note("not needed: whoever needs a service waits until it is well")),
    (
        "container_name",
        Note(
            "the harness names its containers; `ctl logs` and `ctl exec` take the name of the service",
        ),
    ),
    ("expose", Note("not needed: services reach each other at every port")),
    ("pull_policy", Note("an image is pulled when the engine does not have it")),
    ("develop", Note("it is for `docker compose watch`")),
    ("annotations", Note("nothing here reads them")),
    ("attach", Note("it is for the output of `docker compose up`")),
];

const DNS: &str = "names are resolved as the engine does it; write fixed ones under `extraHosts`";
const RIGHTS: &str = "a container has the engine's usual rights and namespaces; run this service yourself if it needs other ones";
const DEVICES: &str = "a container gets no devices of the host; run this service yourself";
const HOOKS: &str =
    "nothing is run beside the command; put it into a script that is the `entrypoint`";
const SHARES: &str = "only `memory` and `cpus` are limited; set these";

/// Keys of `deploy`.
pub const DEPLOY: &[(&str, Fate)] = &[
    ("resources", Carried),
    ("replicas", Carried),
    ("restart_policy", Carried),
    ("mode", Note(SWARM)),
    ("placement", Note(SWARM)),
    ("endpoint_mode", Note(SWARM)),
    ("update_config", Note(SWARM)),
    ("rollback_config", Note(SWARM)),
    ("labels", Note(SWARM)),
];

const SWARM: &str = "only Docker Swarm reads it";
