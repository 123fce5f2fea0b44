//! Carries out a plan: each step once those before it ended well, independent ones at the same time,
//! never more at a time than a backend can take. It decides nothing: what and why is the plan's affair.
//! A step whose resource is not wanted like this any more (a newer spec, a deletion) is not begun, and a long one
//! is told to stop: nobody waits half an hour for what is to be thrown away.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_harness_model::desired::Connections;
use agent_harness_model::id::ResourceKind;
use agent_harness_model::plan::{Plan, Step, StepId};
use agent_harness_model::world::{ApplyError, Class, Fate};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::faults::{self, Side};
use crate::view::View;
use crate::world::World;

/// How many steps of a kind run at a time, over all objects.
#[derive(Debug)]
pub struct Lanes {
    lanes: [Arc<Semaphore>; 9],
}

impl Default for Lanes {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let lane = |kind| match kind {
            // Git locks its repository.
            ResourceKind::Worktree => 1,
            // Two clones of one template take less together than one after the other; more only share the disk.
            ResourceKind::Database | ResourceKind::Template => 2,
            ResourceKind::Service => cores.max(2),
            // A pull that takes long must not keep the others out.
            ResourceKind::Container => 4,
            // Long ones must not keep the short ones of others out.
            ResourceKind::Setup => cores.max(2) + 2,
            ResourceKind::File | ResourceKind::Bucket | ResourceKind::Process => 8,
        };
        Self { lanes: KINDS.map(|kind| Arc::new(Semaphore::new(lane(kind)))) }
    }
}

const KINDS: [ResourceKind; 9] = [
    ResourceKind::Service,
    ResourceKind::Container,
    ResourceKind::Worktree,
    ResourceKind::File,
    ResourceKind::Template,
    ResourceKind::Database,
    ResourceKind::Bucket,
    ResourceKind::Setup,
    ResourceKind::Process,
];

impl Lanes {
    fn of(&self, kind: ResourceKind) -> Arc<Semaphore> {
        let index = KINDS.iter().position(|other| *other == kind).unwrap_or_default();
        Arc::clone(&self.lanes[index])
    }
}

/// What a plan rests on, and what is wanted by now.
pub struct Orders<'a> {
    /// The view that the plan was made from.
    pub planned: &'a View,
    /// The views since then.
    pub news: watch::Receiver<Arc<View>>,
}

impl Orders<'_> {
    /// Whether something else is wanted of the step's resource by now. Of an object that could not be resolved
    /// nobody knows what is wanted, and its plan stands.
    fn outdated(&self, step: &Step) -> bool {
        let now = self.news.borrow();
        let id = &step.resource;
        let [then, now] = [self.planned, &**now].map(|view| {
            let object = view.object(&id.owner, &id.uid)?;
            Some(object.resources.get(id).map(|wanted| (&wanted.target, &wanted.place)))
        });
        now.is_some_and(|now| then.flatten() != now)
    }
}

