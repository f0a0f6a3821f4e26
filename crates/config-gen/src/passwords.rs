//! TCP MD5 keys out of Secrets.

use std::collections::BTreeMap;

use heddle_config::Password;
use heddle_resources::secret::SecretKeyRef;
use heddle_resources::{Secret, Snapshot};

/// A key, or why there is none. Without it a session is not started: Calico would start it unprotected.
pub(crate) type Found = Result<Password, String>;

/// Looks keys up, each once.
pub(crate) struct Passwords<'a> {
    snapshot: &'a Snapshot,
    namespace: &'a str,
    found: BTreeMap<&'a SecretKeyRef, Found>,
}

impl<'a> Passwords<'a> {
    pub(crate) const fn new(snapshot: &'a Snapshot, namespace: &'a str) -> Self {
        Self { snapshot, namespace, found: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, wanted: &'a SecretKeyRef) -> &Found {
        let (snapshot, namespace) = (self.snapshot, self.namespace);
        self.found.entry(wanted).or_insert_with(|| look_up(snapshot, namespace, wanted))
    }
}

fn look_up(snapshot: &Snapshot, namespace: &str, wanted: &SecretKeyRef) -> Found {
    let SecretKeyRef { name, key } = wanted;
    let Some(secret) = snapshot.namespaced::<Secret>(namespace, name) else {
        return Err(format!("the password is in Secret {namespace}/{name}, which does not exist or may not be read"));
    };
    let Some(value) = secret.data.get(key) else {
        return Err(format!("the password is key {key:?} of Secret {namespace}/{name}, which has no such key"));
    };
    let text = std::str::from_utf8(value.reveal()).ok();
    text.and_then(Password::new).ok_or_else(|| {
        let most = Password::MAX_LEN;
        format!("key {key:?} of Secret {namespace}/{name} is no password: it has to be text of 1 to {most} octets")
    })
}
