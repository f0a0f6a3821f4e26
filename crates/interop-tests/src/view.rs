//! What another daemon says of a session and of a route, in one form for all of them.

use std::collections::BTreeMap;

/// An address family, as the daemons are asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 unicast.
    Ipv4,
    /// IPv6 unicast.
    Ipv6,
}

impl Family {
    /// Both.
    pub const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// Whether a prefix as text belongs to it.
    #[must_use]
    pub fn has(self, prefix: &str) -> bool {
        prefix.contains(':') == (self == Family::Ipv6)
    }
}

/// A session as a daemon sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The daemon's own word for the state.
    pub state: String,
    /// Whether that word means Established.
    pub established: bool,
    /// Differs after every new establishment: a counter or the time of the last one. Equal before and after means that
    /// the session stayed.
    pub incarnation: String,
}

/// One path to one prefix as a daemon has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// As text: `203.0.113.0/24`.
    pub prefix: String,
    /// The Path Identifier that it was received with, where the daemon shows it.
    pub path_id: Option<u32>,
    /// The daemon's name for where it is from: a peer's address, with BIRD the protocol's name.
    pub from: String,
    /// Whether the daemon prefers it.
    pub best: bool,
    /// Whether it is kept from a session that ended (RFC 4724).
    pub stale: bool,
    /// Its path attributes.
    pub attributes: Attributes,
}

/// Path attributes in one spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `IGP`, `EGP` or `incomplete`.
    pub origin: String,
    /// `65001 65002 {65003 65004}`.
    pub as_path: String,
    /// The next hop, the global address where there are two.
    pub next_hop: String,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// `65010 10.9.9.9`.
    pub aggregator: Option<String>,
    /// `65001:1`, sorted.
    pub communities: Vec<String>,
    /// `rt 65001:5`, or sixteen hex digits, sorted.
    pub extended_communities: Vec<String>,
    /// `65001:1:2`, sorted.
    pub large_communities: Vec<String>,
    /// ORIGINATOR_ID.
    pub originator_id: Option<String>,
    /// CLUSTER_LIST, nearest first.
    pub cluster_list: Vec<String>,
    /// AIGP metric.
    pub aigp: Option<u64>,
    /// Attributes that the daemon has no name for: type to value in hex.
    pub unknown: BTreeMap<u8, String>,
}

/// A part of [`Attributes`] that a daemon may not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// [`Attributes::med`].
    Med,
    /// [`Attributes::local_pref`].
    LocalPref,
    /// [`Attributes::atomic_aggregate`].
    AtomicAggregate,
    /// [`Attributes::aggregator`].
    Aggregator,
    /// [`Attributes::originator_id`].
    OriginatorId,
    /// [`Attributes::cluster_list`].
    ClusterList,
    /// [`Attributes::extended_communities`].
    ExtendedCommunities,
    /// [`Attributes::aigp`].
    Aigp,
    /// [`Attributes::unknown`].
    Unknown,
}

impl Attributes {
    /// Without the fields that a daemon cannot show, so that it can be compared with what that daemon says.
    #[must_use]
    pub fn without(mut self, fields: &[Field]) -> Self {
        for field in fields {
            match field {
                Field::Med => self.med = None,
                Field::LocalPref => self.local_pref = None,
                Field::AtomicAggregate => self.atomic_aggregate = false,
                Field::Aggregator => self.aggregator = None,
                Field::OriginatorId => self.originator_id = None,
                Field::ClusterList => self.cluster_list.clear(),
                Field::ExtendedCommunities => self.extended_communities.clear(),
                Field::Aigp => self.aigp = None,
                Field::Unknown => self.unknown.clear(),
            }
        }
        self
    }

    /// Lists in order, sets in one spelling: what every reader calls at its end.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        self.communities.sort();
        self.extended_communities.sort();
        self.large_communities.sort();
        self.as_path = normalize_as_path(&self.as_path);
        self
    }
}

/// `{1,2}`, `{ 1 2 }` and `{1 2}` are all `{1 2}`.
fn normalize_as_path(path: &str) -> String {
    let spaced = path.replace(',', " ").replace('{', " { ").replace('}', " } ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ").replace("{ ", "{").replace(" }", "}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_sets_have_one_spelling() {
        for text in ["1 2 {3,4}", "1 2 { 3 4 }", "1 2 {3 4}"] {
            assert_eq!(normalize_as_path(text), "1 2 {3 4}");
        }
    }
}
