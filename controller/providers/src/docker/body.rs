//! What the engine is told to make of a configuration. Pure.

use std::collections::HashMap;

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::container::{Config, Desired, Healthcheck, Mount, Source};
use agent_harness_model::resolve::project;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig,
    Mount as ApiMount, MountType, NetworkingConfig, PortBinding, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};

use super::labels;

/// A volume of the image itself that the container before had, so that its data stays: name and place.
pub type Inherited = (String, String);

/// The request for a container.
pub fn body(mark: &Mark, want: &Desired, inherited: &[Inherited]) -> ContainerCreateBody {
    let Config { image, command, entrypoint, env, ports, healthcheck, user, network, .. } =
        &want.config;
    let some = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let inside = |port: &agent_harness_model::kinds::container::Port| {
        format!("{}/{}", port.container, port.protocol)
    };
    let own = project(&want.place.infra);
    let aliases = Some(vec![want.place.name.clone()]);
    let endpoint = EndpointSettings { aliases, ..EndpointSettings::default() };
    let networking = network.is_none().then(|| NetworkingConfig {
        endpoints_config: Some(HashMap::from([(own.clone(), endpoint)])),
    });
    ContainerCreateBody {
        image: Some(image.clone()),
        cmd: some(command),
        entrypoint: some(entrypoint),
        env: Some(env.iter().map(|(name, value)| format!("{name}={}", value.reveal())).collect()),
        exposed_ports: Some(ports.values().map(inside).collect()),
        healthcheck: healthcheck.as_ref().map(health),
        user: user.clone(),
        labels: Some(labels::of_container(mark, &want.place, &want.config)),
        host_config: Some(host(want, network.as_deref().unwrap_or(&own), inherited)),
        networking_config: networking,
        ..ContainerCreateBody::default()
    }
}

fn host(want: &Desired, network: &str, inherited: &[Inherited]) -> HostConfig {
    let config = &want.config;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut ports: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in config.ports.values() {
        let binding = PortBinding {
            host_ip: Some(port.address.clone()),
            host_port: Some(port.host.to_string()),
        };
        let inside = format!("{}/{}", port.container, port.protocol);
        ports.entry(inside).or_default().get_or_insert_default().push(binding);
    }
    let inherited = inherited.iter().map(|(name, target)| ApiMount {
        typ: Some(MountType::VOLUME),
        source: Some(name.clone()),
        target: Some(target.clone()),
        ..ApiMount::default()
    });
    let limits = config.ulimits.iter().map(|(name, (soft, hard))| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(*soft),
        hard: Some(*hard),
    });
    let hosts = config.extra_hosts.iter().map(|(name, address)| format!("{name}:{address}"));
    HostConfig {
        memory: config.memory.map(signed),
        // Without this an engine gives it as much swap again.
        memory_swap: config.memory.map(signed),
        nano_cpus: config.nano_cpus.map(signed),
        shm_size: config.shm_size.map(signed),
        port_bindings: Some(ports),
        mounts: Some(config.mounts.iter().map(mount).chain(inherited).collect()),
        restart_policy: Some(RestartPolicy { name: Some(restart(config)), ..Default::default() }),
        network_mode: Some(network.to_owned()),
        extra_hosts: Some(hosts.collect()),
        log_config: config.logging.as_ref().map(|(driver, options)| HostConfigLogConfig {
            typ: Some(driver.clone()),
            config: Some(options.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
        }),
        ulimits: Some(limits.collect()),
        ..HostConfig::default()
    }
}

fn restart(config: &Config) -> RestartPolicyNameEnum {
    use agent_harness_model::kinds::container::Restart;
    match config.restart {
        Restart::Always => RestartPolicyNameEnum::ALWAYS,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        Restart::Never => RestartPolicyNameEnum::NO,
    }
}

fn mount(mount: &Mount) -> ApiMount {
    let (typ, source) = match &mount.source {
        Source::Volume(name) => (MountType::VOLUME, name.clone()),
        Source::Path(path) => (MountType::BIND, path.display().to_string()),
    };
    ApiMount {
        typ: Some(typ),
        source: Some(source),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..ApiMount::default()
    }
}

fn health(check: &Healthcheck) -> HealthConfig {
    let nanos = |ms: Option<u64>| ms.and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000_000));
    HealthConfig {
        test: Some(check.test.clone()),
        interval: nanos(check.interval_ms),
        timeout: nanos(check.timeout_ms),
        retries: check.retries.map(i64::from),
        start_period: nanos(check.start_period_ms),
        start_interval: None,
    }
}
