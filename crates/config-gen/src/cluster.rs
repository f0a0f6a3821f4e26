//! The cluster as one node sees it: settings with their defaults, the nodes, and where each address belongs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use heddle_bgp_core::{Asn, ClusterId, Prefix};
use heddle_resources::bgp_configuration::{
    BgpConfigurationSpec, ConfigurationScope, NodeToNodeMesh, ProgramClusterRoutes, ServiceLoadBalancerAggregation,
};
use heddle_resources::value::{AsNumber, Cidr, Family};
use heddle_resources::{BgpConfiguration, Key, Kind, Node, Snapshot};

use crate::origin::Source;

/// What kernel metrics and LOCAL_PREF are counted from: a metric m is LOCAL_PREF `METRIC_BASE - m` and back.
pub(crate) const METRIC_BASE: u32 = heddle_config::Fib::METRIC_BASE;

/// Both families, in the order in which sessions are made.
pub(crate) const FAMILIES: [Family; 2] = Family::ALL;

/// The family as BGP has it.
pub(crate) const fn unicast(family: Family) -> heddle_bgp_core::Family {
    match family {
        Family::V4 => heddle_bgp_core::Family::IPV4_UNICAST,
        Family::V6 => heddle_bgp_core::Family::IPV6_UNICAST,
    }
}

/// A CIDR as BGP has it; the two types have the same lengths, so that there always is one.
pub(crate) fn prefix(cidr: Cidr) -> Option<Prefix> {
    Prefix::new(cidr.address(), cidr.length())
}

/// A node, with the settings that others see of it.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) node: &'a Node,
    /// Its own AS; none: the global one, or for the mesh the AS of the node that looks.
    pub(crate) asn: Option<Asn>,
    /// Set on route reflectors.
    pub(crate) cluster_id: Option<ClusterId>,
    /// The port that it listens on, if its own configuration says one.
    pub(crate) listen_port: Option<NonZeroU16>,
}

impl<'a> Member<'a> {
    pub(crate) const fn name(&self) -> &'a Arc<str> {
        &self.node.metadata.name
    }

    pub(crate) fn key(&self) -> Key {
        Key::cluster(Kind::Node, Arc::clone(self.name()))
    }

    /// Its address for sessions of a family.
    pub(crate) fn address(&self, family: Family) -> Option<IpAddr> {
        self.node.spec.bgp.address(family).map(|a| a.address())
    }
}

/// All that the parts of the generator look at.
#[derive(Debug)]
pub(crate) struct Cluster<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// `BGPConfiguration` `default`, or nothing but defaults.
    pub(crate) global: &'a BgpConfigurationSpec,
    /// Whether there is such an object.
    pub(crate) global_key: Option<Key>,
    /// `BGPConfiguration` `node.NAME` of this node.
    pub(crate) own_settings: Option<&'a BgpConfiguration>,
    /// All nodes, by name; then the guest.
    pub(crate) members: Vec<Member<'a>>,
    /// This node, as a place in `members`.
    own: usize,
    by_address: HashMap<IpAddr, Vec<usize>>,
}

impl<'a> Cluster<'a> {
    /// The cluster around the node of this name; none where there is no such node.
    pub(crate) fn around(name: &str, snapshot: &'a Snapshot, fallback: &'a BgpConfigurationSpec) -> Option<Self> {
        Self::with(name, None, snapshot, fallback)
    }

    /// The cluster around a speaker that is none of its nodes, as if it were one.
    pub(crate) fn around_guest(
        guest: Member<'a>,
        snapshot: &'a Snapshot,
        fallback: &'a BgpConfigurationSpec,
    ) -> Option<Self> {
        Self::with(guest.name(), Some(guest), snapshot, fallback)
    }

    fn with(
        name: &str,
        guest: Option<Member<'a>>,
        snapshot: &'a Snapshot,
        fallback: &'a BgpConfigurationSpec,
    ) -> Option<Self> {
        let mut ports = HashMap::new();
        let (mut global, mut own_settings) = (None, None);
        for configuration in snapshot.all::<BgpConfiguration>() {
            match &configuration.scope {
                ConfigurationScope::Global => global = Some(&**configuration),
                ConfigurationScope::Node(node) => {
                    if let Some(port) = configuration.spec.listen_port {
                        ports.insert(&**node, port);
                    }
                    if &**node == name {
                        own_settings = Some(&**configuration);
                    }
                }
            }
        }
        let nodes = snapshot.all::<Node>().map(|node| Member {
            node,
            asn: node.spec.bgp.as_number.map(|n| Asn(n.0)),
            cluster_id: node.spec.bgp.route_reflector_cluster_id.map(|ip| ClusterId(ip.into())),
            listen_port: ports.get(&*node.metadata.name).copied(),
        });
        let mut members: Vec<Member<'a>> = nodes.collect();
        // A guest may have the name of a node.
        let own = if guest.is_some() { members.len() } else { members.iter().position(|m| &**m.name() == name)? };
        members.extend(guest);
        let mut by_address: HashMap<IpAddr, Vec<usize>> = HashMap::with_capacity(members.len() * 2);
        for (index, member) in members.iter().enumerate() {
            for address in FAMILIES.into_iter().filter_map(|f| member.address(f)) {
                by_address.entry(address).or_default().push(index);
            }
        }
        Some(Self {
            snapshot,
            global_key: global.map(|g| Key::cluster(Kind::BgpConfiguration, Arc::clone(&g.metadata.name))),
            global: global.map_or(fallback, |g| &g.spec),
            own_settings,
            members,
            own,
            by_address,
        })
    }

