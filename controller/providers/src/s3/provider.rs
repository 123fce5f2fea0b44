//! Connects stores to the `Bucket` kind: what is seen, and what its actions do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{Mark, ObjectKind, ResourceId, Uid};
use agent_harness_model::kinds::bucket::{Action, Desired, Observed, Place};
use agent_harness_model::kinds::{self, Have, Resource};
use agent_harness_model::world::{self, ApplyError, Ask, Seen};

use super::apply::Apply;
use super::error::S3Error;
use super::minio::{self, KeyCache, Listed};
use super::names;
use super::remote::Remote;
use super::settings;
use super::view::{BucketView, TagCache, View, look};
use crate::Class;
use crate::object_store::BucketKey;
use crate::provider::{Context, Provider, wrong_kind};

/// The tag that lists what a store of somebody else's could not be told: `expiry`, `cors`.
pub const UNSUPPORTED: &str = "agent-harness-unsupported";

/// The buckets of all Infras.
#[derive(Debug, Default)]
pub struct S3Provider {
    stores: Mutex<BTreeMap<String, Arc<Store>>>,
    /// Buckets that a crash cut off between creation and mark, as the last look found them.
    unmarked: Mutex<BTreeSet<ResourceId>>,
    warnings: Mutex<BTreeMap<ResourceId, Vec<String>>>,
}

/// What is kept of one store between calls.
#[derive(Debug)]
pub struct Store {
    pub remote: Remote,
    pub tags: TagCache,
    /// Of a store of somebody else's that gives agents keys of their own.
    pub keys: KeyCache,
}

impl S3Provider {
    pub fn new() -> Self {
        Self::default()
    }

    /// What the last look found that somebody may want to know, by resource: a key that agents share, a rule that the
    /// store does not offer. Not there: nothing.
    pub fn warnings(&self) -> BTreeMap<ResourceId, Vec<String>> {
        lock(&self.warnings).clone()
    }

    fn store(&self, connections: &Connections, infra: &str) -> Result<Arc<Store>, S3Error> {
        let Some(connection) = connections.stores.get(infra) else {
            return Err(S3Error::NoStore { infra: infra.to_owned() });
        };
        let mut stores = lock(&self.stores);
        match stores.get(infra) {
            Some(store) if store.remote.connection == *connection => Ok(Arc::clone(store)),
            _ => {
                let remote = Remote::new(connection.clone());
                let store = Arc::new(Store {
                    remote,
                    tags: TagCache::default(),
                    keys: KeyCache::default(),
                });
                stores.insert(infra.to_owned(), Arc::clone(&store));
                Ok(store)
            }
        }
    }

    async fn see(
        &self,
        cx: &Context<'_>,
        ask: &Ask<'_>,
        place: &Place,
        store: &Store,
        view: &View,
    ) -> Seen<Option<Have>> {
        let mark = cx.mark(ask.id);
        let want = match ask.want {
            Some(Resource::Bucket(want)) => Some(want.as_ref()),
            _ => None,
        };
        let trash = names::trash(&place.bucket, &ask.id.uid);
        let ours = |view: &BucketView| view.mark().as_ref() == Some(&mark);
        let trashed = match view.get(&trash) {
            Some(Ok(found)) => ours(found),
            Some(Err(why)) => return Seen::Unknown(why.clone()),
            None => false,
        };
        let live = match view.get(&place.bucket) {
            Some(Ok(found)) => found,
            Some(Err(why)) => return Seen::Unknown(why.clone()),
            None => return Seen::Known(trashed.then_some(Have::Bucket(Observed::Trashed))),
        };
        let seen = if ours(live) {
            let shared = ask.id.owner.kind == ObjectKind::Infra;
            if live.tags.contains_key(names::TRASH) {
                Observed::Trashed
            } else if shared && !live.tags.contains_key(names::SHARED) {
                Observed::Live { settings: "not open to all agents".to_owned() }
            } else {
                match last_settings(live, want, store.remote.embedded_root().map(AsRef::as_ref)) {
                    Ok(settings) => Observed::Live { settings },
                    Err(error) => return Seen::Unknown(message(&error)),
                }
            }
        } else if trashed && want.is_none() {
            // Somebody took the name since: what is ours is in the trash.
            Observed::Trashed
        } else {
            match self.is_unmarked(ask, store, live, place).await {
                Ok(true) => return Seen::Known(None),
                Ok(false) => taken(live, &mark)
                    .map_or_else(|| Observed::Foreign(whose(live, &mark)), Observed::Taken),
                Err(error) => return Seen::Unknown(message(&error)),
            }
        };
        self.warn(ask, want, store, live);
        Seen::Known(Some(Have::Bucket(seen)))
    }

