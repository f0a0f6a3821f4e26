//! Where resources come from: a directory of manifests, the API server of a cluster, or etcd.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use heddle_datastore::{
    CalicoApi, Endpoint, EtcdError, EtcdOptions, EtcdSource, EtcdTls, EtcdUser, KubernetesError, KubernetesOptions,
    KubernetesSource, ServiceUse,
};
use thiserror::Error;

use crate::context::{ContextArgs, Perhaps};

/// Where resources come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatastorePlace {
    /// A directory of manifests.
    Folder(PathBuf),
    /// The API server of a cluster.
    Kubernetes,
    /// etcd.
    Etcd,
}

impl DatastorePlace {
    /// The directory, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Kubernetes | Self::Etcd => None,
        }
    }
}

impl fmt::Display for DatastorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Kubernetes => f.write_str("kubernetes"),
            Self::Etcd => f.write_str("etcd"),
        }
    }
}

/// The text names no place of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write a directory of manifests, kubernetes, or etcd")]
pub struct PlaceError;

impl FromStr for DatastorePlace {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        match text {
            "" => Err(PlaceError),
            "kubernetes" => Ok(Self::Kubernetes),
            // Calico's word for it.
            "etcd" | "etcdv3" => Ok(Self::Etcd),
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

/// How to reach etcd: all as Calico names it.
#[derive(Clone, Debug, clap::Args)]
pub struct EtcdArgs {
    /// With --datastore etcd: its members, such as https://10.0.0.1:2379, with commas between
    #[arg(long, value_name = "URL,…", env = "ETCD_ENDPOINTS", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub etcd_endpoints: String,
    /// Who vouches for etcd (PEM); without it, the authorities of the system
    #[arg(long, value_name = "FILE", env = "ETCD_CA_CERT_FILE", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub etcd_ca_cert_file: PerhapsPath,
    /// The certificate by which etcd knows the node (PEM)
    #[arg(long, value_name = "FILE", env = "ETCD_CERT_FILE", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub etcd_cert_file: PerhapsPath,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", env = "ETCD_KEY_FILE", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub etcd_key_file: PerhapsPath,
    /// The user of etcd that the node is, whose password is in the environment (ETCD_PASSWORD)
    #[arg(long, value_name = "NAME", env = "ETCD_USERNAME", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub etcd_username: String,
}

impl EtcdArgs {
    /// The variable with the password. Command lines can be read by everybody on the machine.
    const PASSWORD: &str = "ETCD_PASSWORD";

    /// The source of a node.
    ///
    /// # Errors
    /// No endpoint is named, or what is named does not go together.
    pub fn source(&self, node: &str) -> Result<EtcdSource, EtcdError> {
        Ok(EtcdSource::new(self.options(node, &std::env::var(Self::PASSWORD).unwrap_or_default())?))
    }

    /// Files that are read on the way to etcd, now and later.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.etcd_ca_cert_file, &self.etcd_cert_file, &self.etcd_key_file];
        files.into_iter().filter_map(|file| file.0.as_deref())
    }

    fn options(&self, node: &str, password: &str) -> Result<EtcdOptions, EtcdError> {
        let client = match (&self.etcd_cert_file.0, &self.etcd_key_file.0) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(EtcdError::HalfCertificate),
        };
        let user = match (self.etcd_username.is_empty(), password.is_empty()) {
            (false, false) => Some(EtcdUser { name: self.etcd_username.clone(), password: password.to_owned() }),
            (true, true) => None,
            (true, false) | (false, true) => return Err(EtcdError::HalfUser),
        };
        Ok(EtcdOptions {
            tls: EtcdTls { authority: self.etcd_ca_cert_file.0.clone(), client },
            user,
            ..EtcdOptions::of(node, Endpoint::list(&self.etcd_endpoints)?)
        })
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
    fn a_place_is_a_directory_a_cluster_or_etcd() {
        let place = |words: &str| parses(words).map(|program| program.datastore);
        assert_eq!(place("--datastore kubernetes"), Some(DatastorePlace::Kubernetes));
        assert_eq!(place("--datastore ./kubernetes"), Some(DatastorePlace::Folder("./kubernetes".into())));
        let etcd = [place("--datastore etcd"), place("--datastore etcdv3")];
        assert_eq!(etcd, [Some(DatastorePlace::Etcd), Some(DatastorePlace::Etcd)]);
        assert_eq!(place("--datastore="), None);
    }

    #[test]
    fn options_reach_etcd() {
        let options = |words: &str, password: &str| {
            parses(&format!("--datastore etcd {words}")).expect("options").context.etcd.options("n1", password)
        };
        let all = "--etcd-endpoints https://a:2379,https://b --etcd-ca-cert-file /ca --etcd-cert-file /c --etcd-key-file /k \
                   --etcd-username calico";
        let read = options(all, "sesame").expect("they go together");
        assert_eq!((read.endpoints.len(), &*read.node), (2, "n1"));
        let tls = EtcdTls { authority: Some("/ca".into()), client: Some(("/c".into(), "/k".into())) };
        assert_eq!(read.tls, tls);
        assert_eq!(read.user, Some(EtcdUser { name: "calico".to_owned(), password: "sesame".to_owned() }));
        let plain =
            options("--etcd-endpoints http://a --etcd-ca-cert-file= --etcd-username=", "").expect("an endpoint");
        assert_eq!((plain.tls, plain.user), (EtcdTls::default(), None));
        for (words, password, says) in [
            ("", "", "--etcd-endpoints"),
            ("--etcd-endpoints a:2379", "", "https://10.0.0.1:2379"),
            ("--etcd-endpoints http://a --etcd-cert-file /c", "", "--etcd-key-file"),
            ("--etcd-endpoints http://a --etcd-key-file /k", "", "--etcd-cert-file"),
            ("--etcd-endpoints http://a --etcd-username u", "", "ETCD_PASSWORD"),
            ("--etcd-endpoints http://a", "p", "ETCD_USERNAME"),
        ] {
            let error = options(words, password).expect_err(words).to_string();
            assert!(error.contains(says), "{words}: {error}");
        }
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
