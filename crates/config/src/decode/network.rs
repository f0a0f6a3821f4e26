//! `[[networks]]`.

use std::collections::BTreeMap;

use heddle_bgp_core::Prefix;

use super::policy::{ORIGIN_WORDS, ORIGINS, community};
use super::reader::{Reader, ip_address};
use crate::error::{Conflict, Problem};
use crate::schema::Table;
use crate::value::Network;

/// All originated prefixes.
pub(crate) fn networks(root: &Reader<'_, '_>) -> Vec<Network> {
    let mut seen: BTreeMap<Prefix, usize> = BTreeMap::new();
    let mut networks = Vec::new();
    for reader in root.tables("networks", Table::Network) {
        let Some(network) = network(&reader) else {
            continue;
        };
        let span = reader.span("prefix");
        if let Some(first) = seen.get(&network.prefix) {
            let line = root.source.line(*first);
            root.source.error(span, Problem::Duplicate { what: format!("network {}", network.prefix), line });
        } else {
            seen.insert(network.prefix, span.start);
            networks.push(network);
        }
    }
    networks
}

fn network(reader: &Reader<'_, '_>) -> Option<Network> {
    const NUMBER: (i64, i64) = (0, u32::MAX as i64);
    if reader.get("prefix").is_none() {
        reader.missing("prefix");
    }
    let prefix = reader.parsed("prefix", |text| Ok(text.parse::<Prefix>()?));
    let next_hop = reader.parsed("next_hop", ip_address("next_hop"));
    let origin = reader.word("origin", ORIGINS, ORIGIN_WORDS);
    let local_pref = reader.integer("local_pref", NUMBER);
    let med = reader.integer("med", NUMBER);
    let communities = reader.list("communities", community).unwrap_or_default();
    let prefix = prefix?;
    if prefix.addr().is_ipv6() && next_hop.is_some_and(|n| n.is_ipv4()) {
        // RFC 2545 §3: the next hop of an IPv6 prefix is an IPv6 address.
        reader.source.error(reader.span("next_hop"), Conflict::NextHopVersion);
    }
    Some(Network {
        prefix,
        next_hop,
        origin: origin.unwrap_or_default(),
        local_pref,
        med,
        communities,
        blackhole: reader.boolean("blackhole").unwrap_or_default(),
    })
}