/// Carries out `plan` and says what became of each step; one that is outdated has no fate. Steps in `decided` are
/// not tried: their fate is given. `report` hears of each step that was tried, as soon as it ended.
pub async fn execute<W: World>(
    world: &Arc<W>,
    connections: &Arc<Connections>,
    plan: &Plan,
    decided: BTreeMap<StepId, Fate>,
    lanes: &Lanes,
    mut orders: Orders<'_>,
    mut report: impl FnMut(&Step, &Fate),
) -> BTreeMap<StepId, Fate> {
    let mut fates = decided;
    let mut started: BTreeMap<StepId, CancellationToken> =
        fates.keys().map(|id| (*id, CancellationToken::new())).collect();
    let mut running: JoinSet<(StepId, Fate)> = JoinSet::new();
    loop {
        // In the order of the plan, so that one pass hands a failure down to all that depend on it.
        for step in &plan.steps {
            if started.contains_key(&step.id) {
                continue;
            }
            let before: Vec<_> = step.after.iter().map(|id| (*id, fates.get(id))).collect();
            let unwell = |fate: Option<&Fate>| fate.is_some_and(|fate| *fate != Fate::Done);
            let stop = CancellationToken::new();
            if let Some((by, _)) = before.iter().find(|(_, fate)| unwell(*fate)) {
                fates.insert(step.id, Fate::Blocked { by: *by });
                started.insert(step.id, stop);
            } else if before.iter().all(|(_, fate)| fate.is_some()) && !orders.outdated(step) {
                started.insert(step.id, stop.clone());
                running.spawn(carry_out(
                    Arc::clone(world),
                    Arc::clone(connections),
                    step.clone(),
                    lanes.of(step.resource.kind),
                    stop,
                ));
            }
        }
        if running.is_empty() {
            return fates;
        }
        tokio::select! {
            // What is not wanted any more is stopped before anything else goes on.
            biased;
            Ok(()) = orders.news.changed() => {
                for step in plan.steps.iter().filter(|step| orders.outdated(step)) {
                    if let Some(stop) = started.get(&step.id) {
                        stop.cancel();
                    }
                }
            }
            Some(ended) = running.join_next() => match ended {
                Ok((id, fate)) => {
                    let stopped = started.get(&id).is_some_and(CancellationToken::is_cancelled);
                    // That it did not end well is no failure: it was told to.
                    if stopped && fate != Fate::Done {
                        continue;
                    }
                    if let Some(step) = plan.steps.iter().find(|step| step.id == id) {
                        report(step, &fate);
                    }
                    fates.insert(id, fate);
                }
                // `carry_out` catches what the step does; nothing else can end here.
                Err(error) => tracing::error!(%error, "a step was lost"),
            },
        }
    }
}