    /// Whether this is what a crash between creation and mark leaves: the intent is on record, and the bucket has
    /// neither tags nor content. Our own store marks in the same step: never there.
    async fn is_unmarked(
        &self,
        ask: &Ask<'_>,
        store: &Store,
        live: &BucketView,
        place: &Place,
    ) -> Result<bool, S3Error> {
        let begun = ask.record.intended.is_some() && ask.record.applied.is_none();
        if store.remote.embedded_root().is_some() || !begun || !live.tags.is_empty() {
            return Ok(false);
        }
        let empty = store.remote.is_empty(&place.bucket).await?;
        if empty {
            lock(&self.unmarked).insert(ask.id.clone());
        }
        Ok(empty)
    }

    fn warn(&self, ask: &Ask<'_>, want: Option<&Desired>, store: &Store, live: &BucketView) {
        let Some(want) = want else { return };
        let mut warnings = Vec::new();
        let external = store.remote.embedded_root().is_none();
        if external && want.key.is_none() && ask.id.owner.kind == ObjectKind::Agent {
            warnings.push(format!(
                "the object store at {} gives no keys of its own to agents: all of them share the key of its Infra (a \
                 MinIO can, with `keys: own` under `objectStore`)",
                store.remote.connection.endpoint
            ));
        }
        let unsupported = live.tags.get(UNSUPPORTED).map_or("", String::as_str);
        for (word, what) in [("expiry", "expireAfter"), ("cors", "cors")] {
            if unsupported.split_whitespace().any(|text| text == word) {
                warnings
                    .push(format!("the object store does not support {what}: it has no effect"));
            }
            if let Some(said) = live.tags.get(&names::refused(word)) {
                warnings
                    .push(format!("the object store refuses {what}, which has no effect: {said}"));
            }
        }
        if external && want.expire_after_s.is_some_and(|seconds| !settings::is_whole_days(seconds))
        {
            warnings.push(
                "the object store knows whole days only: expireAfter is rounded up".to_owned(),
            );
        }
        if warnings.is_empty() {
            lock(&self.warnings).remove(ask.id);
        } else {
            lock(&self.warnings).insert(ask.id.clone(), warnings);
        }
    }

    async fn act(
        &self,
        cx: &Context<'_>,
        resource: &ResourceId,
        action: &Action,
    ) -> Result<(), S3Error> {
        let infra = match action {
            Action::Create(want) | Action::Configure(want) | Action::Restore(want) => {
                &want.place.infra
            }
            Action::Trash(place) | Action::Purge(place) => &place.infra,
        };
        let store = self.store(cx.connections, infra)?;
        let told = |error: S3Error| error.at_infra(infra);
        store.remote.verify(cx.installation).await.map_err(told)?;
        let apply = Apply {
            store: &store,
            mark: cx.mark(resource),
            shared: resource.owner.kind == ObjectKind::Infra,
            may_mark: lock(&self.unmarked).contains(resource),
        };
        let done = match action {
            Action::Create(want) => apply.create(want).await,
            Action::Configure(want) => apply.configure(want).await,
            Action::Trash(place) => apply.trash(place).await,
            Action::Restore(want) => apply.restore(want).await,
            Action::Purge(place) => apply.purge(place).await,
        };
        if done.is_ok() {
            lock(&self.unmarked).remove(resource);
        }
        done.map_err(told)
    }
}

impl Provider for S3Provider {
    async fn observe(&self, cx: &Context<'_>, asks: &[Ask<'_>]) -> world::Observed {
        let mut by_infra: BTreeMap<&str, Vec<(&Ask<'_>, &Place)>> = BTreeMap::new();
        let mut observed = world::Observed::default();
        for ask in asks {
            match ask.place {
                kinds::Place::Bucket(place) => {
                    by_infra.entry(&place.infra).or_default().push((ask, place));
                }
                _ => observed.insert(ask.id.clone(), Seen::Unknown("it is no bucket".to_owned())),
            }
        }
        for (infra, asks) in by_infra {
            let asked: BTreeSet<String> = asks
                .iter()
                .flat_map(|(ask, place)| {
                    [place.bucket.clone(), names::trash(&place.bucket, &ask.id.uid)]
                })
                .collect();
            let looked = match self.store(cx.connections, infra) {
                Ok(store) => {
                    match look(&store.remote, cx.installation, &store.tags, &asked).await {
                        Ok(view) => {
                            let keys = keys(&store, &asks).await;
                            Ok((store, view, keys))
                        }
                        Err(error) => Err(error.at_infra(infra)),
                    }
                }
                Err(error) => Err(error),
            };
            for (ask, place) in asks {
                let seen = match &looked {
                    Ok((store, view, keys)) => {
                        let seen = self.see(cx, ask, place, store, view).await;
                        match keys {
                            Some(keys) => with_key(seen, ask, place, keys, &cx.mark(ask.id)),
                            None => seen,
                        }
                    }
                    Err(error) => Seen::Unknown(message(error)),
                };
                if !matches!(seen, Seen::Known(Some(Have::Bucket(Observed::Live { .. })))) {
                    lock(&self.warnings).remove(ask.id);
                }
                observed.insert(ask.id.clone(), seen);
            }
        }
        observed
    }

    async fn apply(
        &self,
        cx: &Context<'_>,
        resource: &ResourceId,
        action: &kinds::Action,
    ) -> Result<(), ApplyError> {
        match action {
            kinds::Action::Bucket(action) => self
                .act(cx, resource, action)
                .await
                .map_err(|error| ApplyError::from_error(error.class(), &error)),
            _ => Err(wrong_kind(resource, action)),
        }
    }
}

