//! From a [`Config`] to the tree of its keys.

mod confinement;
mod fib;
mod peer;
mod policy;

use serde::ser::{Serialize, Serializer};

pub(crate) use confinement::confinement_keys;
pub(crate) use fib::fib_keys;
pub(crate) use peer::{Extent, peer_keys, range_keys};
pub(crate) use policy::{as_path_set, community_set, network, policy, prefix_set};

use crate::node::{Keys, Node, document, text};
use crate::value::{Api, Config, Log, LogFormat, Router};

impl Config {
    /// The configuration as a file that [`from_toml`](Self::from_toml) reads back to an equal value. Keys at their
    /// default, and those that a peer has from its group, are left out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        document(&self.tree())
    }

    /// All keys that are not at their default.
    fn tree(&self) -> Keys {
        let default = Self::new(self.router.asn, self.router.router_id);
        let mut keys = Keys::default();
        keys.put("router", Node::Table(router_keys(&self.router, Some(&default.router))));
        keys.table("api", api_keys(&self.api, Some(&default.api)), Node::Table);
        keys.table("log", log_keys(&self.log, Some(&default.log)), Node::Table);
        keys.table("confinement", confinement_keys(&self.confinement), Node::Table);
        let tables = |tables: Vec<Keys>| Node::Tables(tables);
        let mut put = |key: &str, list: Vec<Keys>| {
            if !list.is_empty() {
                keys.put(key, tables(list));
            }
        };
        put("prefix_sets", self.prefix_sets.iter().map(prefix_set).collect());
        put("community_sets", self.community_sets.iter().map(community_set).collect());
        put("as_path_sets", self.as_path_sets.iter().map(as_path_set).collect());
        put("policies", self.policies.iter().map(policy).collect());
        put("peer_groups", self.peer_groups.iter().map(peer::group_keys).collect());
        put("listen_ranges", self.listen_ranges.iter().map(|r| range_keys(r, self, Extent::Differing)).collect());
        put("peers", self.peers.iter().map(|p| peer_keys(p, self, Extent::Differing)).collect());
        put("networks", self.networks.iter().map(network).collect());
        let fib = self.fib.as_ref();
        keys.optional("fib", fib, |fib| Node::Table(fib_keys(fib, Some(&crate::Fib::default()))));
        keys
    }
}

/// As [`to_toml`](Config::to_toml), in any format.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree().serialize(serializer)
    }
}

/// `[router]`; without a base every key that has a value.
pub(crate) fn router_keys(router: &Router, base: Option<&Router>) -> Keys {
    let mut keys = Keys::default();
    keys.put("asn", router.asn.0);
    keys.put("router_id", text(&router.router_id));
    keys.differing("cluster_id", &router.cluster_id, base.map(|b| &b.cluster_id), text);
    let listen = |list: &Vec<_>| Node::List(list.iter().map(text).collect());
    keys.differing("listen", &router.listen, base.map(|b| &b.listen), listen);
    keys.optional("hostname", router.hostname.as_deref(), Node::from);
    let refresh = base.map(|b| &b.refresh_stale_time);
    keys.differing("refresh_stale_time", &router.refresh_stale_time, refresh, |v| v.0.into());
    keys.table("decision", decision_keys(router, base), Node::Table);
    keys.table("graceful_restart", graceful_restart_keys(router, base), Node::Table);
    keys.table("long_lived", long_lived_keys(router, base), Node::Table);
    keys
}

fn decision_keys(router: &Router, base: Option<&Router>) -> Keys {
    let (d, b) = (&router.decision, base.map(|b| &b.decision));
    let mut keys = Keys::default();
    let boolean = |v: &bool| Node::from(*v);
    keys.differing("always_compare_med", &d.always_compare_med, b.map(|b| &b.always_compare_med), boolean);
    keys.differing("deterministic_med", &d.deterministic_med, b.map(|b| &b.deterministic_med), boolean);
    keys.differing("med_missing_as_worst", &d.med_missing_as_worst, b.map(|b| &b.med_missing_as_worst), boolean);
    keys.differing("prefer_oldest", &d.prefer_oldest, b.map(|b| &b.prefer_oldest), boolean);
    keys.differing("resolve_next_hops", &d.resolve_next_hops, b.map(|b| &b.resolve_next_hops), boolean);
    let (m, b) = (&d.multipath, b.map(|b| &b.multipath));
    let mut multipath = Keys::default();
    let number = |v: &u16| u32::from(*v).into();
    multipath.differing("ebgp", &m.ebgp, b.map(|b| &b.ebgp), number);
    multipath.differing("ibgp", &m.ibgp, b.map(|b| &b.ibgp), number);
    multipath.differing("as_path_relax", &m.as_path_relax, b.map(|b| &b.as_path_relax), boolean);
    keys.table("multipath", multipath, Node::Inline);
    keys
}

fn graceful_restart_keys(router: &Router, base: Option<&Router>) -> Keys {
    let (g, b) = (&router.graceful_restart, base.map(|b| &b.graceful_restart));
    let mut keys = Keys::default();
    let seconds = |v: &crate::Seconds| v.0.into();
    keys.differing("restart_time", &g.restart_time, b.map(|b| &b.restart_time), seconds);
    let deferral = b.map(|b| &b.selection_deferral_time);
    keys.differing("selection_deferral_time", &g.selection_deferral_time, deferral, seconds);
    keys.differing("stale_time", &g.stale_time, b.map(|b| &b.stale_time), seconds);
    keys.differing("notification", &g.notification, b.map(|b| &b.notification), |v| (*v).into());
    keys
}

fn long_lived_keys(router: &Router, base: Option<&Router>) -> Keys {
    let (l, b) = (&router.long_lived, base.map(|b| &b.long_lived));
    let mut keys = Keys::default();
    let seconds = |v: &crate::Seconds| v.0.into();
    keys.differing("stale_time", &l.stale_time, b.map(|b| &b.stale_time), seconds);
    keys.differing("max_stale_time", &l.max_stale_time, b.map(|b| &b.max_stale_time), seconds);
    keys
}

/// `[api]`.
pub(crate) fn api_keys(api: &Api, base: Option<&Api>) -> Keys {
    let mut keys = Keys::default();
    keys.differing("socket", &api.socket, base.map(|b| &b.socket), |v| text(&v.display()));
    keys.differing("group_access", &api.group_access, base.map(|b| &b.group_access), |v| (*v).into());
    keys.optional("metrics", api.metrics.as_ref(), text);
    keys
}

/// `[log]`.
pub(crate) fn log_keys(log: &Log, base: Option<&Log>) -> Keys {
    let mut keys = Keys::default();
    keys.differing("level", &log.level, base.map(|b| &b.level), |v| v.as_str().into());
    let format = |v: &LogFormat| match v {
        LogFormat::Text => Node::from("text"),
        LogFormat::Json => Node::from("json"),
    };
    keys.differing("format", &log.format, base.map(|b| &b.format), format);
    keys
}
