//! A bucket, with a key of its own where the store offers that.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Kind, Need, Reversibility, Target, Verdict};
use crate::id::Uid;
use crate::secret::Secret;

/// The kind.
#[derive(Debug)]
pub enum Bucket {}

/// A bucket that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash over everything here.
    pub fingerprint: String,
    /// A key that opens this bucket alone; `None` for shared buckets, and where the store offers none.
    pub key: Option<Key>,
    /// Seconds after which objects expire.
    pub expire_after_s: Option<u64>,
    /// Which web pages may use it from a browser; `None`: no rule of ours.
    pub cors: Option<Cors>,
}

/// Which web pages may use a bucket from a browser, every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins that may.
    pub origins: Vec<String>,
    /// HTTP methods that they may use.
    pub methods: Vec<String>,
    /// Request headers that they may send.
    pub headers: Vec<String>,
    /// Response headers that they may read.
    pub expose_headers: Vec<String>,
    /// Seconds that a browser remembers the answer.
    pub max_age_s: u32,
}

/// A key pair for S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: Secret,
    /// Buckets of the Infra that it opens beside its own, where the store has to be told. Our own store knows them by
    /// their tag.
    pub shared: Vec<String>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The Infra whose object store holds it.
    pub infra: String,
    /// Its name; the trash name is derived from it and the owner's uid.
    pub bucket: String,
    /// The access key that opens it; the secret is elsewhere.
    pub access_key: Option<String>,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It is there and ours.
    Live {
        /// Fingerprint of the settings (key, expiry, CORS) that it was last given.
        settings: String,
    },
    /// In the trash.
    Trashed,
    /// A bucket of this name without our mark.
    Foreign(String),
    /// A bucket of this name that lies in the trash, of another incarnation: its uid. In a store that cannot rename it
    /// keeps its name.
    Taken(Uid),
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make and mark it, then its key and settings.
    Create(Arc<Desired>),
    /// Set key, expiry and CORS.
    Configure(Arc<Desired>),
    /// Lock its key and give it its trash name.
    Trash(Place),
    /// Give it its name back, and its key.
    Restore(Arc<Desired>),
    /// Empty and delete it, live or trashed.
    Purge(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create(_) => "create",
            Self::Configure(_) => "configure",
            Self::Trash(_) => "move to trash",
            Self::Restore(_) => "restore",
            Self::Purge(_) => "purge",
        })
    }
}

impl Kind for Bucket {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        match (target, have) {
            (Target::Present(want), None) => {
                Verdict::one(Action::Create(Arc::clone(want)), "does not exist")
            }
            (Target::Present(want), Some(Observed::Live { settings }))
                if *settings != want.fingerprint =>
            {
                Verdict::one(Action::Configure(Arc::clone(want)), "its key, expiry or CORS differ")
            }
            (Target::Present(_), Some(Observed::Live { .. })) => Verdict::Settled,
            (Target::Present(want), Some(Observed::Trashed)) => Verdict::one(
                Action::Restore(Arc::clone(want)),
                "is in the trash and is wanted again",
            ),
            (Target::Present(_), Some(Observed::Foreign(whose))) => Verdict::Conflict(format!(
                "a bucket {} is there already ({whose}) and is not ours; choose another name",
                place.bucket
            )),
            (Target::Present(_), Some(Observed::Taken(uid))) => Verdict::Conflict(format!(
                "the bucket {} lies in the trash and keeps its name there; `ctl delete NAME --purge --uid {uid}` \
                 destroys it, or choose another name (`ctl trash` says whose it is)",
                place.bucket
            )),
            (Target::Trashed, Some(Observed::Live { .. })) => Verdict::one(
                Action::Trash(place.clone()),
                "no longer wanted; kept until its retention ends",
            ),
            (Target::Gone, Some(Observed::Live { .. } | Observed::Trashed)) => {
                Verdict::one(Action::Purge(place.clone()), "to be purged")
            }
            (
                Target::Trashed,
                None | Some(Observed::Trashed | Observed::Foreign(_) | Observed::Taken(_)),
            )
            | (Target::Gone, None | Some(Observed::Foreign(_) | Observed::Taken(_))) => {
                Verdict::Settled
            }
        }
    }

    fn satisfies(have: &Observed, _need: Need) -> bool {
        match have {
            Observed::Live { .. } => true,
            Observed::Trashed | Observed::Foreign(_) | Observed::Taken(_) => false,
        }
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Create(_) | Action::Configure(_) => Reversibility::Free,
            Action::Trash(_) | Action::Restore(_) => Reversibility::Undoable,
            Action::Purge(_) => Reversibility::Final,
        }
    }
}
