//! What a node knows beside the datastore, as a command line or the environment of Calico's node says it.
//!
//! `node-peer` and `config render` take the same options, so that the latter prints what the former runs. A variable
//! that is set to nothing counts as not set, as Calico's manifests have them.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::builder::FalseyValueParser;
use heddle_config_gen::{EndpointStatus, NodeContext, PodCidrs, RouterIdSource};
use heddle_datastore::{EndpointStatusReport, EndpointStatuses};
use heddle_resources::bgp_configuration::LogSeverity;
use heddle_resources::value::{Cidr, InterfaceAddress};
use thiserror::Error;

use crate::place::{EtcdArgs, KubernetesArgs};

/// What is said of the node beside its name.
#[derive(Clone, Debug, clap::Args)]
pub struct ContextArgs {
    /// BGP Identifier instead of the node's IPv4 address; `hash`: made from the node's name
    #[arg(long, value_name = "ID", env = "CALICO_ROUTER_ID", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub router_id: Perhaps<RouterIdSource>,
    /// The node's name in EndpointSlices, where it is another one
    #[arg(long, value_name = "NAME", env = "CALICO_K8S_NODE_REF", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub kubernetes_node: Perhaps<String>,
    /// Services' cluster IPs in this network are advertised, in place of `serviceClusterIPs`
    #[arg(long, value_name = "CIDR", env = "CALICO_ADVERTISE_CLUSTER_IPS", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub cluster_ips: Perhaps<Cidr>,
    /// Log level in place of `logSeverityScreen`: trace, debug, info, warning, error, fatal, none
    #[arg(long, value_name = "LEVEL", env = "BGP_LOGSEVERITYSCREEN", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub log_severity: Perhaps<Severity>,
    /// The node's pod CIDRs are its blocks (host-local IPAM)
    #[arg(long, env = "USE_POD_CIDR", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub use_pod_cidr: bool,
    /// Directory that has `endpoint-status`, in which Felix tells of local workloads that want to peer
    #[arg(long, value_name = "DIR", env = "CALICO_ENDPOINT_STATUS_PATH_PREFIX", hide_env_values = true)]
    #[arg(default_value = "/var/run/calico")]
    pub endpoint_status: PathBuf,
    /// Namespace of the Secrets with passwords
    #[arg(long, value_name = "NAMESPACE", env = "NAMESPACE", hide_env_values = true)]
    #[arg(default_value = NodeContext::DEFAULT_SECRETS_NAMESPACE)]
    pub secrets_namespace: String,
    /// How to reach the API server
    #[command(flatten)]
    pub kubernetes: KubernetesArgs,
    /// How to reach etcd
    #[command(flatten)]
    pub etcd: Box<EtcdArgs>,
}

impl ContextArgs {
    /// What is known of a node, but for its workloads.
    #[must_use]
    pub fn context(&self, node: &str) -> NodeContext {
        let mut context = NodeContext::new(node);
        context.router_id = self.router_id.0;
        context.kubernetes_node = self.kubernetes_node.0.as_deref().map(Arc::from);
        context.cluster_ips = self.cluster_ips.0;
        context.log_severity = self.log_severity.0.map(|severity| severity.0);
        context.pod_cidrs = if self.use_pod_cidr { PodCidrs::Blocks } else { PodCidrs::Unused };
        if !self.secrets_namespace.is_empty() {
            context.secrets_namespace = self.secrets_namespace.as_str().into();
        }
        context
    }

    /// The folder in which Felix tells of workloads.
    #[must_use]
    pub fn endpoint_folder(&self) -> PathBuf {
        EndpointStatuses::folder(&self.endpoint_status)
    }
}

/// The workloads of a report, as configurations are made of them.
#[must_use]
pub fn endpoints(report: &EndpointStatusReport) -> Vec<EndpointStatus> {
    let endpoint = |status: &heddle_resources::EndpointStatus| {
        let nets = status.ipv4.iter().chain(&status.ipv6);
        EndpointStatus {
            interface: Arc::clone(&status.interface),
            addresses: nets.filter_map(|n| InterfaceAddress::new(n.address(), n.length())).collect(),
            bgp_peer: status.bgp_peer.clone(),
        }
    };
    report.statuses.iter().map(endpoint).collect()
}

