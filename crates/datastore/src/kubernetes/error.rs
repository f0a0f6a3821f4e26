//! What can go wrong between the API server and us.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::error::SourceError;

/// What can go wrong between the API server and us. `what` is what was asked for, such as `BGPPeer`.
#[derive(Clone, Debug, Error)]
pub enum KubernetesError {
    /// No answer.
    #[error("{what}: no answer of the API server: {}", unanswered(error))]
    Unreachable {
        /// What was asked for.
        what: Arc<str>,
        /// Why.
        error: Arc<kube::Error>,
    },
    /// Nothing came for too long.
    #[error("{what}: nothing came from the API server for {} s", after.as_secs())]
    Silent {
        /// What was asked for.
        what: Arc<str>,
        /// How long.
        after: Duration,
    },
    /// The answer ended before it was complete.
    #[error("{what}: the answer of the API server broke off")]
    CutOff {
        /// What was asked for.
        what: Arc<str>,
    },
    /// The API server refuses.
    #[error("{what}: the API server answers {code}: {message}")]
    Refused {
        /// What was asked for.
        what: Arc<str>,
        /// The code of HTTP.
        code: u16,
        /// Its reason.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// There is no object of this name: the API server knows its kind, and says so.
    #[error("{what}: there is none")]
    Absent {
        /// What was asked for.
        what: Arc<str>,
    },
    /// Another API has what counts.
    #[error("{what}: what is in {api} does not count any more")]
    Superseded {
        /// What was asked for.
        what: Arc<str>,
        /// The API that was followed.
        api: &'static str,
    },
    /// A fault of ours.
    #[error("{what}: whoever follows it has failed, and begins again; report this, with the log")]
    Failed {
        /// What was followed.
        what: Arc<str>,
    },
    /// A permission is missing.
    #[error("{what}: not permitted ({message}); grant it as the role in docs/datastore.md does")]
    Forbidden {
        /// What was asked for.
        what: Arc<str>,
        /// The API server's reason.
        message: String,
    },
    /// The answer has another form.
    #[error("{what}: the API server's answer cannot be read: {error}")]
    Form {
        /// What was asked for.
        what: Arc<str>,
        /// Why.
        error: Arc<serde_json::Error>,
    },
    /// The answer is too large.
    #[error("{what}: an object of the API server's answer is larger than {max} octets")]
    TooLarge {
        /// What was asked for.
        what: Arc<str>,
        /// The most.
        max: usize,
    },
    /// Calico's resources are not there.
    #[error("the API server has no {missing}; install Calico's custom resource definitions")]
    NoCalico {
        /// What is missing.
        missing: Arc<str>,
    },
    /// The kubeconfig cannot be used.
    #[error("{}: {}; name another file by --kubeconfig or KUBECONFIG", path.display(), chain(&**error))]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Arc<kube::config::KubeconfigError>,
    },
    /// The kubeconfig asks for a proxy.
    #[error(
        "{}: the cluster is to be reached by the proxy {proxy}, which is not supported; take proxy-url out, or name another \
         file by --kubeconfig or KUBECONFIG", path.display()
    )]
    Proxy {
        /// The file.
        path: PathBuf,
        /// The proxy.
        proxy: Arc<str>,
    },
    /// There is no service account.
    #[error("no kubeconfig is named, and this is no pod with a service account: {}; name one by --kubeconfig or KUBECONFIG", chain(&**error))]
    InCluster {
        /// Why.
        error: Arc<kube::config::InClusterError>,
    },
    /// No client can be made.
    #[error("the API server cannot be asked: {}", chain(&**error))]
    Client {
        /// Why.
        error: Arc<kube::Error>,
    },
}

impl KubernetesError {
    /// How long the API server wants not to be asked again, where it says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { *retry_after } else { None }
    }

    /// Whether it may be otherwise a moment later, so that once is no loss.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::CutOff { .. } => true,
            Self::Refused { code, .. } => matches!(code, 408 | 429 | 500..=599),
            Self::Silent { .. }
            | Self::Absent { .. }
            | Self::Superseded { .. }
            | Self::Failed { .. }
            | Self::Forbidden { .. }
            | Self::Form { .. }
            | Self::TooLarge { .. }
            | Self::NoCalico { .. }
            | Self::Kubeconfig { .. }
            | Self::Proxy { .. }
            | Self::InCluster { .. }
            | Self::Client { .. } => false,
        }
    }

    /// Whether there was no answer at all: then whoever gets one first tells the others.
    pub(super) const fn is_silence(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::CutOff { .. } | Self::Silent { .. } => true,
            Self::Refused { .. }
            | Self::Absent { .. }
            | Self::Superseded { .. }
            | Self::Failed { .. }
            | Self::Forbidden { .. }
            | Self::Form { .. }
            | Self::TooLarge { .. }
            | Self::NoCalico { .. }
            | Self::Kubeconfig { .. }
            | Self::Proxy { .. }
            | Self::InCluster { .. }
            | Self::Client { .. } => false,
        }
    }
}

impl From<KubernetesError> for SourceError {
    fn from(error: KubernetesError) -> Self {
        Self::Other(Arc::new(error))
    }
}

/// Why there is no answer, without the layers that it came through.
fn unanswered(error: &kube::Error) -> String {
    if let kube::Error::Service(cause) = error { chain(&**cause) } else { chain(error) }
}

/// An error and what led to it; what an error says of its cause itself is not said twice.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
