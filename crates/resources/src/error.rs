//! What is wrong with an object, or worth saying about it: where, which field, which value, what to write instead.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::kind::Kind;
use crate::selector::SelectorError;
use crate::value::{
    AsNumberError, CidrError, CommunityError, DurationError, InterfacePatternError, PeerAddressError,
    RoutePriorityError,
};

/// A place in a file. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as its reader named it.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Which object is meant, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// `kind`
    pub kind: Option<Arc<str>>,
    /// `metadata.namespace`
    pub namespace: Option<Arc<str>>,
    /// `metadata.name`
    pub name: Option<Arc<str>>,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("(no name)");
        match (&self.kind, &self.namespace) {
            (Some(kind), Some(namespace)) => write!(f, "{kind}/{namespace}/{name}"),
            (Some(kind), None) => write!(f, "{kind}/{name}"),
            (None, _) => f.write_str("object without a kind"),
        }
    }
}

/// An object that is ignored, and every reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidObject {
    /// Which object.
    pub object: ObjectName,
    /// What is wrong, in the order of the file; at least one.
    pub errors: Vec<FieldError>,
}

impl fmt::Display for InvalidObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            if let Some(at) = &error.at {
                write!(f, "{at}: ")?;
            }
            match self.object.kind {
                Some(_) => write!(f, "{}: {error}", self.object)?,
                None => write!(f, "{error}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for InvalidObject {}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where, if the object comes from a file.
    pub at: Option<Location>,
    /// The field, such as `spec.communities[0].value`; empty: the whole object.
    pub path: String,
    /// The value, shortened; not of secrets.
    pub value: Option<String>,
    /// What is wrong and what would be right.
    pub problem: Problem,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        if let Some(value) = &self.value {
            write!(f, "{value}: ")?;
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for FieldError {}

/// What a value is, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list.
    List,
    /// A map of fields.
    Map,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Number => "a whole number",
            Self::Bool => "true or false",
            Self::List => "a list",
            Self::Map => "a map of fields",
        })
    }
}

