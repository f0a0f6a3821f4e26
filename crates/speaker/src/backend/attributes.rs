//! Attributes as the API shows them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use heddle_admin::types::{Aggregator, RouteAttributes, UnknownAttribute};
use heddle_bgp_core::attr::{AtomicAggregate, NextHop, Origin, PathAttributes};

use crate::report;

/// A canonical block in words.
#[must_use]
pub(super) fn attributes(block: &[u8]) -> RouteAttributes {
    let a = PathAttributes::from_block(block);
    let (next_hop, next_hop_link_local) = match a.next_hop {
        None => (None, None),
        Some(NextHop::V4(n)) => (Some(IpAddr::V4(n)), None),
        Some(NextHop::V6(n)) => (Some(IpAddr::V6(n)), None),
        Some(NextHop::V6LinkLocal(n, local)) => (Some(IpAddr::V6(n)), Some(IpAddr::V6(local))),
    };
    let extended = a.ext_communities.iter().map(ToString::to_string);
    let extended6 = a.ipv6_ext_communities.iter().map(ToString::to_string);
    RouteAttributes {
        origin: Cow::Borrowed(match a.origin {
            Some(Origin::Igp) => "igp",
            Some(Origin::Egp) => "egp",
            Some(Origin::Incomplete) | None => "incomplete",
        }),
        as_path: a.as_path().to_string(),
        as_path_length: u32::try_from(a.as_path().hops()).unwrap_or(u32::MAX),
        next_hop,
        next_hop_link_local,
        med: a.med,
        local_pref: a.local_pref,
        atomic_aggregate: a.atomic_aggregate == AtomicAggregate::Present,
        aggregator: a.aggregator.map(|g| Aggregator { asn: g.asn.0, router_id: g.addr }),
        communities: a.communities.iter().map(ToString::to_string).collect(),
        large_communities: a.large_communities.iter().map(ToString::to_string).collect(),
        extended_communities: extended.chain(extended6).collect(),
        originator_id: a.originator_id.map(|id| Ipv4Addr::from(id.0)),
        cluster_list: a.cluster_list.iter().map(|id| Ipv4Addr::from(id.0)).collect(),
        aigp: a.aigp_metric(),
        otc: a.otc.map(|asn| asn.0),
        other: a
            .others
            .iter()
            .map(|o| UnknownAttribute { code: o.code.0, flags: o.flags.0, value_hex: report::hex(&o.value) })
            .collect(),
    }
}