/// A value, or none where the text is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Perhaps<T>(pub Option<T>);

impl<T: FromStr> FromStr for Perhaps<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let text = text.trim();
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

/// A log level, by Calico's words in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severity(pub LogSeverity);

/// The text is no log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no log level; write trace, debug, info, warning, error, fatal or none")]
pub struct SeverityError;

impl FromStr for Severity {
    type Err = SeverityError;

    fn from_str(text: &str) -> Result<Self, SeverityError> {
        Ok(Self(match text.to_ascii_lowercase().as_str() {
            "trace" => LogSeverity::Trace,
            "debug" => LogSeverity::Debug,
            "info" => LogSeverity::Info,
            "warning" => LogSeverity::Warning,
            "error" => LogSeverity::Error,
            "fatal" => LogSeverity::Fatal,
            "none" => LogSeverity::None,
            _ => return Err(SeverityError),
        }))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use heddle_config_gen::generate;
    use heddle_datastore::FolderContent;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        context: ContextArgs,
    }

    fn context(words: &[&str]) -> Option<NodeContext> {
        let all = ["program"].iter().chain(words);
        Program::try_parse_from(all).ok().map(|program| program.context.context("n1"))
    }

    #[test]
    fn every_option_reaches_the_context() {
        let plain = context(&[]).expect("nothing is needed");
        assert_eq!(plain, NodeContext::new("n1"));
        let words = "--router-id hash --kubernetes-node k1 --cluster-ips 10.96.0.0/12 --log-severity Debug \
                     --use-pod-cidr --secrets-namespace calico";
        let words: Vec<&str> = words.split_whitespace().collect();
        let expected = NodeContext {
            router_id: Some(RouterIdSource::NodeName),
            kubernetes_node: Some("k1".into()),
            cluster_ips: "10.96.0.0/12".parse().ok(),
            log_severity: Some(LogSeverity::Debug),
            pod_cidrs: PodCidrs::Blocks,
            secrets_namespace: "calico".into(),
            ..plain
        };
        assert_eq!(context(&words), Some(expected));
    }

    /// As Calico's manifests have variables that are not used.
    #[test]
    fn an_empty_value_is_none() {
        let empty = ["--router-id=", "--kubernetes-node=", "--cluster-ips=", "--log-severity=", "--secrets-namespace="];
        assert_eq!(context(&empty), Some(NodeContext::new("n1")));
        for wrong in ["--router-id=0.0.0.0", "--cluster-ips=10.96.0.1/12", "--log-severity=loud"] {
            assert_eq!(context(&[wrong]), None, "{wrong}");
        }
    }

    /// From a file of Felix to a session.
    #[test]
    fn a_workload_becomes_a_peer() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write(
            "all.yaml",
            "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n1}, spec: {bgp: {ipv4Address: 10.0.0.1/24}}}\n\
             ---\n\
             {apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: w},\
             spec: {localWorkloadSelector: all(), asNumber: 65001}}\n",
        );
        std::fs::create_dir(folder.path().join("endpoint-status")).expect("a folder");
        write("endpoint-status/pod1", r#"{"ifaceName": "cali1", "ipv4Nets": ["192.168.0.9/32"], "bgpPeerName": "w"}"#);
        write("endpoint-status/pod2", "{");
        let report = EndpointStatuses::read(EndpointStatuses::folder(folder.path()));
        assert!(report.known && report.faults.len() == 1, "{report:?}");
        let manifests = FolderContent::read(folder.path()).expect("the folder is there");
        let mut context = NodeContext::new("n1");
        context.endpoints = endpoints(&report);
        let config = generate(&manifests.snapshot, &context).config.expect("a configuration");
        let peers: Vec<String> = config.peers.iter().map(|p| p.address.to_string()).collect();
        assert_eq!(peers, ["192.168.0.9"]);
    }
}
