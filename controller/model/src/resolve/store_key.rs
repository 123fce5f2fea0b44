//! With which key an agent opens its bucket. How a store is told of it is left to the providers.

use super::Stop;
use super::context::Context;
use super::own::own_secret;
use crate::id::ObjectKey;
use crate::kinds::bucket;
use crate::kinds::service::StoreConnection;
use crate::spec::StoreKeys;
use crate::spec::parse::Body;

/// What an incarnation's secret for its bucket is called.
pub(super) const OBJECT_STORE: &str = "object-store";

/// A key of the agent's own; `None` where it uses the administrator's, as its Infra says.
pub(super) fn store_key(
    cx: &mut Context<'_>,
    infra: &str,
    store: &StoreConnection,
) -> Result<Option<bucket::Key>, Stop> {
    let spec = match cx.documents.get(&ObjectKey::infra(infra)).map(|document| &document.body) {
        Some(Body::Infra(spec)) => spec.object_store.as_ref(),
        _ => None,
    };
    let shared = match spec {
        _ if store.embedded_root.is_some() => Vec::new(),
        Some(spec) if spec.agent_keys() == StoreKeys::Own => spec.buckets.keys().cloned().collect(),
        _ => return Ok(None),
    };
    let secret_key = cx.secret(&own_secret(cx, OBJECT_STORE))?;
    let access_key = format!("{}-{}", cx.key.name, cx.uid.short());
    Ok(Some(bucket::Key { access_key, secret_key, shared }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::resolved;
    use crate::kinds::Resource;
    use crate::kinds::bucket::Desired;

    const STACK: &str = "
apiVersion: agent-harness.dev/v1alpha1
kind: Stack
metadata: {name: app}
spec: {infra: shared, bucket: {}, processes: {api: {run: app, env: {KEY: '${s3.accessKey}'}}}}
";

    /// The agent's bucket, and the key that its processes are given.
    fn bucket(store: &str) -> (Arc<Desired>, String) {
        let head = "apiVersion: agent-harness.dev/v1alpha1";
        let infra = format!(
            "{head}\nkind: Infra\nmetadata: {{name: shared}}\nspec: {{objectStore: {{{store}}}}}\n"
        );
        let agent =
            format!("{head}\nkind: Agent\nmetadata: {{name: agent-3}}\nspec: {{stack: app}}\n");
        let resolution = resolved(&[&infra, STACK, &agent]);
        assert_eq!(resolution.problems, []);
        let wanted = |pick: fn(&Resource) -> bool| {
            let all = resolution.desired.objects.values();
            let all = all.flat_map(|object| object.resources.iter());
            all.filter(|(id, _)| id.owner.name == "agent-3")
                .find_map(|(_, wanted)| match &wanted.target {
                    crate::kinds::AnyTarget::Present(it) if pick(it) => Some(it.clone()),
                    _ => None,
                })
                .unwrap()
        };
        let Resource::Bucket(bucket) = wanted(|it| matches!(it, Resource::Bucket(_))) else {
            panic!()
        };
        let Resource::Process(process) = wanted(|it| matches!(it, Resource::Process(_))) else {
            panic!()
        };
        let key = process.command.env["KEY"].reveal().to_owned();
        (bucket, key)
    }

    const EXTERNAL: &str =
        "external: {endpoint: 'http://store:9000', accessKey: root, secretKey: {secret: s3}}";

    #[test]
    fn whose_key_an_agent_has_is_decided_by_the_spec() {
        let of = |store: &str| {
            let (bucket, env) = bucket(store);
            let key = bucket.key.as_ref().map(|key| (key.access_key.clone(), key.shared.clone()));
            assert_eq!(bucket.place.access_key, key.as_ref().map(|key| key.0.clone()));
            (key, env)
        };
        for shared in ["", ", keys: shared"] {
            assert_eq!(of(&format!("{EXTERNAL}{shared}")), (None, "root".into()));
        }
        let (key, env) = of(&format!("{EXTERNAL}, keys: own, buckets: {{results: {{}}}}"));
        assert_eq!(key, Some((env.clone(), vec!["results".to_owned()])));
        assert!(env.starts_with("agent-3-"), "{env}");
        for own in ["", ", keys: own"] {
            let (key, env) = of(&format!("embedded: {{}}, buckets: {{results: {{}}}}{own}"));
            assert_eq!(key, Some((env, Vec::new())));
        }
    }

    /// Another set of shared buckets is another policy of the key.
    #[test]
    fn buckets_that_come_later_are_opened_too() {
        let own = format!("{EXTERNAL}, keys: own");
        let (before, _) = bucket(&own);
        let (after, _) = bucket(&format!("{own}, buckets: {{results: {{}}}}"));
        assert_ne!(before.fingerprint, after.fingerprint);
    }
}
