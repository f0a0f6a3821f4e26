//! Where Calico has its objects in etcd (libcalico-go, `lib/backend/model`): resources below `/calico/resources/v3/projectcalico.org/`, by the
//! plural of their kind; the affinities of blocks by their node below `/calico/ipam/v2/host/`.

use std::sync::Arc;

use bytes::Bytes;
use heddle_resources::{Key, Kind};

const RESOURCES: &str = "/calico/resources/v3/projectcalico.org/";
const AFFINITIES: &str = "/calico/ipam/v2/host/";

/// Kinds of resources, by their plurals.
const PLURALS: [(&str, Kind); 6] = [
    ("nodes", Kind::Node),
    ("bgpconfigurations", Kind::BgpConfiguration),
    ("bgpfilters", Kind::BgpFilter),
    ("bgppeers", Kind::BgpPeer),
    ("ippools", Kind::IpPool),
    ("caliconodestatuses", Kind::CalicoNodeStatus),
];

/// Keys that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: Bytes,
    /// The first key behind them.
    pub(super) end: Bytes,
}

impl Range {
    /// Keys that begin with a text, whose last octet is `/`.
    fn beginning_with(prefix: String) -> Self {
        let mut end = prefix.clone().into_bytes();
        if let Some(last) = end.last_mut() {
            *last = last.saturating_add(1);
        }
        Self { start: prefix.into(), end: end.into() }
    }
}

/// All that is followed for a node.
pub(super) fn ranges(node: &str) -> Vec<Range> {
    let resources = PLURALS.iter().map(|(plural, _)| format!("{RESOURCES}{plural}/"));
    resources.chain([format!("{AFFINITIES}{node}/")]).map(Range::beginning_with).collect()
}

/// The kinds that there are in [`ranges`].
pub(super) fn kinds() -> impl Iterator<Item = Kind> {
    PLURALS.into_iter().map(|(_, kind)| kind).chain([Kind::BlockAffinity])
}

/// The key in etcd of a filter.
pub(super) fn filter(name: &str) -> Bytes {
    format!("{RESOURCES}bgpfilters/{name}").into()
}

/// The key of a node.
pub(super) fn node(name: &str) -> String {
    format!("{RESOURCES}nodes/{name}")
}

/// The key of what asks for a node's status.
pub(super) fn status(name: &str) -> String {
    format!("{RESOURCES}caliconodestatuses/{name}")
}

/// What is at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: Key,
    /// The block, of an affinity.
    pub(super) block: Option<String>,
}

impl Place {
    /// Of a key that is in one of the [`ranges`] of a node; none: not ours.
    pub(super) fn of(key: &[u8], node: &str) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        if let Some(rest) = text.strip_prefix(RESOURCES) {
            let (plural, name) = rest.split_once('/')?;
            let (_, kind) = PLURALS.into_iter().find(|(known, _)| *known == plural)?;
            let is_name = !name.is_empty() && !name.contains('/');
            return is_name.then(|| Self { key: Key::cluster(kind, name), block: None });
        }
        let rest = text.strip_prefix(AFFINITIES)?.strip_prefix(node)?.strip_prefix('/')?;
        let (family, block) = rest.split_once("/block/")?;
        if !matches!(family, "ipv4" | "ipv6") || block.is_empty() || block.contains('/') {
            return None;
        }
        // The name that it has in a cluster.
        let name: Arc<str> = format!("{node}-{}", block.replace(['.', ':'], "-")).into();
        Some(Self { key: Key::cluster(Kind::BlockAffinity, name), block: Some(block.replacen('-', "/", 1)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_calico_writes_them() {
        let place = |key: &str| Place::of(key.as_bytes(), "n1").map(|p| (p.key.to_string(), p.block));
        let resource = |name: &str| Some((name.to_owned(), None));
        let affinity = |name: &str, block: &str| Some((format!("BlockAffinity/{name}"), Some(block.to_owned())));
        for (key, is) in [
            ("/calico/resources/v3/projectcalico.org/nodes/n1", resource("Node/n1")),
            ("/calico/resources/v3/projectcalico.org/bgpfilters/out", resource("BGPFilter/out")),
            ("/calico/resources/v3/projectcalico.org/caliconodestatuses/s", resource("CalicoNodeStatus/s")),
            ("/calico/resources/v3/projectcalico.org/profiles/p", None),
            ("/calico/resources/v3/projectcalico.org/nodes/", None),
            ("/calico/resources/v3/projectcalico.org/nodes/a/b", None),
            ("/calico/resources/v3/projectcalico.org/nodes", None),
            ("/calico/ipam/v2/host/n1/ipv4/block/10.20.0.0-26", affinity("n1-10-20-0-0-26", "10.20.0.0/26")),
            ("/calico/ipam/v2/host/n1/ipv6/block/fd00:1::40-122", affinity("n1-fd00-1--40-122", "fd00:1::40/122")),
            ("/calico/ipam/v2/host/n10/ipv4/block/10.20.0.0-26", None),
            ("/calico/ipam/v2/host/n1/ipv4/block/", None),
            ("/calico/ipam/v2/host/n1/ipv4", None),
            ("/calico/ipam/v2/assignment/ipv4/block/10.20.0.0-26", None),
            ("", None),
        ] {
            assert_eq!(place(key), is, "{key}");
        }
        assert_eq!(Place::of(b"/calico/resources/v3/projectcalico.org/nodes/\xff", "n1"), None);
    }

    #[test]
    fn ranges_have_what_begins_alike() {
        let ranges = ranges("n1");
        assert_eq!(ranges.len(), kinds().count());
        let within = |key: &str| ranges.iter().any(|r| &*r.start <= key.as_bytes() && key.as_bytes() < &*r.end);
        assert!(within("/calico/resources/v3/projectcalico.org/nodes/zz\u{10ffff}"));
        assert!(within("/calico/ipam/v2/host/n1/ipv4/block/10.20.0.0-26"));
        assert!(!within("/calico/ipam/v2/host/n10/ipv4/block/10.20.0.0-26"));
        assert!(!within("/calico/resources/v3/projectcalico.org/networkpolicies/a/b"));
        assert!(within(std::str::from_utf8(&filter("f")).expect("text")));
        assert!(within(&node("n2")) && within(&status("s")));
    }
}
