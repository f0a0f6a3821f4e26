//! What changing over from one configuration to another takes.

use std::collections::BTreeSet;
use std::fmt;

use heddle_bgp_core::Prefix;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::encode::{self, Extent};
use crate::node::{Keys, Node};
use crate::schema::{Effect, Table};
use crate::value::{Config, PeerAddress};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it belongs to.
    pub subject: Subject,
    /// The key, with dots where it stands in a table of the subject; empty: the subject as a whole comes or goes.
    pub key: String,
    /// What it was, as TOML writes it; none: nothing.
    pub old: Option<String>,
    /// What it becomes; none: nothing.
    pub new: Option<String>,
    /// What the change takes.
    pub effect: Effect,
}

/// What a key belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// `[router]`: concerns all peers.
    Router,
    /// `[api]`
    Api,
    /// `[log]`
    Log,
    /// `[confinement]`
    Confinement,
    /// A static peer.
    Peer(PeerAddress),
    /// A listen range and its dynamic peers.
    ListenRange(Prefix),
    /// A policy; concerns the peers that use it.
    Policy(String),
    /// A prefix set; concerns the policies that use it.
    PrefixSet(String),
    /// A community set; likewise.
    CommunitySet(String),
    /// A set of AS_PATH expressions; likewise.
    AsPathSet(String),
    /// An originated prefix.
    Network(Prefix),
    /// `[fib]`
    Fib,
}

impl Subject {
    /// The word for the kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Api => "api",
            Self::Log => "log",
            Self::Confinement => "confinement",
            Self::Peer(_) => "peer",
            Self::ListenRange(_) => "listen range",
            Self::Policy(_) => "policy",
            Self::PrefixSet(_) => "prefix set",
            Self::CommunitySet(_) => "community set",
            Self::AsPathSet(_) => "set of AS_PATH expressions",
            Self::Network(_) => "network",
            Self::Fib => "fib",
        }
    }

    /// Its address, prefix or name, where there is more than one of the kind.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Router | Self::Api | Self::Log | Self::Confinement | Self::Fib => None,
            Self::Peer(address) => Some(address.to_string()),
            Self::ListenRange(prefix) | Self::Network(prefix) => Some(prefix.to_string()),
            Self::Policy(name) | Self::PrefixSet(name) | Self::CommunitySet(name) | Self::AsPathSet(name) => {
                Some(name.clone())
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        self.name().map_or(Ok(()), |name| write!(f, " {name}"))
    }
}

impl Change {
    /// The static peer to which the key belongs.
    #[must_use]
    pub const fn peer(&self) -> Option<&PeerAddress> {
        match &self.subject {
            Subject::Peer(address) => Some(address),
            Subject::Router
            | Subject::Api
            | Subject::Log
            | Subject::Confinement
            | Subject::ListenRange(_)
            | Subject::Policy(_)
            | Subject::PrefixSet(_)
            | Subject::CommunitySet(_)
            | Subject::AsPathSet(_)
            | Subject::Network(_)
            | Subject::Fib => None,
        }
    }
}

impl fmt::Display for Change {
    /// `peer 192.0.2.7: hold_time 90 -> 240 (next session)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = self.effect;
        match (self.key.as_str(), &self.old, &self.new) {
            ("", _, None) => write!(f, "{}: removed ({effect})", self.subject),
            ("", _, Some(_)) => write!(f, "{}: added ({effect})", self.subject),
            (key, old, new) => {
                let shown = |v: &Option<String>| v.clone().unwrap_or_else(|| "none".to_owned());
                write!(f, "{}: {key} {} -> {} ({effect})", self.subject, shown(old), shown(new))
            }
        }
    }
}

impl Serialize for Effect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// `{ "subject": "peer", "name": "192.0.2.7", "key": …, "old": …, "new": …, "effect": … }`
impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut s = serializer.serialize_struct("Change", 6)?;
        s.serialize_field("subject", self.subject.kind())?;
        s.serialize_field("name", &self.subject.name())?;
        s.serialize_field("key", &self.key)?;
        s.serialize_field("old", &self.old)?;
        s.serialize_field("new", &self.new)?;
        s.serialize_field("effect", &self.effect)?;
        s.end()
    }
}

