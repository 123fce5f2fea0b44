//! Shared looks at the world: a lone question is asked at once, those that come right after it are asked
//! together, and an answer serves everybody who can live with its age. What the answers mean is the planner's
//! affair.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, Resource};
use agent_harness_model::world::{Ask, Observed, Record, Seen};
use tokio::sync::oneshot;

use crate::world::World;

/// The shortest time between two looks: questions that come sooner are collected.
pub const WINDOW: Duration = Duration::from_millis(10);

/// An [`Ask`] that owns what it asks about.
#[derive(Debug, Clone)]
pub struct Question {
    /// The resource.
    pub id: ResourceId,
    /// Where it is, or would be.
    pub place: Place,
    /// What is wanted there; `None` when it is to go.
    pub want: Option<Resource>,
    /// What the ledger remembers of it.
    pub record: Record,
}

impl Question {
    /// Whether an answer to one of them is one to the other: what is seen may depend on what is wanted.
    fn asks_like(&self, other: &Self) -> bool {
        (&self.want, &self.place) == (&other.want, &other.place)
    }

    /// The same, as it is asked.
    pub fn as_ask(&self) -> Ask<'_> {
        let Self { id, place, want, record } = self;
        Ask { id, place, want: want.as_ref(), record }
    }
}

/// Looks on behalf of all reconciles.
#[derive(Debug)]
pub struct Observer<W> {
    world: Arc<W>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: BTreeMap<ResourceId, Answer>,
    /// Answers to questions that were asked before are void.
    void_before: BTreeMap<ResourceId, Instant>,
    all_void_before: Option<Instant>,
    batch: Option<Batch>,
    last_asked: Option<Instant>,
}

#[derive(Debug)]
struct Answer {
    asked: Instant,
    to: Question,
    seen: Seen<Option<Have>>,
}

#[derive(Debug, Default)]
struct Batch {
    connections: Arc<Connections>,
    questions: BTreeMap<ResourceId, Question>,
    waiting: Vec<oneshot::Sender<Arc<Answers>>>,
}

type Answers = BTreeMap<ResourceId, Seen<Option<Have>>>;

impl<W: World> Observer<W> {
    /// Looks at `world`.
    pub fn new(world: Arc<W>) -> Arc<Self> {
        Arc::new(Self { world, state: Mutex::default() })
    }

    /// The answers to all questions, none older than `max_age`.
    pub async fn look(
        self: &Arc<Self>,
        connections: &Arc<Connections>,
        questions: Vec<Question>,
        max_age: Duration,
    ) -> Observed {
        let now = Instant::now();
        let mut observed = Observed::default();
        let (ids, answered) = {
            let mut state = self.lock();
            let mut stale = Vec::new();
            for question in questions {
                match state.answers.get(&question.id) {
                    // What could not be seen a moment ago is worth another look.
                    Some(Answer { asked, to, seen: seen @ Seen::Known(_) })
                        if now.duration_since(*asked) <= max_age && to.asks_like(&question) =>
                    {
                        observed.insert(question.id, seen.clone());
                    }
                    _ => stale.push(question),
                }
            }
            if stale.is_empty() {
                return observed;
            }
            let first = state.batch.is_none();
            let wait = state.last_asked.map_or(Duration::ZERO, |at| {
                WINDOW.saturating_sub(now.saturating_duration_since(at))
            });
            let batch = state.batch.get_or_insert_default();
            // The last to ask knows best how the servers are reached.
            batch.connections = Arc::clone(connections);
            let ids: Vec<_> = stale.iter().map(|question| question.id.clone()).collect();
            batch.questions.extend(stale.into_iter().map(|q| (q.id.clone(), q)));
            let (sender, answered) = oneshot::channel();
            batch.waiting.push(sender);
            if first {
                tokio::spawn(Arc::clone(self).ask(wait));
            }
            (ids, answered)
        };
        // The other end never goes away without an answer, except at the end of everything.
        if let Ok(answers) = answered.await {
            for id in ids {
                if let Some(seen) = answers.get(&id) {
                    observed.insert(id, seen.clone());
                }
            }
        }
        observed
    }

