//! A node as Calico runs it: BIRD, one daemon a family, started with `-R`.
//!
//! The configuration is the template of this crate, a translation to BIRD 2 of what Calico's confd renders for its BIRD 1.6; who
//! the peers are follows the same rules as the datastore of the lab (see [`crate::datastore`]). There are two of them: what Calico
//! v3.32 and later render, and what v3.29 to v3.31 do, whose routes have no metrics.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::addressing;
use crate::plan::{Host, Plan, Role};
use crate::topology::{CalicoRelease, Mesh, NodeProgram, ReflectorKind};

const TEMPLATE: &str = include_str!("../templates/calico-bird.conf");

/// The filter of sessions with top-of-rack switches; the datastore has it as a BGPFilter.
const OWN_ROUTES: &str = "filter lab_own_routes_only
{
  if (defined(source) && source = RTS_BGP) then reject;
  if (!defined(krt_metric)) then krt_metric = 1024;
  calico_export_to_bgp_peers(false);
  reject;
}
";

/// A family, with a daemon of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `bird`.
    V4,
    /// `bird6`.
    V6,
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    fn of<T: Copy>(self, pair: [T; 2]) -> T {
        let [v4, v6] = pair;
        match self {
            Self::V4 => v4,
            Self::V6 => v6,
        }
    }
}

/// The configuration of one of a node's daemons.
#[must_use]
pub fn config(plan: &Plan, node: &Host, family: Family) -> String {
    let (Some(address), Some(blocks)) = (node.address, node.blocks()) else { return String::new() };
    let Role::Node { asn, program, .. } = node.role else { return String::new() };
    let release = match program {
        NodeProgram::Bird(release) => release,
        // Whoever goes back to Calico has what it is now.
        NodeProgram::Heddle | NodeProgram::Nothing => CalicoRelease::V333,
    };
    let block = family.of(blocks.networks());
    let pool = family.of(addressing::pools().networks());
    let moved = match release {
        CalicoRelease::V333 => {
            format!("  if (net ~ {block}) && defined(krt_metric) && (krt_metric < 1024) then {{ accept; }}\n")
        }
        CalicoRelease::V331 => String::new(),
    };
    let aggregate = format!("  if (net = {block}) then {{ accept; }}\n{moved}  if (net ~ {block}) then {{ reject; }}");
    template(release)
        .replace("@ROUTER_ID@", &address.v4.ip().to_string())
        .replace("@FAMILY@", family.name())
        .replace("@AS@", &asn.to_string())
        .replace("@DEBUG@", "off")
        .replace("@BLOCKS@", &format!("  route {} blackhole;", network(block)))
        .replace("@AGGR@", &aggregate)
        .replace("@POOLS@", &format!("  if (net ~ {pool}) then {{ accept; }}"))
        .replace("@PEERS@", &peers(plan, node, family))
}

/// The template as a release has it, without its comments, which name the placeholders.
fn template(release: CalicoRelease) -> String {
    let mut text = String::new();
    let mut newer = false;
    for line in TEMPLATE.lines() {
        match line {
            "#3.32{" => newer = true,
            "#}" => newer = false,
            _ if line.starts_with('#') || (newer && release == CalicoRelease::V331) => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

fn network(block: IpNetwork) -> IpNetwork {
    IpNetwork::new(block.network(), block.prefix()).unwrap_or(block)
}

/// A peer of a node.
struct Peer {
    kind: &'static str,
    address: IpAddr,
    asn: u32,
    source: Option<IpAddr>,
    passive: Passive,
    export: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Passive {
    Yes,
    No,
}

fn peers(plan: &Plan, node: &Host, family: Family) -> String {
    let mut text = OWN_ROUTES.to_owned();
    for peer in all_peers(plan, node, family) {
        let name = peer.address.to_string().replace(['.', ':'], "_");
        let source = peer.source.map(|source| format!("  source address {source};\n")).unwrap_or_default();
        let passive = if peer.passive == Passive::Yes { "  passive on;\n" } else { "" };
        let _ = write!(
            text,
            "\nprotocol bgp {}_{name} from bgp_template {{\n  neighbor {} as {};\n{source}{passive}  {} {{\n    \
            gateway recursive;\n    add paths on;\n    import filter calico_import;\n    export filter {};\n  }};\n}}\n",
            peer.kind,
            peer.address,
            peer.asn,
            family.name(),
            peer.export,
        );
    }
    text
}

fn all_peers(plan: &Plan, node: &Host, family: Family) -> Vec<Peer> {
    let Some(own) = node.address.map(|pair| family.of(pair.addresses())) else { return Vec::new() };
    let Role::Node { asn, .. } = node.role else { return Vec::new() };
    let mut peers = Vec::new();
    for other in plan.hosts.iter().filter(|other| other.name != node.name) {
        let Some(address) = other.address.map(|pair| family.of(pair.addresses())) else { continue };
        let (kind, remote) = match &other.role {
            Role::Node { asn, .. } if plan.topology.mesh == Mesh::Full => ("Mesh", *asn),
            Role::Reflector(ReflectorKind::Process | ReflectorKind::Node) => ("Node", plan.topology.asn),
            Role::Node { .. } | Role::Switch | Role::Tor { .. } => continue,
        };
        let export = if asn == remote { "calico_export_internal" } else { "calico_export_external" };
        // Calico compares addresses as strings.
        let waits = kind == "Mesh" && address.to_string() > own.to_string();
        let passive = if waits { Passive::Yes } else { Passive::No };
        peers.push(Peer { kind, address, asn: remote, source: Some(own), passive, export });
    }
    for session in plan.sessions.iter().filter(|session| session.peer == node.name) {
        peers.push(Peer {
            kind: "Node",
            address: family.of(session.local.addresses()),
            asn: session.local_asn,
            source: None,
            passive: Passive::No,
            export: "lab_own_routes_only",
        });
    }
    peers
}

/// The daemon's name, which its files have too.
#[must_use]
pub fn name(family: Family) -> &'static str {
    family.of(["bird", "bird6"])
}
