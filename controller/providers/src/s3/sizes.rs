//! How large a bucket in the trash is: asked for by people alone, for it lists every object.

use agent_harness_model::id::Uid;
use agent_harness_model::kinds::bucket::Place;
use agent_harness_model::kinds::service::StoreConnection;

use super::error::{Effect, S3Error};
use super::names;
use super::remote::Remote;

/// Bytes of what an incarnation's bucket holds that left.
pub async fn of_trashed(
    connection: &StoreConnection,
    place: &Place,
    uid: &Uid,
) -> Result<u64, S3Error> {
    let remote = Remote::new(connection.clone());
    // Our own store can rename, others keep the name.
    let bucket = match remote.embedded_root() {
        Some(_) => names::trash(&place.bucket, uid),
        None => place.bucket.clone(),
    };
    let (mut sum, mut next) = (0, None);
    loop {
        let request = remote.client.list_objects_v2().bucket(&bucket);
        let result = request.set_continuation_token(next.clone()).send().await;
        let page = result.map_err(|error| {
            remote.sort(error, format!("list objects in {bucket}"), Effect::Reads)
        })?;
        let sizes = page.contents().iter().filter_map(|object| u64::try_from(object.size()?).ok());
        sum += sizes.sum::<u64>();
        let after = page.next_continuation_token().map(str::to_owned);
        if page.is_truncated() != Some(true) || after == next {
            return Ok(sum);
        }
        next = after;
    }
}
