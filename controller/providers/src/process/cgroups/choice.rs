//! Where control groups can be made, from what the kernel says of its trees and from tries. Pure: the tries are an
//! argument.
//!
//! A group of ours goes into the group that the controller is in, where that can be: whoever limits the controller
//! limits what it starts. Under v2 a group that has processes of its own gives its children no limits, so the groups
//! above are tried too, as far as nobody else looks after them, and the one with the most controllers is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agent_harness_shim::cgroup::Controller;

/// Which way was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Setting {
    /// The best that the host offers.
    #[default]
    Auto,
    /// Control groups v2.
    V2,
    /// Control groups v1.
    V1,
    /// None: process groups, descent and the mark.
    None,
}

/// The trees of this host, and where in them the controller is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trees {
    /// v2: where it is mounted, and our own group in it.
    v2: Option<(PathBuf, PathBuf)>,
    /// v1, by controller: the same.
    v1: BTreeMap<String, (PathBuf, PathBuf)>,
}

/// Where groups are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// Nowhere.
    #[default]
    None,
    /// In one folder, with these limits.
    V2 { base: PathBuf, limits: BTreeSet<Controller> },
    /// In one folder for the freezer and one for each limit.
    V1 { freezer: Option<PathBuf>, limits: BTreeMap<Controller, PathBuf> },
}

/// What a try shows of a folder.
pub trait Try {
    /// Whether a v1 group can be made in it.
    fn v1(&self, base: &Path) -> bool;
    /// The limits that v2 groups in it can have; `None`: none can be made.
    fn v2(&self, base: &Path) -> Option<BTreeSet<Controller>>;
}

impl Trees {
    /// From `/proc/mounts` and `/proc/self/cgroup`.
    pub fn read(mounts: &str, own: &str) -> Self {
        let mut trees = Self::default();
        let own_v2 = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        let own_v1 = |controller: &str| {
            own.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (names, path) = (fields.next()?, fields.next()?);
                names.split(',').any(|name| name == controller).then_some(path)
            })
        };
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(place), Some(kind), Some(options)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let place = PathBuf::from(place.replace("\\040", " "));
            let at = |own: &str| place.join(own.trim_start_matches('/'));
            match kind {
                "cgroup2" => {
                    let own = at(own_v2);
                    trees.v2.get_or_insert((place, own));
                }
                "cgroup" => {
                    for name in ["memory", "cpu", "pids", "freezer"] {
                        if options.split(',').any(|option| option == name) {
                            let own = at(own_v1(name).unwrap_or("/"));
                            trees.v1.entry(name.to_owned()).or_insert((place.clone(), own));
                        }
                    }
                }
                _ => {}
            }
        }
        trees
    }

    /// The files that hold limits of memory for us: of our own group and of those above it, but for the root's.
    pub fn memory_limits(&self) -> Vec<PathBuf> {
        let v2 = self.v2.iter().map(|tree| (tree, "memory.max"));
        let v1 = self.v1.get("memory").into_iter().map(|tree| (tree, "memory.limit_in_bytes"));
        let files = |((mount, own), file): (&(PathBuf, PathBuf), &str)| -> Vec<PathBuf> {
            let above = own.ancestors().take_while(|group| group != mount);
            above.filter(|group| group.starts_with(mount)).map(|group| group.join(file)).collect()
        };
        v2.chain(v1).flat_map(files).collect()
    }

    /// What is taken.
    pub fn choose(&self, setting: Setting, tries: &impl Try) -> Choice {
        match setting {
            Setting::None => Choice::None,
            Setting::V2 => self.v2(tries),
            Setting::V1 => self.v1(tries),
            // One tree is simpler, ends a group in one step and forgets nobody; but limits weigh more.
            Setting::Auto => match (self.v2(tries), self.v1(tries)) {
                (Choice::V2 { base, limits }, v1) if !limits.is_empty() || v1 == Choice::None => {
                    Choice::V2 { base, limits }
                }
                (_, v1) => v1,
            },
        }
    }

    fn v2(&self, tries: &impl Try) -> Choice {
        let Some((mount, own)) = &self.v2 else { return Choice::None };
        let mut best: Option<(PathBuf, BTreeSet<Controller>)> = None;
        for base in bases(mount, own) {
            if let Some(limits) = tries.v2(&base)
                && best.as_ref().is_none_or(|(_, most)| limits.len() > most.len())
            {
                best = Some((base, limits));
            }
        }
        best.map_or(Choice::None, |(base, limits)| Choice::V2 { base, limits })
    }

    fn v1(&self, tries: &impl Try) -> Choice {
        let base = |name: &str| {
            let (mount, own) = self.v1.get(name)?;
            [own, mount].into_iter().find(|base| tries.v1(base)).cloned()
        };
        let freezer = base("freezer");
        let limits: BTreeMap<_, _> = Controller::ALL
            .into_iter()
            .filter_map(|controller| Some((controller, base(controller.name())?)))
            .collect();
        if freezer.is_none() && limits.is_empty() {
            return Choice::None;
        }
        Choice::V1 { freezer, limits }
    }
}

