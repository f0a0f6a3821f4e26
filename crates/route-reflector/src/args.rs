//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use heddle_bgp_core::{Asn, BgpId, ClusterId};
use heddle_config::{Confinement, ConfinementPart};
use heddle_config_gen::{NodeContext, ReflectorContext};
use heddle_node_peer::{DatastorePlace, EtcdArgs, KubernetesArgs, confinement_part};

/// What the command line says.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Run a BGP route reflector")]
pub struct Args {
    /// Configuration file (TOML); `heddle config example` prints one
    #[arg(long, value_name = "FILE", required_unless_present = "datastore", conflicts_with = "datastore")]
    pub config: Option<PathBuf>,
    /// Path of the API socket; overrides `api.socket` of the file
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The datastore in place of a file
    #[command(flatten)]
    pub followed: Followed,
}

/// A reflector that takes its peers from a datastore.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "In place of a file: peers from the cluster")]
pub struct Followed {
    /// A directory of manifests, `kubernetes`, or `etcd`: each BGPPeer with this reflector's address makes its nodes peers
    #[arg(long, value_name = "DIR|kubernetes|etcd", requires_all = ["name", "address"])]
    pub datastore: Option<DatastorePlace>,
    /// What this reflector is called, unlike all others; its BGP Identifier is made from it
    #[arg(long, value_name = "NAME", requires = "datastore")]
    pub name: Option<String>,
    /// Where nodes reach it: an address, or one of each family
    #[arg(long, value_name = "ADDRESS,…", value_delimiter = ',', requires = "datastore")]
    pub address: Vec<IpAddr>,
    /// The port on which it listens
    #[arg(long, value_name = "PORT", default_value_t = BGP, requires = "datastore")]
    pub port: NonZeroU16,
    /// Its AS; without it, the cluster's
    #[arg(long = "as", value_name = "AS", requires = "datastore")]
    pub asn: Option<u32>,
    /// Its CLUSTER_ID, an address in form, which reflectors of the same clients may share (RFC 4456)
    #[arg(long, value_name = "ID", requires = "datastore")]
    pub cluster_id: Option<std::net::Ipv4Addr>,
    /// Its BGP Identifier in place of the one that is made from its name
    #[arg(long, value_name = "ID", requires = "datastore", value_parser = bgp_id)]
    pub router_id: Option<BgpId>,
    /// Namespace of the Secrets with passwords
    #[arg(long, value_name = "NAMESPACE", env = "NAMESPACE", hide_env_values = true)]
    #[arg(default_value = NodeContext::DEFAULT_SECRETS_NAMESPACE)]
    pub secrets_namespace: String,
    /// Also serve /metrics on this address
    #[arg(long, value_name = "ADDRESS:PORT", requires = "datastore")]
    pub metrics: Option<SocketAddr>,
    /// What the process does not take away from itself: dumps, capabilities, seccomp, landlock (docs/confinement.md)
    #[arg(long, value_name = "PART,…", value_delimiter = ',', requires = "datastore", value_parser = confinement_part)]
    pub confinement_off: Vec<ConfinementPart>,
    /// Folders and files that may be read beside those that the command line names
    #[arg(long, value_name = "PATH,…", value_delimiter = ',', requires = "datastore")]
    pub readable: Vec<PathBuf>,
    /// How to reach the API server
    #[command(flatten)]
    pub kubernetes: KubernetesArgs,
    /// How to reach etcd
    #[command(flatten)]
    pub etcd: EtcdArgs,
}

/// RFC 4271 §8.1.1 note on TCP.
const BGP: NonZeroU16 = NonZeroU16::new(179).expect("it is not 0");

impl Followed {
    /// What the process takes away from itself.
    pub(crate) fn confinement(&self) -> Confinement {
        Confinement { off: self.confinement_off.iter().copied().collect(), readable: self.readable.clone() }
    }

    /// What the reflector knows beside the datastore.
    ///
    /// # Errors
    /// The addresses do not go together, or the name is empty.
    pub(crate) fn context(&self) -> Result<ReflectorContext, &'static str> {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or("--name: name this reflector, unlike all others")?;
        let one_each = match *self.address {
            [_] => true,
            [first, second] => first.is_ipv4() != second.is_ipv4(),
            _ => false,
        };
        if !one_each || self.address.iter().any(IpAddr::is_unspecified) {
            return Err("--address: write the address at which nodes reach it, or one of each family, with a comma");
        }
        Ok(ReflectorContext {
            name: name.into(),
            addresses: self.address.clone(),
            port: self.port,
            asn: self.asn.map(Asn),
            cluster_id: self.cluster_id.map(|id| ClusterId(id.into())),
            router_id: self.router_id,
            secrets_namespace: self.secrets_namespace.as_str().into(),
        })
    }
}

fn bgp_id(text: &str) -> Result<BgpId, String> {
    // RFC 6286 §2.1: any number of four octets but 0.
    let id = text.parse::<std::net::Ipv4Addr>().ok().filter(|ip| !ip.is_unspecified());
    id.map(|ip| BgpId(ip.into())).ok_or_else(|| "four numbers as in 192.0.2.1, not 0.0.0.0".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn args(words: &str) -> Option<Args> {
        Args::try_parse_from(["route-reflector"].into_iter().chain(words.split_whitespace())).ok()
    }

    #[test]
    fn a_file_or_a_datastore() {
        assert!(args("--config a.toml").is_some_and(|a| a.followed.datastore.is_none()));
        let etcd = args("--datastore etcd --name r --address 10.0.0.9 --etcd-endpoints http://10.0.0.1:2379");
        assert!(etcd.is_some_and(|a| a.followed.etcd.source("r").is_ok()));
        for wrong in [
            "",
            "--config a.toml --datastore /d --name r --address 10.0.0.9",
            "--config a.toml --port 1790 --name r",
            "--datastore /d --name r",
            "--datastore /d --address 10.0.0.9",
            "--datastore /d --name r --address 10.0.0.9 --router-id 0.0.0.0",
        ] {
            assert!(args(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn every_option_reaches_the_context() {
        let context = |words: &str| args(words).map(|a| a.followed.context());
        let all = "--datastore kubernetes --name r1 --address 10.0.0.9,fd00::9 --port 1790 --as 65000 --cluster-id 244.0.0.1 \
                   --router-id 192.0.2.1 --secrets-namespace calico";
        let expected = ReflectorContext {
            name: "r1".into(),
            addresses: ["10.0.0.9", "fd00::9"].into_iter().filter_map(|a| a.parse().ok()).collect(),
            port: NonZeroU16::new(1790).expect("not 0"),
            asn: Some(Asn(65000)),
            cluster_id: Some(ClusterId(0xf400_0001)),
            router_id: Some(BgpId(0xc000_0201)),
            secrets_namespace: "calico".into(),
        };
        assert_eq!(context(all), Some(Ok(expected)));
        for wrong in ["10.0.0.9,10.0.0.8", "0.0.0.0", "10.0.0.9,fd00::9,fd00::8"] {
            let words = format!("--datastore /d --name r1 --address {wrong}");
            assert!(context(&words).is_some_and(|c| c.is_err_and(|e| e.contains("--address"))), "{wrong}");
        }
    }
}