    async fn ask(self: Arc<Self>, wait: Duration) {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let asked = Instant::now();
        let batch = {
            let mut state = self.lock();
            state.last_asked = Some(asked);
            state.batch.take().unwrap_or_default()
        };
        let Batch { connections, questions, waiting } = batch;
        let (world, asked_of) = (Arc::clone(&self.world), questions.clone());
        // In a task of its own: a provider that panics leaves things unknown, and nobody waiting for ever.
        let look = tokio::spawn(async move {
            let asks: Vec<_> = asked_of.values().map(Question::as_ask).collect();
            world.observe(&connections, &asks).await
        });
        let observed = match look.await {
            Ok(observed) => observed,
            Err(error) => {
                let why = format!("looking broke off ({error}); please report this");
                questions.keys().map(|id| (id.clone(), Seen::Unknown(why.clone()))).collect()
            }
        };
        let answers: Answers = questions
            .keys()
            .map(|id| {
                let seen = match observed.get(id) {
                    Seen::Known(have) => Seen::Known(have.cloned()),
                    Seen::Unknown(why) => Seen::Unknown(why),
                };
                (id.clone(), seen)
            })
            .collect();
        let mut state = self.lock();
        for (id, to) in questions {
            // Something was done about it meanwhile, or a later look was faster: good enough for those who
            // asked, for nobody else.
            let old = state.void_before.get(&id).is_some_and(|at| *at >= asked)
                || state.all_void_before.is_some_and(|at| at >= asked)
                || state.answers.get(&id).is_some_and(|later| later.asked > asked);
            if let Some(seen) = answers.get(&id).filter(|_| !old).cloned() {
                state.answers.insert(id, Answer { asked, to, seen });
            }
        }
        drop(state);
        let answers = Arc::new(answers);
        for waiting in waiting {
            let _ = waiting.send(Arc::clone(&answers));
        }
    }

    /// Answers about this resource from before now are void.
    pub fn invalidate(&self, id: &ResourceId) {
        let mut state = self.lock();
        state.answers.remove(id);
        state.void_before.insert(id.clone(), Instant::now());
    }

    /// All answers from before now are void.
    pub fn invalidate_all(&self) {
        let mut state = self.lock();
        state.answers.clear();
        state.all_void_before = Some(Instant::now());
    }

