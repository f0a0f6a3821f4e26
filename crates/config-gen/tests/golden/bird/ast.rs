//! What a BIRD configuration says, in the subset that Calico's templates use.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use heddle_bgp_core::Prefix;

use super::lex::Place;

/// One daemon's configuration, includes taken in.
#[derive(Debug, Default)]
pub struct Bird {
    pub router_id: Option<Ipv4Addr>,
    pub listen: Option<Listen>,
    pub templates: BTreeMap<String, Vec<Setting>>,
    pub protocols: Vec<Protocol>,
    pub functions: BTreeMap<String, Function>,
    pub filters: BTreeMap<String, Vec<Statement>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bgp,
    Device,
    Direct,
    Kernel,
    Static,
}

/// A `protocol` with the settings of its template before its own.
#[derive(Debug)]
pub struct Protocol {
    pub kind: Kind,
    pub name: Option<String>,
    pub settings: Vec<Setting>,
}

/// One line of a protocol or template.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    Debug(Vec<String>),
    Description(String),
    /// bgp
    Neighbor {
        address: IpAddr,
        port: Option<u16>,
        asn: u32,
    },
    LocalAs(u32),
    SourceAddress(IpAddr),
    TtlSecurity(bool),
    /// Hops where they are given.
    Multihop(Option<u8>),
    Passive(bool),
    Password(String),
    GracefulRestart,
    GracefulRestartTime(u16),
    KeepaliveTime(u16),
    RrClient,
    RrClusterId(Ipv4Addr),
    NextHopSelf,
    NextHopKeep,
    AllowLocalAs(u8),
    GatewayRecursive,
    AddPaths,
    ConnectDelay(u16),
    ConnectRetry(u16),
    ErrorWait(u16, u16),
    Import(FilterUse),
    Export(FilterUse),
    /// kernel
    Learn,
    Persist,
    MergePaths,
    /// kernel and device
    ScanTime(u16),
    /// direct; the first that matches decides
    Interfaces(Vec<InterfacePattern>),
    /// static
    Route(Prefix, Destination),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfacePattern {
    pub glob: String,
    /// Interfaces that match are taken in, or left out.
    pub takes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    Blackhole,
    Via(IpAddr),
}

/// What stands behind `import` or `export`.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterUse {
    All,
    None,
    Named(String),
    Body(Vec<Statement>),
}

#[derive(Debug, PartialEq)]
pub struct Function {
    /// Names of its parameters, all of them `bool`.
    pub parameters: Vec<String>,
    pub body: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub place: Place,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    If {
        condition: Expression,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    Block(Vec<Statement>),
    Assign(Attribute, Expression),
    /// `attribute.add(value);`
    Add(Attribute, Expression),
    /// `bgp_path.prepend(value);`
    Prepend(Attribute, Expression),
    Call(String, Vec<Expression>),
    Accept,
    Reject,
}

/// What a filter can read of a route; most of it can be written too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    Net,
    Source,
    Ifname,
    Preference,
    KrtMetric,
    KrtTunnel,
    LocalPref,
    Community,
    LargeCommunity,
    Path,
    NextHop,
}

impl Attribute {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "net" => Self::Net,
            "source" => Self::Source,
            "ifname" => Self::Ifname,
            "preference" => Self::Preference,
            "krt_metric" => Self::KrtMetric,
            "krt_tunnel" => Self::KrtTunnel,
            "bgp_local_pref" => Self::LocalPref,
            "bgp_community" => Self::Community,
            "bgp_large_community" => Self::LargeCommunity,
            "bgp_path" => Self::Path,
            "bgp_next_hop" => Self::NextHop,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    And,
    Or,
    Equal,
    NotEqual,
    In,
    NotIn,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Number(u32),
    Bool(bool),
    Text(String),
    Ip(IpAddr),
    Prefix(Prefix),
    Pair(u32, u32),
    Triple(u32, u32, u32),
    /// `RTS_BGP`, ….
    RouteSource(RouteSource),
    /// `[ RTS_BGP, … ]`
    SourceSet(Vec<RouteSource>),
    /// `[ 10.0.0.0/8{16,24}, … ]`
    PrefixSet(Vec<PrefixPattern>),
    /// `[= 65000 * =]`
    PathMask(Vec<PathItem>),
    Attribute(Attribute),
    Parameter(String),
    Defined(Attribute),
    Not(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixPattern {
    pub prefix: Prefix,
    /// Least and greatest length that match.
    pub lengths: (u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathItem {
    As(u32),
    /// `*`: any number of any.
    Any,
    /// `?`: one.
    One,
}

/// Where BIRD has a route from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteSource {
    Bgp,
    /// Direct protocol: the prefix of an address of ours.
    Device,
    /// Another's route in the kernel, learned.
    Inherit,
    Static,
}

impl RouteSource {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RTS_BGP" => Self::Bgp,
            "RTS_DEVICE" => Self::Device,
            "RTS_INHERIT" => Self::Inherit,
            "RTS_STATIC" => Self::Static,
            _ => return None,
        })
    }
}
