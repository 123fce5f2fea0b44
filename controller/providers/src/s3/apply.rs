//! What the actions of the `Bucket` kind do. Each looks at the mark first, and can be cut off and begun again anywhere.

use std::collections::BTreeSet;
use std::path::Path;

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::bucket::{Desired, Key, Place};

use super::admin;
use super::error::S3Error;
use super::minio;
use super::names;
use super::provider::{Store, UNSUPPORTED};
use super::purge::purge;
use super::remote::{Tags, unsendable};
use super::settings;
use crate::object_store::{BucketKey, SecretText};

/// One action on one bucket.
pub struct Apply<'a> {
    pub store: &'a Store,
    pub mark: Mark,
    /// The bucket is the Infra's, for all agents.
    pub shared: bool,
    /// The last look found the bucket without a mark because a creation of ours was cut off.
    pub may_mark: bool,
}

/// What a name turned out to be.
enum Found {
    Nothing,
    Ours(Tags),
    Foreign(Tags),
}

impl Apply<'_> {
    /// Makes and marks the bucket, then its key and rules.
    pub async fn create(&self, want: &Desired) -> Result<(), S3Error> {
        let bucket = &want.place.bucket;
        match self.find(bucket).await? {
            Found::Ours(_) => {}
            Found::Nothing => {
                let mut tags = Tags::from([(names::MARK.to_owned(), self.mark.to_string())]);
                if let (None, Some(key)) = (self.root(), &want.key) {
                    tags.insert(names::KEY.to_owned(), key.access_key.clone());
                }
                match self.store.remote.create(bucket, &tags).await {
                    // Made by somebody between our two looks.
                    Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => {
                        return Err(S3Error::Foreign {
                            bucket: bucket.clone(),
                            whose: "it appeared while ours was made".to_owned(),
                        });
                    }
                    result => result?,
                }
                if self.root().is_none() {
                    self.tag(bucket, tags).await?;
                }
            }
            Found::Foreign(tags) if self.may_mark && tags.is_empty() => {
                let tags = Tags::from([(names::MARK.to_owned(), self.mark.to_string())]);
                self.tag(bucket, tags).await?;
            }
            Found::Foreign(tags) => return Err(foreign(bucket, &tags)),
        }
        self.configure(want).await
    }

    /// Sets key, expiry and CORS, and notes that all of them are set.
    pub async fn configure(&self, want: &Desired) -> Result<(), S3Error> {
        let bucket = &want.place.bucket;
        let mut tags = self.ours(bucket).await?;
        match (self.root(), &want.key) {
            (Some(root), Some(key)) => {
                BucketKey {
                    access_key: key.access_key.clone(),
                    secret_key: SecretText::new(key.secret_key.reveal()),
                    bucket: bucket.clone(),
                }
                .write(root)?;
                remove_keys(root, bucket, Some(&key.access_key))?;
            }
            (Some(_), None) => {}
            (None, key) => self.set_key(bucket, key.as_ref(), &mut tags).await?,
        }
        let mut unsupported = Vec::new();
        for (word, wanted, result) in [
            ("expiry", want.expire_after_s.is_some(), self.set_expiry(want).await),
            ("cors", want.cors.is_some(), self.set_cors(want).await),
        ] {
            tags.remove(&names::refused(word));
            let Err(error) = result else { continue };
            // Our own store refuses nothing that the specs can ask for.
            let refused = error.refused_setting().filter(|_| wanted && self.root().is_none());
            match refused {
                _ if error.is_unsupported() => unsupported.push(word),
                Some(said) => {
                    tags.insert(names::refused(word), names::tag_value(&said));
                }
                None => return Err(error),
            }
        }
        if unsupported.is_empty() {
            tags.remove(UNSUPPORTED);
        } else {
            tags.insert(UNSUPPORTED.to_owned(), unsupported.join(" "));
        }
        if self.shared {
            tags.insert(names::SHARED.to_owned(), "true".to_owned());
        }
        tags.insert(names::SETTINGS.to_owned(), want.fingerprint.clone());
        self.tag(bucket, tags).await
    }

    /// Locks the key, then renames the bucket, or tags it where the store has no rename.
    pub async fn trash(&self, place: &Place) -> Result<(), S3Error> {
        let trash = names::trash(&place.bucket, &self.mark.uid);
        let found = self.find(&place.bucket).await?;
        let locked = self.take_keys(place, &found).await?;
        let mut tags = match found {
            Found::Ours(tags) => tags,
            // The bucket is gone already, and so is its key now.
            Found::Nothing | Found::Foreign(_) if locked => return Ok(()),
            Found::Nothing | Found::Foreign(_) => {
                return match self.find(&trash).await? {
                    Found::Ours(_) => Ok(()),
                    Found::Nothing | Found::Foreign(_) => {
                        Err(S3Error::Gone { bucket: place.bucket.clone() })
                    }
                };
            }
        };
        if let Some(root) = self.root() {
            lock(root, place)?;
            if tags.remove(names::SHARED).is_some() {
                // Cut off here, or in a restore before the settings, the bucket is not as it was set.
                tags.remove(names::SETTINGS);
                self.tag(&place.bucket, tags).await?;
            }
            admin::rename(&self.store.remote.connection, &place.bucket, &trash).await
        } else {
            tags.insert(names::TRASH.to_owned(), "true".to_owned());
            self.tag(&place.bucket, tags).await
        }
    }

    /// Gives the bucket its name back, then its key and rules.
    pub async fn restore(&self, want: &Desired) -> Result<(), S3Error> {
        let bucket = &want.place.bucket;
        let trash = names::trash(bucket, &self.mark.uid);
        match self.find(bucket).await? {
            Found::Ours(mut tags) => {
                if tags.remove(names::TRASH).is_some() {
                    self.tag(bucket, tags).await?;
                }
            }
            Found::Foreign(tags) => return Err(foreign(bucket, &tags)),
            Found::Nothing => {
                self.ours(&trash).await?;
                admin::rename(&self.store.remote.connection, &trash, bucket).await?;
            }
        }
        self.configure(want).await
    }

    /// Empties and deletes the bucket, live and in the trash. Gone: Ok.
    pub async fn purge(&self, place: &Place) -> Result<(), S3Error> {
        let found = self.find(&place.bucket).await?;
        // First, so that nobody writes on.
        self.take_keys(place, &found).await?;
        if let Found::Ours(_) = found {
            if let Some(root) = self.root() {
                lock(root, place)?;
            }
            self.remove(&place.bucket).await?;
            self.store.tags.forget(&place.bucket);
        }
        if self.root().is_some() {
            let trash = names::trash(&place.bucket, &self.mark.uid);
            if let Found::Ours(_) = self.find(&trash).await? {
                self.remove(&trash).await?;
            }
        }
        Ok(())
    }

    /// Removes a bucket with all that is in it. Our own store does so in one step, also where objects are damaged.
    async fn remove(&self, bucket: &str) -> Result<(), S3Error> {
        let remote = &self.store.remote;
        if self.root().is_some() {
            match admin::purge(&remote.connection, bucket).await {
                // A server of an earlier version, which runs since before an upgrade.
                Err(error) if error.is_unsupported() => {}
                result => return result,
            }
        }
        purge(remote, bucket).await
    }

    fn root(&self) -> Option<&Path> {
        self.store.remote.embedded_root().map(AsRef::as_ref)
    }

    async fn find(&self, bucket: &str) -> Result<Found, S3Error> {
        let Some(tags) = self.store.remote.tags(bucket).await? else { return Ok(Found::Nothing) };
        let mark = tags.get(names::MARK).and_then(|text| Mark::parse(text));
        Ok(if mark.as_ref() == Some(&self.mark) { Found::Ours(tags) } else { Found::Foreign(tags) })
    }

    async fn ours(&self, bucket: &str) -> Result<Tags, S3Error> {
        match self.find(bucket).await? {
            Found::Ours(tags) => Ok(tags),
            Found::Nothing => Err(S3Error::Gone { bucket: bucket.to_owned() }),
            Found::Foreign(tags) => Err(foreign(bucket, &tags)),
        }
    }

    /// The key of a bucket in a store of somebody else's. Its name is on the bucket before it is made: it is found again
    /// when the spec says nothing of it any more.
    async fn set_key(
        &self,
        bucket: &str,
        key: Option<&Key>,
        tags: &mut Tags,
    ) -> Result<(), S3Error> {
        let had = tags.get(names::KEY);
        if let Some(old) = had.filter(|old| key.is_none_or(|key| key.access_key != **old)) {
            self.take_key(old).await?;
            tags.remove(names::KEY);
        }
        let Some(key) = key else { return Ok(()) };
        if !tags.contains_key(names::KEY) {
            tags.insert(names::KEY.to_owned(), key.access_key.clone());
            self.tag(bucket, tags.clone()).await?;
        }
        self.store.keys.forget();
        let given = minio::give(&self.store.remote, key, bucket, &self.mark).await;
        self.store.keys.forget();
        given
    }

    /// Takes the keys away that open a bucket in a store of somebody else's; whether there was one.
    async fn take_keys(&self, place: &Place, found: &Found) -> Result<bool, S3Error> {
        if self.root().is_some() {
            return Ok(false);
        }
        let tagged = match found {
            Found::Ours(tags) => tags.get(names::KEY),
            Found::Nothing | Found::Foreign(_) => None,
        };
        let keys: BTreeSet<&String> = place.access_key.iter().chain(tagged).collect();
        let mut taken = false;
        for key in keys {
            taken |= self.take_key(key).await?;
        }
        Ok(taken)
    }

    async fn take_key(&self, access_key: &str) -> Result<bool, S3Error> {
        self.store.keys.forget();
        let taken = minio::take(&self.store.remote, access_key, &self.mark).await;
        self.store.keys.forget();
        taken
    }

    async fn tag(&self, bucket: &str, tags: Tags) -> Result<(), S3Error> {
        self.store.tags.forget(bucket);
        let done = self.store.remote.put_tags(bucket, &tags).await;
        self.store.tags.forget(bucket);
        done
    }

    async fn set_expiry(&self, want: &Desired) -> Result<(), S3Error> {
        let bucket = &want.place.bucket;
        let ours = settings::lifecycle(want)
            .map_err(|error| unsendable(&format!("set expiry of {bucket}"), error))?;
        let have = match self.store.remote.lifecycle(bucket).await {
            // Nothing is wanted, and nothing can be there.
            Err(error) if error.is_unsupported() && ours.is_none() => return Ok(()),
            result => result?,
        };
        let mut rules: Vec<_> =
            have.iter().filter(|rule| !settings::is_ours_lifecycle(rule.id())).cloned().collect();
        rules.extend(ours);
        if rules == have { Ok(()) } else { self.store.remote.put_lifecycle(bucket, rules).await }
    }

    async fn set_cors(&self, want: &Desired) -> Result<(), S3Error> {
        let bucket = &want.place.bucket;
        let ours = settings::cors(want)
            .map_err(|error| unsendable(&format!("set CORS of {bucket}"), error))?;
        let have = match self.store.remote.cors(bucket).await {
            Err(error) if error.is_unsupported() && ours.is_none() => return Ok(()),
            result => result?,
        };
        let mut rules: Vec<_> =
            have.iter().filter(|rule| !settings::is_ours_cors(rule.id())).cloned().collect();
        rules.extend(ours);
        if rules == have { Ok(()) } else { self.store.remote.put_cors(bucket, rules).await }
    }
}

/// Removes the keys that open a bucket; its own also when the file does not read.
fn lock(root: &Path, place: &Place) -> Result<(), S3Error> {
    if let Some(access_key) = &place.access_key {
        BucketKey::remove(root, access_key)?;
    }
    remove_keys(root, &place.bucket, None)
}

/// Removes the keys that open a bucket, except one.
pub fn remove_keys(root: &Path, bucket: &str, except: Option<&str>) -> Result<(), S3Error> {
    for key in BucketKey::list(root)? {
        if key.bucket == bucket && Some(key.access_key.as_str()) != except {
            BucketKey::remove(root, &key.access_key)?;
        }
    }
    Ok(())
}

fn foreign(bucket: &str, tags: &Tags) -> S3Error {
    let whose = match tags.get(names::MARK) {
        Some(mark) => format!("its mark is {mark:.128}"),
        None => "it carries no mark".to_owned(),
    };
    S3Error::Foreign { bucket: bucket.to_owned(), whose }
}