    /// Forgets resources that nobody asks about any more.
    pub fn retain(&self, keep: impl Fn(&ResourceId) -> bool) {
        let mut state = self.lock();
        state.answers.retain(|id, _| keep(id));
        state.void_before.retain(|id, _| keep(id));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Hint;
    use agent_harness_model::id::{ObjectKey, ResourceKind, Uid};
    use agent_harness_model::kinds::setup;
    use agent_harness_model::plan::Step;
    use agent_harness_model::world::ApplyError;
    use tokio::sync::mpsc::UnboundedReceiver;
    use tokio_util::sync::CancellationToken;

    /// Counts its looks; everything is absent.
    #[derive(Default)]
    struct Counter(Mutex<Vec<usize>>);

    impl World for Counter {
        async fn observe(&self, _: &Connections, asks: &[Ask<'_>]) -> Observed {
            self.0.lock().unwrap().push(asks.len());
            assert!(asks.iter().all(|ask| ask.id.name != "panic"), "as asked");
            asks.iter().map(|ask| (ask.id.clone(), Seen::Known(None))).collect()
        }

        async fn apply(
            &self,
            _: &Connections,
            _: &Step,
            _: &CancellationToken,
        ) -> Result<(), ApplyError> {
            Ok(())
        }

        fn hints(&self) -> UnboundedReceiver<Hint> {
            tokio::sync::mpsc::unbounded_channel().1
        }
    }

    fn question(name: &str) -> Question {
        Question {
            id: ResourceId {
                owner: ObjectKey::agent("agent-3"),
                uid: Uid::new("0190-12345678"),
                kind: ResourceKind::Setup,
                name: name.into(),
            },
            place: Place::Setup(setup::Place { root: "/".into() }),
            want: None,
            record: Record::default(),
        }
    }

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn many_questions_are_one_look() {
        let observer = Observer::new(Arc::new(Counter::default()));
        let none = Arc::default();
        let (a, b) = tokio::join!(
            observer.look(&none, vec![question("a"), question("b")], LONG),
            observer.look(&none, vec![question("b"), question("c")], LONG),
        );
        assert_eq!((a.iter().count(), b.iter().count()), (2, 2));
        assert_eq!(*observer.world.0.lock().unwrap(), [3]);
        observer.look(&none, vec![question("c")], LONG).await;
        assert_eq!(*observer.world.0.lock().unwrap(), [3], "the answer was at hand");
    }

    #[tokio::test]
    async fn what_was_acted_upon_is_looked_at_again() {
        let observer = Observer::new(Arc::new(Counter::default()));
        let none = Arc::default();
        observer.look(&none, vec![question("a"), question("b")], LONG).await;
        observer.invalidate(&question("a").id);
        observer.look(&none, vec![question("a"), question("b")], LONG).await;
        observer.invalidate_all();
        observer.look(&none, vec![question("a"), question("b")], LONG).await;
        assert_eq!(*observer.world.0.lock().unwrap(), [2, 1, 2]);
    }

    #[tokio::test]
    async fn what_is_wanted_otherwise_is_looked_at_again() {
        let observer = Observer::new(Arc::new(Counter::default()));
        let none = Arc::default();
        let elsewhere = Place::Setup(setup::Place { root: "/other".into() });
        for _ in 0..2 {
            observer.look(&none, vec![question("a"), question("b")], LONG).await;
            let moved = Question { place: elsewhere.clone(), ..question("a") };
            observer.look(&none, vec![moved, question("b")], LONG).await;
        }
        assert_eq!(*observer.world.0.lock().unwrap(), [2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn a_look_that_breaks_off_leaves_things_unknown() {
        let observer = Observer::new(Arc::new(Counter::default()));
        let seen = observer.look(&Arc::default(), vec![question("panic")], LONG).await;
        assert!(matches!(seen.get(&question("panic").id), Seen::Unknown(_)), "{seen:?}");
    }

    /// Its first look hangs until it is let go, and then finds nothing; later ones find something at once.
    #[derive(Default)]
    struct Hanging {
        looks: Mutex<usize>,
        begun: tokio::sync::Notify,
        go: tokio::sync::Notify,
    }

    fn something() -> Have {
        let last = None;
        Have::Setup(setup::Observed { last, inputs: "x".into(), output_missing: false })
    }

    impl World for Hanging {
        async fn observe(&self, _: &Connections, asks: &[Ask<'_>]) -> Observed {
            let first = {
                let mut looks = self.looks.lock().unwrap();
                *looks += 1;
                *looks == 1
            };
            if first {
                self.begun.notify_one();
                self.go.notified().await;
            }
            let found = (!first).then(something);
            asks.iter().map(|ask| (ask.id.clone(), Seen::Known(found.clone()))).collect()
        }

        async fn apply(
            &self,
            _: &Connections,
            _: &Step,
            _: &CancellationToken,
        ) -> Result<(), ApplyError> {
            Ok(())
        }

        fn hints(&self) -> UnboundedReceiver<Hint> {
            tokio::sync::mpsc::unbounded_channel().1
        }
    }

    #[tokio::test]
    async fn a_slow_look_does_not_undo_a_later_one() {
        let observer = Observer::new(Arc::new(Hanging::default()));
        let slow = Arc::clone(&observer);
        let slow =
            tokio::spawn(
                async move { slow.look(&Arc::default(), vec![question("a")], LONG).await },
            );
        observer.world.begun.notified().await;
        let id = question("a").id;
        let later = observer.look(&Arc::default(), vec![question("a")], LONG).await;
        assert_eq!(later.get(&id), Seen::Known(Some(&something())));
        observer.world.go.notify_one();
        assert_eq!(slow.await.unwrap().get(&id), Seen::Known(None));
        let now = observer.look(&Arc::default(), vec![question("a")], LONG).await;
        assert_eq!(now.get(&id), Seen::Known(Some(&something())));
        assert_eq!(*observer.world.looks.lock().unwrap(), 2);
    }
}