/// The own group and those above it. A slice is what systemd shares out among others; it is no place for ours.
fn bases(mount: &Path, own: &Path) -> Vec<PathBuf> {
    let is_slice = |path: &Path| path.extension().is_some_and(|ending| ending == "slice");
    let above = own.ancestors().filter(|path| path.starts_with(mount) && !is_slice(path));
    above.map(Path::to_path_buf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n\
        cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
        cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0\n\
        cgroup /sys/fs/cgroup/freezer cgroup rw,relatime,freezer 0 0\n\
        cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
    const V1_OWN: &str =
        "5:memory:/job/1\n4:pids:/\n3:cpu,cpuacct:/\n2:freezer:/\n1:name=systemd:/\n0::/\n";
    const V2: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
    const USER: &str =
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-term.scope\n";

    /// Folders in which groups can be made, and with which limits.
    struct Host(Vec<(&'static str, &'static [Controller])>);

    impl Try for Host {
        fn v1(&self, base: &Path) -> bool {
            self.0.iter().any(|(path, _)| Path::new(path) == base)
        }

        fn v2(&self, base: &Path) -> Option<BTreeSet<Controller>> {
            let (_, limits) = self.0.iter().find(|(path, _)| Path::new(path) == base)?;
            Some(limits.iter().copied().collect())
        }
    }

    fn v2(base: &str, limits: &[Controller]) -> Choice {
        Choice::V2 { base: base.into(), limits: limits.iter().copied().collect() }
    }

    #[test]
    fn v1_with_limits_goes_before_a_v2_without() {
        let trees = Trees::read(V1, V1_OWN);
        let host = Host(vec![
            ("/sys/fs/cgroup/memory/job/1", &[]),
            ("/sys/fs/cgroup/memory", &[]),
            ("/sys/fs/cgroup/pids", &[]),
            ("/sys/fs/cgroup/freezer", &[]),
            ("/sys/fs/cgroup/unified", &[]),
        ]);
        let expected = Choice::V1 {
            freezer: Some("/sys/fs/cgroup/freezer".into()),
            limits: [
                (Controller::Memory, "/sys/fs/cgroup/memory/job/1".into()),
                (Controller::Pids, "/sys/fs/cgroup/pids".into()),
            ]
            .into(),
        };
        assert_eq!(trees.choose(Setting::Auto, &host), expected);
        assert_eq!(trees.choose(Setting::V1, &host), expected);
        assert_eq!(trees.choose(Setting::V2, &host), v2("/sys/fs/cgroup/unified", &[]));
        assert_eq!(trees.choose(Setting::None, &host), Choice::None);
        let v2_alone = Host(vec![("/sys/fs/cgroup/unified", &[])]);
        assert_eq!(trees.choose(Setting::Auto, &v2_alone), v2("/sys/fs/cgroup/unified", &[]));
    }

    #[test]
    fn an_ordinary_user_takes_what_was_delegated() {
        let own = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
        let scope =
            "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/app-term.scope";
        let slice = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice";
        let both: &[Controller] = &[Controller::Memory, Controller::Pids];
        let trees = Trees::read(V2, USER);
        // The scope has processes of its own; the slice is systemd's.
        let host = Host(vec![(scope, &[]), (slice, both), (own, both)]);
        assert_eq!(trees.choose(Setting::Auto, &host), v2(own, both));
        let host = Host(vec![(scope, &[])]);
        assert_eq!(trees.choose(Setting::Auto, &host), v2(scope, &[]));
        assert_eq!(trees.choose(Setting::Auto, &Host(vec![])), Choice::None);
        assert_eq!(trees.choose(Setting::V1, &Host(vec![(own, both)])), Choice::None);
    }

    #[test]
    fn every_group_above_can_limit_memory() {
        let files = |mounts, own| Trees::read(mounts, own).memory_limits();
        let v1 = ["/sys/fs/cgroup/memory/job/1", "/sys/fs/cgroup/memory/job"]
            .map(|group| Path::new(group).join("memory.limit_in_bytes"));
        assert_eq!(files(V1, V1_OWN), v1);
        let v2 = ["/sys/fs/cgroup/system.slice/a.service", "/sys/fs/cgroup/system.slice"]
            .map(|group| Path::new(group).join("memory.max"));
        assert_eq!(files(V2, "0::/system.slice/a.service\n"), v2);
        assert_eq!(files(V2, "0::/\n"), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_is_nearest_goes_first_among_equals() {
        let trees = Trees::read(V2, "0::/system.slice/agents.service/controller\n");
        let unit = "/sys/fs/cgroup/system.slice/agents.service";
        let all: &[Controller] = &Controller::ALL;
        let host = Host(vec![("/sys/fs/cgroup", all), (unit, all)]);
        assert_eq!(trees.choose(Setting::Auto, &host), v2(unit, all));
    }

    #[test]
    fn without_trees_there_is_nothing_to_choose() {
        let trees = Trees::read("proc /proc proc rw 0 0\nbroken\n", "");
        assert_eq!(trees.choose(Setting::Auto, &Host(vec![])), Choice::None);
    }
}