/// What is wrong with a value, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The text is no YAML from here on.
    #[error("no valid YAML: {0}; this document and what follows it in the file cannot be read")]
    Yaml(Arc<str>),
    /// The value is of another type.
    #[error("write {0} here")]
    Type(ValueType),
    /// A field that has to be there is not.
    #[error("is missing; write it")]
    Missing,
    /// The same field twice.
    #[error("{field} is there twice, first in line {first_line}; remove one")]
    Duplicate {
        /// Its name.
        field: Box<str>,
        /// Where it is for the first time.
        first_line: u32,
    },
    /// A value that is none of those there are.
    #[error("unknown value; write {}", .0.join(", "))]
    UnknownValue(&'static [&'static str]),
    /// A number outside its bounds.
    #[error("write a number from {min} to {max}")]
    Range {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// Too many octets.
    #[error("at most {max} characters are allowed, here are {length}")]
    TooLong {
        /// How many there are.
        length: usize,
        /// How many there may be.
        max: usize,
    },
    /// Too many or too few entries.
    #[error("a list of {min} to {max} entries is allowed, here are {length}")]
    ListLength {
        /// How many there are.
        length: usize,
        /// How many there have to be.
        min: usize,
        /// How many there may be.
        max: usize,
    },
    /// No kind that anybody has.
    #[error("there is no such kind; write kind: {expected}")]
    Kind {
        /// The one that is almost spelled so.
        expected: Kind,
    },
    /// An object of this kind is not known in this version of its API.
    #[error("{kind} is not read in this version; write {expected}")]
    ApiVersion {
        /// The kind.
        kind: Kind,
        /// The versions that are read.
        expected: &'static str,
    },
    /// No name of an object.
    #[error("no name; use small letters, digits, '-' and '.', a letter or digit at both ends, at most 253 characters")]
    Name,
    /// Names that Calico honours.
    #[error("only `default` and `node.NAME` are honoured; rename it to one of them")]
    ConfigurationName,
    /// A rule that several fields have part in.
    #[error(transparent)]
    Rule(#[from] Rule),
    /// An address of the other family.
    #[error("write an {0} address")]
    Family(crate::value::Family),
    /// No address.
    #[error("no address; write one such as 192.0.2.1 or 2001:db8::1")]
    Address,
    /// No CIDR.
    #[error(transparent)]
    Cidr(#[from] CidrError),
    /// No AS number.
    #[error(transparent)]
    AsNumber(#[from] AsNumberError),
    /// No community.
    #[error(transparent)]
    Community(#[from] CommunityError),
    /// No duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// No address of a peer.
    #[error(transparent)]
    PeerAddress(#[from] PeerAddressError),
    /// No pattern of interface names.
    #[error(transparent)]
    InterfacePattern(#[from] InterfacePatternError),
    /// No route priority.
    #[error(transparent)]
    RoutePriority(#[from] RoutePriorityError),
    /// No selector.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// No JSON.
    #[error("no JSON of the right form")]
    Json,
    /// A name of a community that the object does not define.
    #[error("no community of this name in spec.communities; define it there, or write its value")]
    UndefinedCommunity,
    /// No base64.
    #[error("no base64; write it under stringData if it is plain text")]
    Base64,
    /// No point in time.
    #[error("no time; write one as in 2026-01-31T12:00:00Z")]
    Time,
    /// Nested deeper than any object is.
    #[error("nested deeper than {0} levels")]
    Depth(usize),
    /// Aliases copy more than a document may have.
    #[error("anchors and aliases copy more than {0} values; write some of them out, or divide the list")]
    Size(usize),
}

/// Rules that several fields have part in, or that a name must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Rule {
    /// AS 0.
    #[error("AS 0 must not be used (RFC 7607); remove it, or write the AS number")]
    AsZero,
    /// `nodeMeshPassword` without a mesh.
    #[error("must not be set while nodeToNodeMeshEnabled is false; remove one of them")]
    NeedsMesh,
    /// `communities` without `prefixAdvertisements`.
    #[error("communities are defined and not used in prefixAdvertisements; use them there, or remove them")]
    UnusedCommunities,
    /// `*` alone.
    #[error("* alone would leave no interface; write a narrower pattern")]
    EveryInterface,
    /// `node` and `nodeSelector`.
    #[error("node and nodeSelector must not both be set; remove one")]
    NodeAndSelector,
    /// `peerIP` and `peerSelector`.
    #[error("peerIP and peerSelector must not both be set; remove one")]
    PeerIpAndSelector,
    /// `peerIP` or `peerSelector` beside `localWorkloadSelector`.
    #[error("must not be set beside localWorkloadSelector; remove one")]
    BesideLocalWorkloads,
    /// `asNumber` and `peerSelector`.
    #[error("must not be set beside peerSelector, whose nodes have their own; remove it")]
    AsNumberBesideSelector,
    /// `localWorkloadSelector` without `asNumber`.
    #[error("needs asNumber, the AS number of the workloads; write it")]
    LocalWorkloadsWithoutAsNumber,
    /// `reachableBy` without `peerIP`.
    #[error("needs peerIP; remove it, or write peerIP")]
    ReachableByWithoutPeerIp,
    /// `keepOriginalNextHop` and `nextHopMode`.
    #[error("must not be set beside nextHopMode, which replaced it; remove it")]
    KeepBesideNextHopMode,
    /// `cidr` without `matchOperator`, or the other way round.
    #[error("cidr and matchOperator must both be set or both not; write the other, or remove this")]
    CidrAndOperator,
    /// `prefixLength` without `cidr`.
    #[error("needs cidr; remove it, or write cidr and matchOperator")]
    LengthWithoutCidr,
    /// `operations` of a rule that rejects.
    #[error("only routes that are accepted can be changed; remove it, or write action: Accept")]
    OperationsOfReject,
    /// An entry of `operations` with none or several fields.
    #[error("write exactly one of addCommunity, prependASPath, setPriority in each entry")]
    OneOperation,
    /// Two encapsulations.
    #[error("ipipMode and vxlanMode must not both be enabled; write Never for one")]
    TwoEncapsulations,
    /// IPIP on IPv6.
    #[error("IPv6 pools have no IPIP; write Never")]
    IpipOfIpv6,
    /// `LoadBalancer` with encapsulation.
    #[error("a pool for load balancers must not have IPIP or VXLAN; write Never")]
    LoadBalancerEncapsulated,
    /// `LoadBalancer` beside other uses.
    #[error("LoadBalancer must not stand beside other uses; make a pool of its own")]
    LoadBalancerBesideOthers,
    /// `LoadBalancer` with `disableBGPExport`.
    #[error("a pool for load balancers must not disable BGP export; remove it")]
    LoadBalancerNotExported,
    /// `LoadBalancer` with a node selector.
    #[error("a pool for load balancers must be for all nodes; write all(), or remove it")]
    LoadBalancerOfSomeNodes,
    /// `Tunnel` with a namespace selector.
    #[error("a pool for tunnels must not have a namespace selector; remove it, or remove Tunnel from allowedUses")]
    TunnelOfNamespaces,
    /// `global()` of a pool.
    #[error("global() has no meaning here; remove it")]
    Global,
    /// A link-local pool.
    #[error("overlaps with link-local addresses; use another range")]
    LinkLocal,
    /// A pool smaller than its blocks.
    #[error("the pool is smaller than one block; use a larger range, a longer blockSize, or disabled: true")]
    PoolSmallerThanBlock,
    /// An allocation outside of the block, or of an attribute that is not there.
    #[error("does not fit the block's cidr and attributes; restore the object from a backup")]
    Allocation,
    /// No owner of a block.
    #[error("no owner; write host:NAME or virtual:NAME")]
    BlockOwner,
    /// A class twice.
    #[error("is in the list twice; remove one")]
    Twice,
}

/// Something about an object that is worth saying, though the object counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which object.
    pub object: ObjectName,
    /// Where, if the object comes from a file.
    pub at: Option<Location>,
    /// The field.
    pub path: String,
    /// What about it.
    pub remark: Remark,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        write!(f, "{}: {}: {}", self.object, self.path, self.remark)
    }
}

/// What is worth saying.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Remark {
    /// The field is not known; it is passed over.
    #[error("unknown field, passed over; check how it is spelled")]
    UnknownField,
    /// A value that is passed over, as Calico does, while the rest of the object counts.
    #[error("{value} is passed over: {problem}")]
    Ignored {
        /// The value, shortened.
        value: String,
        /// What is wrong with it.
        problem: Problem,
    },
}
