//! What a node writes back, wherever its objects are: in a cluster, or in etcd.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::etcd::{EtcdError, EtcdWriter};
use crate::kubernetes::{KubernetesError, KubernetesWriter};

/// What a node says of itself in its Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeField {
    /// Its IPv4 address, with the length of its prefix.
    Ipv4Address,
    /// Its IPv6 address.
    Ipv6Address,
    /// Its AS number, in decimal.
    AsNumber,
    /// The machine's interfaces, as JSON.
    Interfaces,
}

impl NodeField {
    /// Calico's annotation of a Node in Kubernetes.
    #[must_use]
    pub const fn annotation(self) -> &'static str {
        match self {
            Self::Ipv4Address => "projectcalico.org/IPv4Address",
            Self::Ipv6Address => "projectcalico.org/IPv6Address",
            Self::AsNumber => "projectcalico.org/ASNumber",
            Self::Interfaces => "projectcalico.org/Interfaces",
        }
    }
}

impl fmt::Display for NodeField {
    /// `IPv4Address`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4Address => "IPv4Address",
            Self::Ipv6Address => "IPv6Address",
            Self::AsNumber => "ASNumber",
            Self::Interfaces => "Interfaces",
        })
    }
}

/// What is done where there is no Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfAbsent {
    /// It is made.
    Create,
    /// That is an error.
    Fail,
}

/// Writes what a node has to say of itself.
#[derive(Debug)]
pub enum NodeWriter {
    /// To the API server of a cluster.
    Kubernetes(KubernetesWriter),
    /// To etcd.
    Etcd(Box<EtcdWriter>),
}

impl NodeWriter {
    /// Where there is more to write than the fields of a Node and statuses: its condition, and events.
    #[must_use]
    pub const fn cluster(&self) -> Option<&KubernetesWriter> {
        match self {
            Self::Kubernetes(writer) => Some(writer),
            Self::Etcd(_) => None,
        }
    }

    /// What is done at the start where there is no Node: in a cluster the kubelet makes it, elsewhere the node itself.
    #[must_use]
    pub const fn if_absent(&self) -> IfAbsent {
        match self {
            Self::Kubernetes(_) => IfAbsent::Fail,
            Self::Etcd(_) => IfAbsent::Create,
        }
    }

    /// Sets fields of the Node, and takes away those without a value. In a cluster a Node is never made.
    ///
    /// # Errors
    /// It was not done.
    pub async fn write(&self, fields: &[(NodeField, Option<String>)], if_absent: IfAbsent) -> Result<(), WriteError> {
        match self {
            Self::Kubernetes(writer) => {
                let annotation = |(field, value): &(NodeField, Option<String>)| (field.annotation(), value.clone());
                let annotations: Vec<_> = fields.iter().map(annotation).collect();
                Ok(writer.annotate(&annotations).await?)
            }
            Self::Etcd(writer) => Ok(writer.write_node(fields, if_absent).await?),
        }
    }

    /// Writes a field of which objects that are followed say nothing, if the Node has another one.
    ///
    /// # Errors
    /// It was not done.
    pub async fn compare_and_write(&self, field: NodeField, wanted: &str) -> Result<(), WriteError> {
        match self {
            Self::Kubernetes(writer) => {
                if writer.annotation(field.annotation()).await?.as_deref() == Some(wanted) {
                    return Ok(());
                }
            }
            // It compares in any case.
            Self::Etcd(_) => {}
        }
        self.write(&[(field, Some(wanted.to_owned()))], IfAbsent::Fail).await
    }

    /// Writes the status of a `CalicoNodeStatus`, all of it.
    ///
    /// # Errors
    /// It was not done.
    pub async fn write_status(&self, name: &str, status: &Value) -> Result<(), WriteError> {
        match self {
            Self::Kubernetes(writer) => Ok(writer.write_status(name, status).await?),
            Self::Etcd(writer) => Ok(writer.write_status(name, status).await?),
        }
    }
}

/// Why something was not written.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// To a cluster.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// To etcd.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
}

impl WriteError {
    /// Whether a permission is missing, which is not there so soon.
    #[must_use]
    pub const fn is_denial(&self) -> bool {
        match self {
            Self::Kubernetes(error) => matches!(error, KubernetesError::Forbidden { .. }),
            Self::Etcd(error) => error.is_denial(),
        }
    }

    /// Whether there is no such object.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        match self {
            Self::Kubernetes(error) => matches!(error, KubernetesError::Absent { .. }),
            Self::Etcd(error) => matches!(error, EtcdError::Absent { .. }),
        }
    }

    /// How long whoever refused wants to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Kubernetes(error) => error.retry_after(),
            Self::Etcd(_) => None,
        }
    }
}