/// The keys of a store of somebody else's, where one of the buckets has or is to have one.
async fn keys(store: &Store, asks: &[(&Ask<'_>, &Place)]) -> Option<Result<Arc<Listed>, S3Error>> {
    let wanted = asks.iter().any(|(_, place)| place.access_key.is_some());
    if store.remote.embedded_root().is_some() || !wanted {
        return None;
    }
    Some(minio::look(&store.remote, &store.keys).await)
}

/// What was seen of a bucket, and of its key: one that is not as it should be lets the bucket be set again, and one that
/// still opens what nobody wants keeps it from being done with.
fn with_key(
    seen: Seen<Option<Have>>,
    ask: &Ask<'_>,
    place: &Place,
    keys: &Result<Arc<Listed>, S3Error>,
    mark: &Mark,
) -> Seen<Option<Have>> {
    let Some(access_key) = &place.access_key else { return seen };
    let want = match ask.want {
        Some(Resource::Bucket(want)) => want.key.as_ref(),
        _ => None,
    };
    let is_live = matches!(seen, Seen::Known(Some(Have::Bucket(Observed::Live { .. }))));
    let not_settled =
        |why: &str| Seen::Known(Some(Have::Bucket(Observed::Live { settings: why.to_owned() })));
    match (keys, want) {
        (Ok(keys), Some(key)) if is_live && !keys.holds(key, &place.bucket, mark) => {
            not_settled("its key is missing or another")
        }
        (Ok(keys), None)
            if ask.want.is_none()
                && matches!(seen, Seen::Known(_))
                && keys.is_ours(access_key, mark) =>
        {
            not_settled("its key is not locked")
        }
        (Ok(_), _) => seen,
        // Setting it again says what is wrong, which does not pass by itself.
        (Err(error), Some(_)) if is_live && error.class() == Class::Terminal => {
            not_settled("its key cannot be looked at")
        }
        // There never was a key. Of any other trouble nobody knows whether there is one still.
        (Err(S3Error::NoAdminApi { .. }), _) => seen,
        (Err(error), _) => Seen::Unknown(message(error)),
    }
}

/// The fingerprint of the settings in force. Where it can be seen that somebody changed them, a word that is no
/// fingerprint, so that they are set again.
fn last_settings(
    live: &BucketView,
    want: Option<&Desired>,
    embedded_root: Option<&std::path::Path>,
) -> Result<String, S3Error> {
    let tagged = live.tags.get(names::SETTINGS).cloned().unwrap_or_else(|| "none yet".to_owned());
    let (Some(want), Some(root), Some((cors, expiry))) = (want, embedded_root, &live.rules) else {
        return Ok(tagged);
    };
    if !settings::holds(want, cors, expiry) {
        return Ok("changed by somebody else".to_owned());
    }
    if let Some(key) = &want.key {
        let file = BucketKey::read(root, &key.access_key)?;
        let holds = file.is_some_and(|file| {
            file.bucket == want.place.bucket && file.secret_key.expose() == key.secret_key.reveal()
        });
        if !holds {
            return Ok("its key is missing or another".to_owned());
        }
    }
    Ok(tagged)
}

/// Whose trash the bucket is, where it is ours.
fn taken(live: &BucketView, mark: &Mark) -> Option<Uid> {
    let other = live.mark().filter(|other| other.installation == mark.installation)?;
    live.tags.contains_key(names::TRASH).then_some(other.uid)
}

fn whose(live: &BucketView, mark: &Mark) -> String {
    match live.mark() {
        Some(other) if other.installation == mark.installation => {
            format!("it was made for another incarnation, {}", other.uid)
        }
        Some(other) => format!("it belongs to another installation, {}", other.installation),
        None => "it carries no mark".to_owned(),
    }
}

fn message(error: &S3Error) -> String {
    ApplyError::from_error(error.class(), error).message
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
