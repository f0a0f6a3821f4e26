//! The command line.

use std::path::PathBuf;

use heddle_bgp_core::BgpId;

/// What the command line says.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Run a node of a cluster")]
pub struct Args {
    /// The node's name, as its Node resource has it
    #[arg(long, value_name = "NAME", env = "NODENAME", hide_env_values = true)]
    pub node: String,
    /// Directory of resources (YAML); see docs/datastore.md
    #[arg(long, value_name = "DIR")]
    pub datastore: PathBuf,
    /// Directory for the node's status (CalicoNodeStatus), where it is asked for; not inside the datastore
    #[arg(long, value_name = "DIR")]
    pub status_dir: Option<PathBuf>,
    /// Path of the API socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Also serve /metrics on this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<std::net::SocketAddr>,
    /// BGP Identifier instead of the node's IPv4 address; `hash`: made from the node's name
    #[arg(long, value_name = "ID", env = "CALICO_ROUTER_ID", hide_env_values = true, value_parser = router_id)]
    pub router_id: Option<RouterId>,
    /// Number of our routes in the kernel (`rtm_protocol`)
    #[arg(long, value_name = "NUMBER", default_value_t = heddle_config::Fib::PROTOCOL)]
    pub protocol: u8,
    /// The kernel's routing table
    #[arg(long, value_name = "NUMBER", default_value_t = heddle_config::Fib::MAIN_TABLE)]
    pub table: u32,
    /// Take over routes of these protocol numbers at the first start; 12: BIRD's
    #[arg(long, value_name = "NUMBER,…", value_delimiter = ',')]
    pub adopt_protocols: Vec<u8>,
    /// Routes of these protocol numbers are advertised as the node's own
    #[arg(long, value_name = "NUMBER,…", value_delimiter = ',')]
    pub learn_protocols: Vec<u8>,
    /// When routes point to nexthop objects: auto, always, never
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = nexthop_objects)]
    pub nexthop_objects: heddle_config::NexthopObjects,
    /// Set the sysctls that forwarding needs, instead of only saying which are wrong
    #[arg(long)]
    pub manage_sysctls: bool,
    /// Directory that has `endpoint-status`, in which a CNI plugin tells of local workloads that want to peer
    #[arg(long, value_name = "DIR", env = "CALICO_ENDPOINT_STATUS_PATH_PREFIX", hide_env_values = true)]
    #[arg(default_value = "/var/run/calico")]
    pub endpoint_status: PathBuf,
    /// Namespace of the Secrets with passwords
    #[arg(long, value_name = "NAMESPACE", env = "NAMESPACE", default_value = "kube-system", hide_env_values = true)]
    pub secrets_namespace: String,
}

/// Where the API socket is when the command line does not say.
pub const DEFAULT_SOCKET: &str = "/run/heddle/node-peer.sock";

/// Where the BGP Identifier comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterId {
    /// From the node's name.
    Hash,
    /// This one.
    Given(BgpId),
}

fn router_id(text: &str) -> Result<RouterId, String> {
    if text == "hash" {
        return Ok(RouterId::Hash);
    }
    let given = text.parse::<std::net::Ipv4Addr>().ok().filter(|a| !a.is_unspecified());
    given
        .map(|a| RouterId::Given(BgpId::from(a)))
        .ok_or_else(|| "an IPv4 address other than 0.0.0.0, or `hash`".to_owned())
}

fn nexthop_objects(text: &str) -> Result<heddle_config::NexthopObjects, String> {
    use heddle_config::NexthopObjects::{Always, Auto, Never};
    match text {
        "auto" => Ok(Auto),
        "always" => Ok(Always),
        "never" => Ok(Never),
        _ => Err("one of auto, always, never".to_owned()),
    }
}
