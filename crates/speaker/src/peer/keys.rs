//! What the segments of a peer are signed with, read from its files when sessions are started.

use std::io;
use std::path::Path;
use std::sync::Arc;

use heddle_bgp_core::Prefix;
use heddle_config::{AoAlgorithm, AoKey, PeerSettings};
use heddle_socket_options::ao;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use super::status::{Blocked, Obstacle, Signature};

/// The keys of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// One for TCP MD5 signatures (RFC 2385).
    Md5(Password),
    /// Those of the TCP Authentication Option (RFC 5925), the first one for what we send.
    Ao(Arc<[ao::Key]>),
}

impl Keys {
    /// What the settings of a peer, or of a listen range, say; none where there is nothing to sign with.
    ///
    /// # Errors
    /// What is in the way of a session: a file, the kernel, or what the settings themselves give as the reason.
    pub(crate) fn of(settings: &PeerSettings, who: Prefix) -> Result<Option<Self>, Blocked> {
        if let Some(reason) = &settings.blocked {
            return Err(Blocked { by: Obstacle::PasswordMissing, text: reason.clone().into() });
        }
        Self::read(settings, who).map_err(|error| Blocked { by: error.obstacle(), text: error.to_string().into() })
    }

    fn read(settings: &PeerSettings, who: Prefix) -> Result<Option<Self>, KeyError> {
        if let Some(key) = &settings.password {
            return Ok(Some(Self::Md5(Password::inline(key))));
        }
        if let Some(path) = &settings.password_file {
            return Password::read(path).map(|password| Some(Self::Md5(password)));
        }
        if settings.tcp_ao.is_empty() {
            return Ok(None);
        }
        let keys = settings.tcp_ao.iter().map(ao_key).collect::<Result<Arc<[_]>, _>>()?;
        try_out(who, &keys)?;
        Ok(Some(Self::Ao(keys)))
    }

    /// Which way of signing it is.
    pub(crate) const fn signature(&self) -> Signature {
        match self {
            Self::Md5(_) => Signature::Md5,
            Self::Ao(_) => Signature::Ao,
        }
    }
}

fn ao_key(key: &AoKey) -> Result<ao::Key, KeyError> {
    let algorithm = match key.algorithm {
        AoAlgorithm::HmacSha1 => ao::Algorithm::HmacSha1,
        AoAlgorithm::CmacAes128 => ao::Algorithm::CmacAes128,
    };
    let secret = Password::read(&key.file)?.0;
    Ok(ao::Key { send_id: key.send_id, recv_id: key.recv_id, algorithm, secret })
}

/// The address of a peer, or the prefix of a listen range.
fn name(who: Prefix) -> String {
    let host = if who.addr().is_ipv4() { 32 } else { 128 };
    if who.len() == host { who.addr().to_string() } else { who.to_string() }
}

/// Gives the keys to a socket that is for nothing else: whether the kernel has TCP-AO, and the algorithms, it says only then.
fn try_out(who: Prefix, keys: &[ao::Key]) -> Result<(), KeyError> {
    let domain = if who.addr().is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    keys.iter().try_for_each(|key| {
        let refused = |error: io::Error| {
            if ao::is_unsupported(&error) {
                return KeyError::NoTcpAo(name(who));
            }
            KeyError::Refused(name(who), key.send_id, key.algorithm.kernel_name(), error)
        };
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).map_err(refused)?;
        ao::add_key(&socket, who.addr(), Some(who.len()), key, ao::Use::Ready).map_err(refused)
    })
}

/// A key: 1 to 80 octets. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(Vec<u8>);

/// The longest key that the kernel takes.
const MAX_PASSWORD: usize = 80;

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// The key.
    #[must_use]
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The key that the configuration itself has.
    #[must_use]
    pub(crate) fn inline(key: &heddle_config::Password) -> Self {
        Self(key.reveal().as_bytes().to_vec())
    }

    /// Reads a key file: its text without the line end.
    ///
    /// # Errors
    /// The file cannot be read, is empty, or holds a key that is too long.
    pub(super) fn read(path: &Path) -> Result<Self, KeyError> {
        let show = || path.display().to_string();
        let mut text = std::fs::read(path).map_err(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => KeyError::Forbidden(show()),
            _ => KeyError::Unreadable(show(), e),
        })?;
        while text.last().is_some_and(|c| matches!(c, b'\n' | b'\r')) {
            text.pop();
        }
        match text.len() {
            0 => Err(KeyError::Empty(show())),
            1..=MAX_PASSWORD => Ok(Self(text)),
            len => Err(KeyError::TooLong(show(), len)),
        }
    }
}

/// Why a peer that is to have a key has none.
#[derive(Debug, Error)]
pub(super) enum KeyError {
    /// No permission.
    #[error(
        "the key file {0} may not be read: see whose it is and its mode; if it is in a folder that no key was in when the process \
         started, name that in confinement.readable, or restart"
    )]
    Forbidden(String),
    /// Missing, or damaged.
    #[error("cannot read the key file {0}: {1}; write the key into it and apply the configuration again")]
    Unreadable(String, io::Error),
    /// Nothing in it.
    #[error("the key file {0} is empty; write the key into it and apply the configuration again")]
    Empty(String),
    /// More than the kernel takes.
    #[error("the key in {0} has {1} octets; at most 80 are possible")]
    TooLong(String, usize),
    /// `CONFIG_TCP_AO` is off, or Linux is older than 6.7.
    #[error(
        "{0} has \"tcp_ao\", and this kernel has no TCP-AO: it takes Linux 6.7 or later, built with CONFIG_TCP_AO; use such a \
         kernel, or a TCP MD5 key (\"password_file\")"
    )]
    NoTcpAo(String),
    /// The kernel has TCP-AO, and does not take the key.
    #[error("the kernel does not take the key {1} of \"tcp_ao\" of {0} ({2}): {3}")]
    Refused(String, u8, &'static str, io::Error),
}

impl KeyError {
    const fn obstacle(&self) -> Obstacle {
        match self {
            Self::Forbidden(_) | Self::Unreadable(..) | Self::Empty(_) | Self::TooLong(..) => Obstacle::PasswordMissing,
            Self::NoTcpAo(_) | Self::Refused(..) => Obstacle::TcpAoUnsupported,
        }
    }
}