    /// This node.
    pub(crate) fn own(&self) -> &Member<'a> {
        #[expect(clippy::indexing_slicing, reason = "`own` is a position in `members`, which never changes")]
        &self.members[self.own]
    }

    /// Whether this is the node, or guest, around whom the cluster is.
    pub(crate) fn is_own(&self, member: &Member<'_>) -> bool {
        std::ptr::eq(member.node, self.own().node)
    }

    /// The nodes with this address, by name.
    pub(crate) fn with_address(&self, address: IpAddr) -> impl Iterator<Item = &Member<'a>> {
        self.by_address.get(&address).into_iter().flatten().filter_map(|&index| self.members.get(index))
    }

    /// The addresses that more than one node has.
    pub(crate) fn shared_addresses(&self) -> impl Iterator<Item = (IpAddr, &[usize])> {
        self.by_address.iter().filter(|(_, nodes)| nodes.len() > 1).map(|(ip, nodes)| (*ip, nodes.as_slice()))
    }

    /// The AS of nodes that have none of their own.
    pub(crate) fn global_asn(&self) -> Asn {
        Asn(self.global.as_number.unwrap_or(AsNumber::DEFAULT).0)
    }

    /// Our AS.
    pub(crate) fn own_asn(&self) -> Asn {
        self.own().asn.unwrap_or_else(|| self.global_asn())
    }

    /// The AS of a node.
    pub(crate) fn asn_of(&self, member: &Member<'_>) -> Asn {
        member.asn.unwrap_or_else(|| self.global_asn())
    }

    /// The port that a node listens on, if it is not the usual one.
    pub(crate) fn port_of(&self, member: &Member<'_>) -> Option<NonZeroU16> {
        member.listen_port.or(self.global.listen_port)
    }

    pub(crate) fn is_mesh_enabled(&self) -> bool {
        match self.global.node_to_node_mesh {
            None | Some(NodeToNodeMesh::Enabled) => true,
            Some(NodeToNodeMesh::Disabled) => false,
        }
    }

    /// The normal route priority of a family.
    pub(crate) fn priority(&self, family: Family) -> u32 {
        self.global.normal_route_priority(family).get()
    }

    /// The LOCAL_PREF of ordinary local routes of a family.
    pub(crate) fn normal_local_pref(&self, family: Family) -> u32 {
        METRIC_BASE.saturating_sub(self.priority(family))
    }

    pub(crate) fn aggregates_load_balancers(&self) -> bool {
        match self.global.service_load_balancer_aggregation {
            None | Some(ServiceLoadBalancerAggregation::Enabled) => true,
            Some(ServiceLoadBalancerAggregation::Disabled) => false,
        }
    }

    /// Whose routes are ours to put into the kernel.
    pub(crate) fn programs(&self) -> Programs {
        // 3.33: nothing set means pools without encapsulation; 3.32 had all.
        match self.global.program_cluster_routes.unwrap_or(ProgramClusterRoutes::EnabledNoEncapOnly) {
            ProgramClusterRoutes::Enabled => Programs { ipip: true, plain: true },
            ProgramClusterRoutes::Disabled => Programs { ipip: false, plain: false },
            ProgramClusterRoutes::EnabledIpipOnly => Programs { ipip: true, plain: false },
            ProgramClusterRoutes::EnabledNoEncapOnly => Programs { ipip: false, plain: true },
        }
    }

    /// Where a value comes from that the global configuration sets, or nobody.
    pub(crate) fn global_or_default<T>(&self, value: Option<T>, field: &'static str) -> Source {
        match (&self.global_key, value) {
            (Some(key), Some(_)) => Source::field(key.clone(), field),
            (None, _) | (_, None) => Source::Default(field),
        }
    }
}

/// `programClusterRoutes`: routes of which pools BGP puts into the kernel; Felix has the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Programs {
    /// Pools with IPIP.
    pub(crate) ipip: bool,
    /// Pools without encapsulation.
    pub(crate) plain: bool,
}
