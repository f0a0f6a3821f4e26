//! `Secret`: passwords of sessions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::metadata::Metadata;

/// A secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secret {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// `data`, decoded, and `stringData` over it.
    pub data: BTreeMap<Arc<str>, SecretValue>,
}

/// A value of a secret. It does not show itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretValue(Box<[u8]>);

impl SecretValue {
    /// Of octets.
    #[must_use]
    pub fn new(octets: impl Into<Box<[u8]>>) -> Self {
        Self(octets.into())
    }

    /// The octets themselves: to be used, not shown.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// `secretKeyRef`: which value of which secret, in the namespace of the node peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKeyRef {
    /// `name` of the secret.
    pub name: Arc<str>,
    /// `key` in its data.
    pub key: Arc<str>,
}
