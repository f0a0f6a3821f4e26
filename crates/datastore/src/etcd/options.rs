//! Where etcd is, and who we are there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::error::EtcdError;
use crate::kubernetes::files::SYSTEM;

/// etcd's port for clients.
const PORT: u16 = 2379;

/// What is wanted of etcd.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// Its members; any of them serves.
    pub endpoints: Vec<Endpoint>,
    /// Who is trusted, and by which certificate we are known.
    pub tls: EtcdTls,
    /// Who we are, where etcd has users.
    pub user: Option<EtcdUser>,
    /// The node whose block affinities are wanted.
    pub node: Arc<str>,
    /// After a compaction, all is listed again after half of this to all of it: nodes that were told at once that changes were
    /// missed do not ask at once.
    pub spread: Duration,
}

impl EtcdOptions {
    /// See [`spread`](Self::spread).
    pub const SPREAD: Duration = Duration::from_secs(5);

    /// What a node wants of these members, without certificates and without a user.
    #[must_use]
    pub fn of(node: impl Into<Arc<str>>, endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints, tls: EtcdTls::default(), user: None, node: node.into(), spread: Self::SPREAD }
    }
}

/// Files of TLS, all PEM. They are read for each connection anew, so that they can be replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdTls {
    /// Who vouches for etcd; without it, the authorities of the system.
    pub authority: Option<PathBuf>,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What of the machine is read on the way to etcd, now and later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdFiles {
    /// Files, in whose place others may come.
    pub files: Vec<PathBuf>,
    /// Folders with all that is in them.
    pub folders: Vec<PathBuf>,
}

impl EtcdFiles {
    /// These files of TLS, and what names are looked up by.
    pub fn of<'p>(tls: impl IntoIterator<Item = &'p Path>) -> Self {
        // Often a link to a file elsewhere.
        let resolver = [Path::new("/etc/resolv.conf")];
        let files = tls.into_iter().chain(resolver).map(Path::to_owned).collect();
        Self { files, folders: SYSTEM.map(PathBuf::from).to_vec() }
    }
}

/// A user of etcd.
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for EtcdUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The address of a member of etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(super) scheme: Scheme,
    pub(super) host: Arc<str>,
    pub(super) port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Endpoint {
    /// Endpoints as Calico has them: with commas between.
    ///
    /// # Errors
    /// There is none, or one is no `http://HOST:PORT` or `https://HOST:PORT`.
    pub fn list(text: &str) -> Result<Vec<Self>, EtcdError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let endpoints: Vec<Self> = parts.map(str::parse).collect::<Result<_, _>>()?;
        if endpoints.is_empty() { Err(EtcdError::NoEndpoint) } else { Ok(endpoints) }
    }
}

impl FromStr for Endpoint {
    type Err = EtcdError;

    fn from_str(text: &str) -> Result<Self, EtcdError> {
        let wrong = || EtcdError::Endpoint { text: text.to_owned() };
        let uri: http::Uri = text.parse().map_err(|_| wrong())?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) | None => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let rest = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || authority.as_str().contains('@') || !matches!(rest, "" | "/") {
            return Err(wrong());
        }
        let port = match uri.port() {
            Some(port) => port.as_u16(),
            // What stands there is no port.
            None if authority.as_str() != authority.host() => return Err(wrong()),
            None => PORT,
        };
        Ok(Self { scheme, host: host.into(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_as_calico_has_them() {
        let list = |text: &str| {
            Endpoint::list(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")).ok()
        };
        for (text, read) in [
            ("http://127.0.0.1:2379", Some("http://127.0.0.1:2379")),
            (
                "https://e1.example:2379/, https://[2001:db8::1]:4001,",
                Some("https://e1.example:2379 https://[2001:db8::1]:4001"),
            ),
            ("https://e1.example", Some("https://e1.example:2379")),
            ("", None),
            (" , ", None),
            ("e1.example:2379", None),
            ("127.0.0.1:2379", None),
            ("unix:///run/etcd", None),
            ("https://a:b@e1.example:2379", None),
            ("https://e1.example:2379/path", None),
            ("https://e1.example:", None),
            ("https://e1.example:99999", None),
            ("https://:2379", None),
        ] {
            assert_eq!(list(text).as_deref(), read, "{text}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        let user = EtcdUser { name: "calico".to_owned(), password: "sesame".to_owned() };
        assert!(!format!("{user:?}").contains("sesame"));
    }
}