/// All differences, in the order of a file. Groups are not among them: what they change shows in their peers.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    let one = |table: Table, subject: Subject, a: &Keys, b: &Keys, out: &mut Vec<Change>| {
        compare(out, &subject, table, "", a, b);
    };
    let (mut a, mut b) = (encode::router_keys(&old.router, None), encode::router_keys(&new.router, None));
    // The cluster that nobody has named is the router id, of which is told already.
    let named = |config: &Config| config.router.cluster_id.0 != config.router.router_id.0;
    if !named(old) && !named(new) {
        [&mut a, &mut b].into_iter().for_each(|keys| keys.remove("cluster_id"));
    }
    one(Table::Router, Subject::Router, &a, &b, &mut changes);
    let (a, b) = (encode::api_keys(&old.api, None), encode::api_keys(&new.api, None));
    one(Table::Api, Subject::Api, &a, &b, &mut changes);
    let (a, b) = (encode::log_keys(&old.log, None), encode::log_keys(&new.log, None));
    one(Table::Log, Subject::Log, &a, &b, &mut changes);
    let (a, b) = (encode::confinement_keys(&old.confinement), encode::confinement_keys(&new.confinement));
    one(Table::Confinement, Subject::Confinement, &a, &b, &mut changes);
    let named = |list: Vec<(Subject, Keys)>| list;
    let pairs = [
        (Table::PrefixSet, named(prefix_sets(old)), named(prefix_sets(new))),
        (Table::CommunitySet, community_sets(old), community_sets(new)),
        (Table::AsPathSet, as_path_sets(old), as_path_sets(new)),
        (Table::Policy, policies(old), policies(new)),
        (Table::ListenRange, listen_ranges(old), listen_ranges(new)),
        (Table::Peer, peers(old), peers(new)),
        (Table::Network, networks(old), networks(new)),
        (Table::Fib, fib(old), fib(new)),
    ];
    for (table, old, new) in pairs {
        several(&mut changes, table, &old, &new);
    }
    changes
}

fn prefix_sets(c: &Config) -> Vec<(Subject, Keys)> {
    c.prefix_sets.iter().map(|s| (Subject::PrefixSet(s.name.clone()), encode::prefix_set(s))).collect()
}

fn community_sets(c: &Config) -> Vec<(Subject, Keys)> {
    c.community_sets.iter().map(|s| (Subject::CommunitySet(s.name.clone()), encode::community_set(s))).collect()
}

fn as_path_sets(c: &Config) -> Vec<(Subject, Keys)> {
    c.as_path_sets.iter().map(|s| (Subject::AsPathSet(s.name.clone()), encode::as_path_set(s))).collect()
}

fn policies(c: &Config) -> Vec<(Subject, Keys)> {
    c.policies.iter().map(|p| (Subject::Policy(p.name.clone()), encode::policy(p))).collect()
}

fn listen_ranges(c: &Config) -> Vec<(Subject, Keys)> {
    let keys = |r| encode::range_keys(r, c, Extent::Full);
    c.listen_ranges.iter().map(|r| (Subject::ListenRange(r.prefix), keys(r))).collect()
}

fn peers(c: &Config) -> Vec<(Subject, Keys)> {
    let keys = |p| encode::peer_keys(p, c, Extent::Full);
    c.peers.iter().map(|p| (Subject::Peer(p.address.clone()), keys(p))).collect()
}

fn networks(c: &Config) -> Vec<(Subject, Keys)> {
    c.networks.iter().map(|n| (Subject::Network(n.prefix), encode::network(n))).collect()
}

fn fib(c: &Config) -> Vec<(Subject, Keys)> {
    c.fib.iter().map(|f| (Subject::Fib, encode::fib_keys(f, None))).collect()
}

/// Differences of things that have names.
fn several(changes: &mut Vec<Change>, table: Table, old: &[(Subject, Keys)], new: &[(Subject, Keys)]) {
    let index = |list: &[(Subject, Keys)]| -> std::collections::BTreeMap<Subject, usize> {
        list.iter().enumerate().map(|(i, (subject, _))| (subject.clone(), i)).collect()
    };
    let (in_old, in_new) = (index(old), index(new));
    let whole =
        |subject: &Subject, old, new, effect| Change { subject: subject.clone(), key: String::new(), old, new, effect };
    for (subject, keys) in old {
        match in_new.get(subject).and_then(|i| new.get(*i)) {
            Some((_, new_keys)) => compare(changes, subject, table, "", keys, new_keys),
            None => changes.push(whole(subject, Some(keys.to_string()), None, gone(subject))),
        }
    }
    for (subject, keys) in new.iter().filter(|(subject, _)| !in_old.contains_key(subject)) {
        changes.push(whole(subject, None, Some(keys.to_string()), comes(subject)));
    }
}

/// The effect of an addition.
const fn comes(subject: &Subject) -> Effect {
    match subject {
        // Whether a speaker forwards is settled when it starts.
        Subject::Fib => Effect::Restart,
        // A new peer begins a session that nobody had; a policy or set that nobody used before changes no route.
        Subject::Peer(_)
        | Subject::ListenRange(_)
        | Subject::Router
        | Subject::Api
        | Subject::Log
        | Subject::Confinement
        | Subject::Policy(_)
        | Subject::PrefixSet(_)
        | Subject::CommunitySet(_)
        | Subject::AsPathSet(_)
        | Subject::Network(_) => Effect::Immediate,
    }
}