async fn carry_out<W: World>(
    world: Arc<W>,
    connections: Arc<Connections>,
    step: Step,
    lane: Arc<Semaphore>,
    stop: CancellationToken,
) -> (StepId, Fate) {
    let id = step.id;
    let _place = tokio::select! {
        biased;
        () = stop.cancelled() => {
            let message = "is not wanted like this any more".to_owned();
            return (id, Fate::Failed(ApplyError { class: Class::Transient, message, part: None }));
        }
        place = lane.acquire_owned() => place,
    };
    let part = step.action.part().map(str::to_owned);
    let work = tokio::spawn(async move {
        tracing::info!(resource = %step.resource, action = %step.action, cause = %step.cause, "step");
        faults::boundary(Side::Before).await?;
        let result = world.apply(&connections, &step, &stop).await;
        faults::boundary(Side::After).await?;
        result
    });
    let fate = match work.await {
        Ok(Ok(())) => Fate::Done,
        Ok(Err(error)) => Fate::Failed(ApplyError { part, ..error }),
        Err(panic) => Fate::Failed(ApplyError {
            class: Class::Indeterminate,
            message: format!("the step broke off ({panic}); please report this"),
            part: None,
        }),
    };
    (id, fate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::sources::Intake;
    use crate::world::Hint;
    use agent_harness_model::desired::{Desired, DesiredObject, Wanted};
    use agent_harness_model::id::{ObjectKey, ResourceId, Uid};
    use agent_harness_model::kinds::{Action, AnyTarget, Place, setup};
    use agent_harness_model::world::{Ask, Observed};
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::sync::Notify;
    use tokio::sync::mpsc::UnboundedReceiver;

    /// Ends steps as their names say, and waits for company where two are to run at a time.
    #[derive(Default)]
    struct Script {
        log: Mutex<Vec<String>>,
        now: AtomicUsize,
        most: AtomicUsize,
        begun: Notify,
    }

    impl World for Script {
        async fn observe(&self, _: &Connections, _: &[Ask<'_>]) -> Observed {
            Observed::default()
        }

        async fn apply(
            &self,
            _: &Connections,
            step: &Step,
            stop: &CancellationToken,
        ) -> Result<(), ApplyError> {
            if step.resource.name.starts_with("long") {
                self.log.lock().unwrap().push(step.resource.name.clone());
                self.begun.notify_one();
                stop.cancelled().await;
                return Err(ApplyError {
                    class: Class::Transient,
                    message: "stopped".into(),
                    part: None,
                });
            }
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            let name = &step.resource.name;
            self.log.lock().unwrap().push(name.clone());
            assert!(!name.starts_with("panic"), "as asked");
            if name.starts_with("bad") {
                return Err(ApplyError {
                    class: Class::Terminal,
                    message: "no".into(),
                    part: None,
                });
            }
            Ok(())
        }

        fn hints(&self) -> UnboundedReceiver<Hint> {
            tokio::sync::mpsc::unbounded_channel().1
        }
    }

    fn plan(kind: ResourceKind, steps: &[(&str, &[StepId])]) -> Plan {
        let steps = steps
            .iter()
            .enumerate()
            .map(|(index, (name, after))| Step {
                id: index + 1,
                resource: ResourceId {
                    owner: ObjectKey::agent("agent-3"),
                    uid: Uid::new("0190-12345678"),
                    kind,
                    name: (*name).into(),
                },
                action: Action::Setup(setup::Action::Forget(setup::Place { root: "/".into() })),
                cause: "test".into(),
                after: after.to_vec(),
            })
            .collect();
        Plan { steps, ..Plan::default() }
    }

    async fn carry(
        world: &Arc<Script>,
        plan: &Plan,
        decided: BTreeMap<StepId, Fate>,
        orders: Orders<'_>,
    ) -> BTreeMap<StepId, Fate> {
        let lanes = Lanes::default();
        let to = Arc::default();
        let work = execute(world, &to, plan, decided, &lanes, orders, |_, _| {});
        tokio::time::timeout(Duration::from_secs(20), work).await.expect("nothing goes on")
    }

    async fn run(world: &Arc<Script>, plan: &Plan, decided: &[(StepId, Fate)]) -> Vec<String> {
        let decided = decided.iter().cloned().collect();
        let (_views, news) = watch::channel(Arc::default());
        let orders = Orders { planned: &View::default(), news };
        let fates = carry(world, plan, decided, orders).await;
        fates.iter().map(|(id, fate)| format!("{id} {fate}")).collect()
    }

    #[tokio::test]
    async fn a_failure_blocks_what_depends_on_it_and_nothing_else() {
        let world = Arc::new(Script::default());
        let plan = plan(
            ResourceKind::Process,
            &[("bad", &[]), ("child", &[1]), ("grandchild", &[2]), ("other", &[]), ("more", &[4])],
        );
        assert_eq!(
            run(&world, &plan, &[]).await,
            [
                "1 failed: no",
                "2 not tried: step 1 did not end well",
                "3 not tried: step 2 did not end well",
                "4 done",
                "5 done"
            ]
        );
        let mut log = world.log.lock().unwrap().clone();
        log.sort();
        assert_eq!(log, ["bad", "more", "other"]);
    }

    #[tokio::test]
    async fn a_decided_step_is_not_tried() {
        let world = Arc::new(Script::default());
        let plan = plan(ResourceKind::Process, &[("bad", &[]), ("child", &[1])]);
        let last = Fate::Failed(ApplyError {
            class: Class::Transient,
            message: "before".into(),
            part: None,
        });
        assert_eq!(
            run(&world, &plan, &[(1, last)]).await,
            ["1 failed: before", "2 not tried: step 1 did not end well"]
        );
        assert!(world.log.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn independent_steps_run_together_and_a_lane_holds_them_back() {
        let four: &[(&str, &[StepId])] = &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[])];
        let world = Arc::new(Script::default());
        run(&world, &plan(ResourceKind::Process, four), &[]).await;
        assert_eq!(world.most.load(Ordering::SeqCst), 4);
        let world = Arc::new(Script::default());
        run(&world, &plan(ResourceKind::Worktree, four), &[]).await;
        assert_eq!(world.most.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_step_that_breaks_off_is_indeterminate() {
        let world = Arc::new(Script::default());
        let plan = plan(ResourceKind::Process, &[("panic", &[]), ("child", &[1])]);
        let (_views, news) = watch::channel(Arc::default());
        let orders = Orders { planned: &View::default(), news };
        let fates = carry(&world, &plan, BTreeMap::new(), orders).await;
        assert!(
            matches!(&fates[&1], Fate::Failed(error) if error.class == Class::Indeterminate),
            "{fates:?}"
        );
        assert_eq!(fates[&2], Fate::Blocked { by: 1 });
    }

    /// A view that wants these of the agent, each as it is called and in the folder that is given.
    fn view(wanted: &[(&str, &str)]) -> View {
        let mut object = DesiredObject::default();
        for step in
            plan(ResourceKind::Setup, &wanted.iter().map(|it| (it.0, &[][..])).collect::<Vec<_>>())
                .steps
        {
            let (_, root) = wanted.iter().find(|it| it.0 == step.resource.name).unwrap();
            let place = Place::Setup(setup::Place { root: root.into() });
            let wanted = Wanted {
                target: AnyTarget::Gone,
                place,
                after: Vec::new(),
                renewed_by: Vec::new(),
                source: None,
                parts: BTreeMap::new(),
            };
            object.resources.insert(step.resource, wanted);
        }
        let mut desired = Desired::default();
        let (owner, uid) = (ObjectKey::agent("agent-3"), Uid::new("0190-12345678"));
        desired.objects.insert((owner, uid), object);
        View::new(Intake::default(), desired, Vec::new(), BTreeSet::new())
    }

    #[tokio::test]
    async fn what_is_wanted_otherwise_by_now_is_stopped_or_not_begun() {
        let world = Arc::new(Script::default());
        let steps: &[(&str, &[StepId])] =
            &[("long", &[]), ("after", &[1]), ("moved", &[4]), ("same", &[])];
        let plan = plan(ResourceKind::Setup, steps);
        let planned = view(&[("long", "/a"), ("after", "/a"), ("moved", "/a"), ("same", "/a")]);
        let now = view(&[("long", "/b"), ("after", "/a"), ("moved", "/b"), ("same", "/a")]);
        let (views, news) = watch::channel(Arc::new(View::default()));
        let orders = Orders { planned: &planned, news };
        let (fates, ()) = tokio::join!(carry(&world, &plan, BTreeMap::new(), orders), async {
            world.begun.notified().await;
            views.send_replace(Arc::new(now));
        });
        assert_eq!(fates, [(4, Fate::Done)].into());
        assert_eq!(*world.log.lock().unwrap(), ["long", "same"]);
    }

    #[tokio::test]
    async fn what_was_stopped_before_its_turn_is_not_begun_though_its_lane_is_free() {
        let world = Arc::new(Script::default());
        let step = &plan(ResourceKind::Setup, &[("a", &[])]).steps[0];
        for _ in 0..20 {
            let (lane, stop) = (Arc::new(Semaphore::new(1)), CancellationToken::new());
            stop.cancel();
            let to = Arc::default();
            let (_, fate) = carry_out(Arc::clone(&world), to, step.clone(), lane, stop).await;
            assert!(matches!(fate, Fate::Failed(_)), "{fate}");
        }
        assert!(world.log.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_object_that_cannot_be_resolved_keeps_its_plan() {
        let world = Arc::new(Script::default());
        let plan = plan(ResourceKind::Setup, &[("a", &[])]);
        let (_views, news) = watch::channel(Arc::new(View::default()));
        let orders = Orders { planned: &view(&[("a", "/a")]), news };
        assert_eq!(carry(&world, &plan, BTreeMap::new(), orders).await, [(1, Fate::Done)].into());
    }
}
