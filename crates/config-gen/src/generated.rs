//! The whole: a snapshot and a node's context to what the node runs.

use std::collections::BTreeSet;

use heddle_bgp_core::Prefix;
use heddle_config::{Config, PeerAddress};
use heddle_resources::Snapshot;
use heddle_resources::bgp_configuration::BgpConfigurationSpec;

use crate::cluster::{Cluster, FAMILIES};
use crate::context::NodeContext;
use crate::origin::Origins;
use crate::policies::{Facts, Policies};
use crate::warning::{Waiting, Warning};
use crate::{fib, router, services, sessions};

/// What a node runs, and what is worth knowing about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// What the speaker runs; none while the node waits for something: then it has no sessions.
    pub config: Option<Config>,
    /// What the node waits for.
    pub waiting: Option<Waiting>,
    /// What is allowed or passed over, and most likely not meant; in order, each once.
    pub warnings: Vec<Warning>,
    /// Which resource each part of the configuration comes from.
    pub origins: Origins,
    /// Every peer of the configuration, in its order.
    pub peers: Vec<PeerIdentity>,
    /// Networks of the configuration that are there for services alone: traffic to them goes on to pods anywhere.
    pub services: BTreeSet<Prefix>,
}

/// How a peer is called where Calico's users look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The peer.
    pub address: PeerAddress,
    /// As the session is called in Calico's BIRD: `Mesh_10_0_0_2`, `Node_2001__2_port_1179`.
    pub name: String,
    /// Why there is a session with it.
    pub kind: PeerKind,
}

/// Why there is a session with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    /// The mesh of all nodes.
    Mesh,
    /// A `BGPPeer` for all nodes.
    Global,
    /// A `BGPPeer` for some nodes, of which this is one; or the other end of such a session.
    Node,
    /// A workload of this node.
    LocalWorkload,
}

impl PeerKind {
    /// What names of sessions begin with.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mesh => "Mesh",
            Self::Global => "Global",
            Self::Node => "Node",
            Self::LocalWorkload => "Local_Workload",
        }
    }
}

/// What the node of this context runs in this cluster.
#[must_use]
pub fn generate(snapshot: &Snapshot, context: &NodeContext) -> Generated {
    let mut generated = Generated::default();
    match fill(snapshot, context, &mut generated) {
        Ok(config) => generated.config = Some(config),
        Err(waiting) => generated.waiting = Some(waiting),
    }
    generated.warnings.sort_unstable();
    generated.warnings.dedup();
    generated
}

fn fill(snapshot: &Snapshot, context: &NodeContext, generated: &mut Generated) -> Result<Config, Waiting> {
    let Generated { warnings, origins, peers, services: of_services, .. } = generated;
    let fallback = BgpConfigurationSpec::default();
    let cluster = Cluster::around(&context.node, snapshot, &fallback);
    let cluster = cluster.ok_or_else(|| Waiting::Node(context.node.clone()))?;
    let mut config = router::configuration(&cluster, context, origins)?;
    router::conflicts(&cluster, context, config.router.router_id, warnings);
    let services = services::routes(&cluster, context);
    let facts = FAMILIES.map(|family| Facts::of(&cluster, context, family));
    let mut policies = Policies::new(&cluster, &services, &facts);
    let made = sessions::peers(&cluster, context, &mut policies, warnings, origins);
    config.peers = made.peers;
    *peers = made.identities;
    config.policies = policies.into_policies(origins);
    config.networks = fib::networks(&cluster, &facts, &services, origins);
    *of_services = fib::of_services(&facts, &services);
    config.fib = Some(fib::fib(&cluster, &facts, &services, made.static_routes, origins));
    Ok(config)
}