/// The effect of a removal.
const fn gone(subject: &Subject) -> Effect {
    match subject {
        Subject::Peer(_) | Subject::ListenRange(_) => Effect::Reset,
        Subject::Fib => Effect::Restart,
        Subject::Router
        | Subject::Api
        | Subject::Log
        | Subject::Confinement
        | Subject::Policy(_)
        | Subject::PrefixSet(_)
        | Subject::CommunitySet(_)
        | Subject::AsPathSet(_)
        | Subject::Network(_) => Effect::Immediate,
    }
}

/// The table in which the keys below a key stand, where they are compared one by one.
fn inner(table: Table, key: &str) -> Option<Table> {
    match (table, key) {
        (Table::Router, "decision") => Some(Table::Decision),
        (Table::Router, "graceful_restart") => Some(Table::GracefulRestart),
        (Table::Router, "long_lived") => Some(Table::LongLived),
        (Table::Decision, "multipath") => Some(Table::Multipath),
        (Table::Peer | Table::ListenRange, "idle_hold") => Some(Table::IdleHold),
        (Table::Peer | Table::ListenRange, "local_as") => Some(Table::LocalAs),
        (Table::Peer | Table::ListenRange, "families") => Some(Table::Family),
        (Table::Family, "add_path") => Some(Table::AddPath),
        (Table::Fib, "metric") => Some(Table::RouteMetric),
        _ => None,
    }
}

/// The effect that the table of keys has for a key; a listen range has its group's keys too.
fn effect(table: Table, key: &str) -> Effect {
    let found = table.key(key).or_else(|| {
        let settings = || Table::PeerSettings.key(key);
        if table == Table::ListenRange { settings() } else { None }
    });
    // A holder of keys whose comparison does not go deeper: its presence counts like the strongest of its keys.
    found.and_then(|k| k.effect).unwrap_or(Effect::Reset)
}

/// Differences of one table, key by key.
fn compare(changes: &mut Vec<Change>, subject: &Subject, table: Table, path: &str, old: &Keys, new: &Keys) {
    let mut names: Vec<&str> = old.0.iter().map(|(k, _)| k.as_str()).collect();
    names.extend(new.0.iter().map(|(k, _)| k.as_str()).filter(|k| old.get(k).is_none()));
    for name in names {
        let (a, b) = (old.get(name), new.get(name));
        if a == b {
            continue;
        }
        let key = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let deeper = inner(table, name);
        match (deeper, a.and_then(as_table), b.and_then(as_table)) {
            (Some(Table::Family), Some(a), Some(b)) => families(changes, subject, &key, a, b),
            (Some(deeper), Some(a), Some(b)) => compare(changes, subject, deeper, &key, a, b),
            (Some(_) | None, _, _) => changes.push(Change {
                subject: subject.clone(),
                key,
                old: a.map(Node::to_string),
                new: b.map(Node::to_string),
                effect: effect(table, name),
            }),
        }
    }
}

fn as_table(node: &Node) -> Option<&Keys> {
    match node {
        Node::Inline(keys) | Node::Table(keys) => Some(keys),
        Node::Text(_) | Node::Secret(_) | Node::Integer(_) | Node::Boolean(_) | Node::List(_) | Node::Tables(_) => None,
    }
}

/// The list of families as one key, then each family that is in both.
fn families(changes: &mut Vec<Change>, subject: &Subject, key: &str, old: &Keys, new: &Keys) {
    let list = |keys: &Keys| -> BTreeSet<String> { keys.0.iter().map(|(k, _)| k.clone()).collect() };
    let (a, b) = (list(old), list(new));
    let shown =
        |names: &BTreeSet<String>| Some(Node::List(names.iter().map(|n| n.as_str().into()).collect()).to_string());
    if a != b {
        // Families are capabilities (RFC 4760 §8): they are agreed on in OPEN alone.
        let effect = Effect::Reset;
        changes.push(Change { subject: subject.clone(), key: key.to_owned(), old: shown(&a), new: shown(&b), effect });
    }
    for family in a.intersection(&b) {
        let tables = old.get(family).and_then(as_table).zip(new.get(family).and_then(as_table));
        if let Some((old, new)) = tables {
            compare(changes, subject, Table::Family, &format!("{key}.{family}"), old, new);
        }
    }
}

/// The peers and listen ranges of `old` whose sessions the changes would close, in order. Whether there is a session is
/// not known here.
#[must_use]
pub fn resets(old: &Config, changes: &[Change]) -> Vec<Subject> {
    let reset = |c: &&Change| c.effect == Effect::Reset;
    if changes.iter().filter(reset).any(|c| c.subject == Subject::Router) {
        let peers = old.peers.iter().map(|p| Subject::Peer(p.address.clone()));
        return peers.chain(old.listen_ranges.iter().map(|r| Subject::ListenRange(r.prefix))).collect();
    }
    let subjects: BTreeSet<_> = changes.iter().filter(reset).map(|c| c.subject.clone()).collect();
    subjects.into_iter().collect()
}
