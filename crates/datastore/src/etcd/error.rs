//! What can go wrong between etcd and us.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tonic::Code;

use crate::error::SourceError;

/// What can go wrong between etcd and us.
#[derive(Clone, Debug, Error)]
pub enum EtcdError {
    /// Nobody said where etcd is.
    #[error(
        "no endpoint of etcd is named; name one or more by --etcd-endpoints or ETCD_ENDPOINTS, such as https://10.0.0.1:2379"
    )]
    NoEndpoint,
    /// The text is no endpoint.
    #[error("{text} is no endpoint of etcd; write them as https://10.0.0.1:2379, with commas between")]
    Endpoint {
        /// The text.
        text: String,
    },
    /// One of a certificate and its key is missing.
    #[error("a certificate and its key go together; name both, by --etcd-cert-file and --etcd-key-file, or neither")]
    HalfCertificate,
    /// One of a user's name and password is missing.
    #[error("a user's name and password go together; set both, ETCD_USERNAME and ETCD_PASSWORD, or neither")]
    HalfUser,
    /// A certificate or key cannot be read.
    #[error("{}: {error}; name another file by --etcd-ca-cert-file, --etcd-cert-file or --etcd-key-file", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Arc<rustls::pki_types::pem::Error>,
    },
    /// A certificate or key cannot be used.
    #[error("{}: {error}; name another file by --etcd-ca-cert-file, --etcd-cert-file or --etcd-key-file", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Arc<rustls::Error>,
    },
    /// Nobody answers.
    #[error("{endpoint}: no answer: {error}")]
    Unreachable {
        /// The member of etcd.
        endpoint: Arc<str>,
        /// Why.
        error: Arc<io::Error>,
    },
    /// There is no trust.
    #[error("{endpoint}: TLS: {error}; --etcd-ca-cert-file has to vouch for it, and it for --etcd-cert-file")]
    Tls {
        /// The member of etcd.
        endpoint: Arc<str>,
        /// Why.
        error: Arc<io::Error>,
    },
    /// The connection broke off before HTTP began.
    #[error("{endpoint}: no answer: {}", chain(&**error))]
    Http {
        /// The member of etcd.
        endpoint: Arc<str>,
        /// Why.
        error: Arc<hyper::Error>,
    },
    /// The connection broke off.
    #[error("{endpoint}: no answer: {}", chain(error.source().unwrap_or(&**error)))]
    BrokeOff {
        /// The member of etcd.
        endpoint: Arc<str>,
        /// Why.
        error: Arc<tonic::Status>,
    },
    /// Nothing came for too long.
    #[error("{endpoint}: no answer for {} s", after.as_secs())]
    Silent {
        /// The member of etcd.
        endpoint: Arc<str>,
        /// How long.
        after: Duration,
    },
    /// The user is not known, or may not read this.
    #[error(
        "{endpoint}: not permitted: {reason}; see ETCD_USERNAME and ETCD_PASSWORD, or the client's certificate, and grant read on /calico/"
    )]
    Denied {
        /// The member of etcd.
        endpoint: Arc<str>,
        /// What etcd says.
        reason: Arc<str>,
    },
    /// The user may not write this.
    #[error(
        "{endpoint}: not permitted to write {key}: {reason}; grant it: etcdctl role grant-permission ROLE readwrite {key}"
    )]
    NotWritable {
        /// The member of etcd.
        endpoint: Arc<str>,
        /// The key.
        key: Arc<str>,
        /// What etcd says.
        reason: Arc<str>,
    },
    /// What is to be written to is not there.
    #[error("{key}: there is none")]
    Absent {
        /// The key.
        key: Arc<str>,
    },
    /// Somebody else writes it all the time.
    #[error("{key}: somebody else changed it each time between reading and writing; it is tried again")]
    Contended {
        /// The key.
        key: Arc<str>,
    },
    /// etcd refuses.
    #[error("{endpoint}: {reason} ({code:?})")]
    Refused {
        /// The member of etcd.
        endpoint: Arc<str>,
        /// The code of gRPC.
        code: Code,
        /// What etcd says.
        reason: Arc<str>,
    },
    /// The watch ended.
    #[error("{endpoint}: the watch ended")]
    Ended {
        /// The member of etcd.
        endpoint: Arc<str>,
    },
    /// A value is no JSON.
    #[error("{key}: no JSON: {error}")]
    Value {
        /// The key in etcd.
        key: Arc<str>,
        /// Why.
        error: Arc<serde_json::Error>,
    },
}

impl EtcdError {
    /// Whether it is for want of a permission.
    #[must_use]
    pub const fn is_denial(&self) -> bool {
        matches!(self, Self::Denied { .. } | Self::NotWritable { .. })
    }

    /// Whether it is about what is in etcd, and not about the way there.
    pub(super) const fn is_of_object(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::Contended { .. } | Self::Value { .. })
    }

    /// What an answer that is an error says.
    pub(super) fn of_status(endpoint: &Arc<str>, status: &tonic::Status) -> Self {
        // An answer of etcd's is because of nothing that we know.
        if status.source().is_some() {
            return Self::BrokeOff { endpoint: Arc::clone(endpoint), error: Arc::new(status.clone()) };
        }
        Self::of_reason(endpoint, status.code(), status.message())
    }

    /// Why a watch ended.
    pub(super) fn of_reason(endpoint: &Arc<str>, code: Code, reason: &str) -> Self {
        let (endpoint, denied) = (Arc::clone(endpoint), is_denial(code, reason));
        let reason = reason.into();
        if denied { Self::Denied { endpoint, reason } } else { Self::Refused { endpoint, code, reason } }
    }
}

/// Of a watch that ends only the text says that it was for want of a permission.
fn is_denial(code: Code, reason: &str) -> bool {
    const TEXTS: [&str; 4] = ["permission denied", "auth token", "authentication failed", "user name is empty"];
    matches!(code, Code::PermissionDenied | Code::Unauthenticated) || TEXTS.iter().any(|text| reason.contains(text))
}

impl From<EtcdError> for SourceError {
    fn from(error: EtcdError) -> Self {
        Self::Other(Arc::new(error))
    }
}

/// An error and what it is because of.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
