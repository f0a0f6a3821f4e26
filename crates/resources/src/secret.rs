//! `Secret`: passwords of sessions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::metadata::Metadata;

/// A secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secret {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// `data`, decoded, and `stringData` over it.
    pub data: BTreeMap<Arc<str>, SecretValue>,
}

/// The longest password of a session: TCP MD5 of the Linux kernel takes no more (`TCP_MD5SIG_MAXKEYLEN`).
pub const MAX_PASSWORD_LENGTH: usize = 80;

/// Why a secret has no password of a session under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// The key is not there.
    #[error("the secret has no such key; add it")]
    NoKey,
    /// The value is empty.
    #[error("the password is empty; write one")]
    Empty,
    /// The value is longer than [`MAX_PASSWORD_LENGTH`].
    #[error("the password is longer than 80 octets, which TCP MD5 does not allow; use a shorter one")]
    TooLong,
}

impl Secret {
    /// The password of sessions under a key.
    ///
    /// # Errors
    ///
    /// If it is not there, or cannot be one.
    pub fn password(&self, key: &str) -> Result<&SecretValue, PasswordError> {
        let value = self.data.get(key).ok_or(PasswordError::NoKey)?;
        match value.reveal().len() {
            0 => Err(PasswordError::Empty),
            1..=MAX_PASSWORD_LENGTH => Ok(value),
            _ => Err(PasswordError::TooLong),
        }
    }
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
