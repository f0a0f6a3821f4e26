//! Which resource each part of a configuration comes from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use heddle_bgp_core::Prefix;
use heddle_config::PeerAddress;
use heddle_resources::Key;

/// A part of a [`Config`](heddle_config::Config).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A key of `router`, `log` or `fib`: `router.asn`.
    Setting(&'static str),
    /// A route policy.
    Policy(Arc<str>),
    /// A rule of a route policy, from 0.
    Rule(Arc<str>, usize),
    /// A peer.
    Peer(PeerAddress),
    /// An originated prefix.
    Network(Prefix),
    /// A static route of the forwarding table.
    StaticRoute(Prefix),
    /// A rule of the forwarding table, from 0.
    FibRule(usize),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(key) => f.write_str(key),
            Self::Policy(name) => write!(f, "policy {name}"),
            Self::Rule(name, index) => write!(f, "policy {name}, rule {}", index + 1),
            Self::Peer(address) => write!(f, "peer {address}"),
            Self::Network(prefix) => write!(f, "network {prefix}"),
            Self::StaticRoute(prefix) => write!(f, "static route {prefix}"),
            Self::FibRule(index) => write!(f, "fib rule {}", index + 1),
        }
    }
}

/// A field of a resource, or something beside the datastore.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A resource, and the field of its specification where one says it alone.
    Resource {
        /// Which.
        key: Key,
        /// `asNumber`, `importV4[0]`; none: the resource as a whole.
        field: Option<Cow<'static, str>>,
    },
    /// The node's environment.
    Environment(&'static str),
    /// Nobody sets this field: its default counts.
    Default(&'static str),
    /// It is always so.
    BuiltIn,
}

impl Source {
    /// A resource as a whole.
    pub(crate) const fn whole(key: Key) -> Self {
        Self::Resource { key, field: None }
    }

    /// A field of a resource.
    pub(crate) fn field(key: Key, field: impl Into<Cow<'static, str>>) -> Self {
        Self::Resource { key, field: Some(field.into()) }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource { key, field: None } => key.fmt(f),
            Self::Resource { key, field: Some(field) } => write!(f, "{key} {field}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Default(field) => write!(f, "{field} by default"),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// Which resources each part comes from; the first is the one that brought it about, the others add to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<Subject, Vec<Source>>);

impl Origins {
    /// The sources of a part; empty where nothing is known of it.
    #[must_use]
    pub fn of(&self, subject: &Subject) -> &[Source] {
        self.0.get(subject).map_or(&[], Vec::as_slice)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &[Source])> {
        self.0.iter().map(|(subject, sources)| (subject, sources.as_slice()))
    }

    pub(crate) fn add(&mut self, subject: Subject, source: Source) {
        let sources = self.0.entry(subject).or_default();
        if !sources.contains(&source) {
            sources.push(source);
        }
    }

    pub(crate) fn set(&mut self, subject: Subject, sources: Vec<Source>) {
        self.0.insert(subject, sources);
    }
}
