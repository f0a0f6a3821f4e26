//! Where resources come from: a directory of manifests, or the API server of a cluster.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use heddle_datastore::{CalicoApi, KubernetesError, KubernetesOptions, KubernetesSource, ServiceUse};
use thiserror::Error;

use crate::context::{ContextArgs, Perhaps};

/// Where resources come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatastorePlace {
    /// A directory of manifests.
    Folder(PathBuf),
    /// The API server of a cluster.
    Kubernetes,
}

impl DatastorePlace {
    /// The directory, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Kubernetes => None,
        }
    }
}

impl fmt::Display for DatastorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Kubernetes => f.write_str("kubernetes"),
        }
    }
}

/// The text names no place of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// Nothing.
    #[error("write a directory of manifests, or kubernetes")]
    Empty,
    /// etcd, by Calico's word for it.
    #[error("resources in etcd are not read; write a directory of manifests, or kubernetes")]
    Etcd,
}

impl FromStr for DatastorePlace {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        match text {
            "" => Err(PlaceError::Empty),
            "kubernetes" => Ok(Self::Kubernetes),
            "etcdv3" => Err(PlaceError::Etcd),
            folder => Ok(Self::Folder(folder.into())),
        }
    }
}

/// A path, or none where the text is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerhapsPath(pub Option<PathBuf>);

impl FromStr for PerhapsPath {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self((!text.is_empty()).then(|| text.into())))
    }
}

/// How to reach the API server.
#[derive(Clone, Debug, clap::Args)]
pub struct KubernetesArgs {
    /// With --datastore kubernetes: the kubeconfig; without one, the pod's service account
    #[arg(long, value_name = "FILE", env = "KUBECONFIG", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub kubeconfig: PerhapsPath,
    /// Which of Calico's APIs to read: crd.projectcalico.org/v1 or projectcalico.org/v3
    #[arg(long, value_name = "API", env = "CALICO_API_GROUP", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub calico_api_group: Perhaps<CalicoApi>,
}

impl KubernetesArgs {
    /// The source of a node.
    ///
    /// # Errors
    /// The kubeconfig or the service account cannot be used.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn source(&self, node: &str, context: &ContextArgs) -> Result<KubernetesSource, KubernetesError> {
        KubernetesSource::of(self.kubeconfig.0.as_deref(), self.options(node, context)).await
    }

    /// A source with these options, of the API that was named.
    ///
    /// # Errors
    /// As of [`Self::source`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(&self, options: KubernetesOptions) -> Result<KubernetesSource, KubernetesError> {
        let options = KubernetesOptions { calico: self.calico_api_group.0, ..options };
        KubernetesSource::of(self.kubeconfig.0.as_deref(), options).await
    }

    fn options(&self, node: &str, context: &ContextArgs) -> KubernetesOptions {
        let about = context.context(node);
        let services = if about.cluster_ips.is_some() { ServiceUse::Always } else { ServiceUse::AsConfigured };
        KubernetesOptions {
            kubernetes_node: about.kubernetes_node,
            secrets_namespace: Arc::clone(&about.secrets_namespace),
            calico: self.calico_api_group.0,
            services,
            ..KubernetesOptions::of(node)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[arg(long)]
        datastore: DatastorePlace,
        #[command(flatten)]
        context: ContextArgs,
    }

    fn parses(words: &str) -> Option<Program> {
        Program::try_parse_from(["program"].into_iter().chain(words.split_whitespace())).ok()
    }

    #[test]
    fn a_place_is_a_directory_or_a_cluster() {
        let place = |words: &str| parses(words).map(|program| program.datastore);
        assert_eq!(place("--datastore kubernetes"), Some(DatastorePlace::Kubernetes));
        assert_eq!(place("--datastore ./kubernetes"), Some(DatastorePlace::Folder("./kubernetes".into())));
        assert_eq!((place("--datastore etcdv3"), place("--datastore=")), (None, None));
    }

    #[test]
    fn options_reach_the_source() {
        let words = "--datastore kubernetes --kubeconfig /k --calico-api-group projectcalico.org/v3 \
                     --kubernetes-node k1 --secrets-namespace calico --cluster-ips 10.96.0.0/12";
        let program = parses(words).expect("options");
        assert_eq!(program.context.kubernetes.kubeconfig.0.as_deref(), Some(Path::new("/k")));
        let options = program.context.kubernetes.options("n1", &program.context);
        assert_eq!((options.calico, options.services), (Some(CalicoApi::Native), ServiceUse::Always));
        assert_eq!((options.kubernetes_node.as_deref(), &*options.secrets_namespace), (Some("k1"), "calico"));
        let plain = parses("--datastore kubernetes --calico-api-group= --kubeconfig=").expect("options");
        let options = plain.context.kubernetes.options("n1", &plain.context);
        assert_eq!((options.calico, options.services, &*options.node), (None, ServiceUse::AsConfigured, "n1"));
        assert!(parses("--datastore kubernetes --calico-api-group v3").is_none());
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let program = parses("--datastore kubernetes --kubeconfig /does/not/exist").expect("options");
        let error = program.context.kubernetes.source("n1", &program.context).await.expect_err("no file").to_string();
        assert!(error.contains("/does/not/exist") && error.contains("--kubeconfig"), "{error}");
    }
}
