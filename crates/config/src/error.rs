//! Errors in a configuration file. Every one says where it is, shows the text, and what would be right.

use std::fmt;

use heddle_bgp_core::family::UnknownFamily;
use heddle_bgp_core::prefix::PrefixParseError;
use thiserror::Error;

use crate::value::{AddressError, CommunityError, Location, PrefixRangeError};

/// What is wrong with a file: every error in it, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it is.
    pub at: Location,
    /// The line of the file, without its end.
    pub line_text: String,
    /// How many characters of it are meant, from the column on.
    pub width: usize,
    /// What is wrong and what would be right.
    pub problem: Problem,
}

impl fmt::Display for ConfigError {
    /// `FILE:LINE:COLUMN: problem`, the line with the offending text underlined.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A line that is shown is cut here: nobody reads on, and a terminal would wrap it.
        const SHOWN: usize = 160;
        write!(f, "{}: {}", self.at, self.problem)?;
        let column = usize::try_from(self.at.column).unwrap_or(usize::MAX);
        if self.line_text.trim().is_empty() || column > SHOWN {
            return Ok(());
        }
        let shown: String = self.line_text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let room = (shown.chars().count() + 1).saturating_sub(column).max(1);
        let margin = self.at.line.to_string().len();
        write!(f, "\n{} | {shown}", self.at.line)?;
        write!(f, "\n{:margin$} | {:indent$}{}", "", "", "^".repeat(self.width.clamp(1, room)), indent = column - 1)
    }
}

impl std::error::Error for ConfigError {}

/// Which kind of named thing is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// `[[policies]]`
    Policy,
    /// `[[peer_groups]]`
    PeerGroup,
    /// `[[prefix_sets]]`
    PrefixSet,
    /// `[[community_sets]]`
    CommunitySet,
    /// `[[as_path_sets]]`
    AsPathSet,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::PeerGroup => "peer group",
            Self::PrefixSet => "prefix set",
            Self::CommunitySet => "community set",
            Self::AsPathSet => "set of AS_PATH expressions",
        })
    }
}

/// `; did you mean X?` or nothing.
fn did_you_mean(near: Option<&str>) -> String {
    near.map(|n| format!("; did you mean {n:?}?")).unwrap_or_default()
}

/// The suggestion, or else everything that exists.
fn near_or_all(near: Option<&str>, all: &[String]) -> String {
    match (near, all) {
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, []) => "none is defined".to_owned(),
        (None, all) => format!("defined are {}", all.join(", ")),
    }
}

/// What is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// No TOML.
    #[error("this is no TOML: {reason}")]
    Syntax {
        /// What the TOML parser says.
        reason: String,
    },
    /// A key that its table does not have.
    #[error("unknown key {key:?} in {table}; {}", near_or_all(*near, known))]
    UnknownKey {
        /// The key.
        key: String,
        /// The table.
        table: &'static str,
        /// The key that was probably meant.
        near: Option<&'static str>,
        /// All that the table has.
        known: Vec<String>,
    },
    /// A key that its table needs.
    #[error("{table} needs {key:?}: {}", kind.replace('`', ""))]
    Missing {
        /// The key.
        key: &'static str,
        /// The table.
        table: &'static str,
        /// What it has to be.
        kind: &'static str,
    },
    /// A value of another type.
    #[error("{key:?} is {found} here; write {expected}")]
    WrongType {
        /// The key.
        key: String,
        /// What it is.
        found: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// A number out of range.
    #[error("{key:?} is {found}; write a number from {min} to {max}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The number.
        found: String,
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// A Hold Time of 1 or 2 s.
    #[error("\"hold_time\" is {0}; write 0 (no keepalives) or a number from 3 to 65535 (RFC 4271 §4.2)")]
    HoldTime(u32),
    /// AS_TRANS.
    #[error(
        "{0} stands for AS numbers of four octets toward old peers and can be nobody's own (RFC 6793 §9); write the real one"
    )]
    ReservedAsn(u32),
    /// A relative path.
    #[error("{key:?} has absolute paths; begin with \"/\"")]
    RelativePath {
        /// The key.
        key: String,
    },
    /// A word that is none of those possible.
    #[error("{key:?} cannot be {found:?}; write {expected}{}", did_you_mean(*near))]
    NotOneOf {
        /// The key.
        key: String,
        /// The word.
        found: String,
        /// What is possible.
        expected: &'static str,
        /// The word that was probably meant.
        near: Option<&'static str>,
    },
    /// No address.
    #[error("{text:?} is no address for {key:?}: {reason}")]
    Address {
        /// The key.
        key: String,
        /// The text.
        text: String,
        /// Why.
        reason: AddressError,
    },
    /// No BGP Identifier.
    #[error("{text:?} is no value for {key:?}: write four numbers as in an IPv4 address, not 0.0.0.0 (RFC 6286 §2.1)")]
    Identifier {
        /// The key.
        key: String,
        /// The text.
        text: String,
    },
    /// No address with a port.
    #[error("{text:?} is no value for {key:?}: write ADDRESS:PORT, as in \"127.0.0.1:9179\" or \"[::1]:9179\"")]
    SocketAddress {
        /// The key.
        key: String,
        /// The text.
        text: String,
    },
    /// No prefix.
    #[error("{0}")]
    Prefix(#[from] PrefixParseError),
    /// No prefix with bounds.
    #[error("{text:?}: {reason}")]
    PrefixRange {
        /// The text.
        text: String,
        /// Why.
        reason: PrefixRangeError,
    },
    /// No community.
    #[error("{text:?} is no community: {reason}")]
    Community {
        /// The text.
        text: String,
        /// Why.
        reason: CommunityError,
    },
    /// No family.
    #[error("{0}")]
    Family(#[from] UnknownFamily),
    /// A text that is too long.
    #[error("{key:?} has {found} octets; {max} are possible")]
    TooLong {
        /// The key.
        key: String,
        /// Its length.
        found: usize,
        /// The most.
        max: usize,
    },
    /// A list that is too long.
    #[error("{key:?} has {found} entries; {max} are possible")]
    TooMany {
        /// The key.
        key: String,
        /// Its length.
        found: usize,
        /// The most.
        max: usize,
    },
    /// No pattern of interface names.
    #[error(
        "{text:?} is no pattern for {key:?}: write the name of an interface, at most 15 characters without slash, colon or \
         space, in which \"*\" stands for any characters and \"?\" for one"
    )]
    InterfaceGlob {
        /// The key.
        key: String,
        /// The text.
        text: String,
    },
    /// No name of an interface.
    #[error("{text:?} is no value for {key:?}: an interface name has 1 to 15 characters and no slash, colon or space")]
    Interface {
        /// The key.
        key: String,
        /// The text.
        text: String,
    },
    /// What stands for a key where keys are not shown.
    #[error(
        "\"(hidden)\" is what Heddle writes in place of a key; write the key itself, or its file as \"password_file\""
    )]
    HiddenPassword,
    /// An empty text or list.
    #[error("{key:?} is empty; write {expected}")]
    Empty {
        /// The key.
        key: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// A name or address that is defined before.
    #[error("{what} is defined in line {line} already; remove one of them")]
    Duplicate {
        /// What is defined twice.
        what: String,
        /// Where it is defined first.
        line: u32,
    },
    /// A name that is not defined.
    #[error("there is no {kind} {name:?}; {}", near_or_all(near.as_deref(), known))]
    UnknownName {
        /// What it would be.
        kind: NameKind,
        /// The name.
        name: String,
        /// The name that was probably meant.
        near: Option<String>,
        /// All that are defined.
        known: Vec<String>,
    },
    /// Keys or values that do not go together.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// An AS_PATH expression that does not compile.
    #[error("{text:?} is no AS_PATH expression: {reason}")]
    Expression {
        /// The expression.
        text: String,
        /// What the compiler says.
        reason: String,
    },
}

/// Keys or values that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Conflict {
    /// RFC 5082 sends with TTL 255 and measures the distance.
    #[error(
        "\"multihop\" and \"ttl_security\" exclude each other: keep \"ttl_security\" if the peer sends with TTL 255, \
         otherwise \"multihop\""
    )]
    MultihopTtlSecurity,
    /// Two keys for one thing.
    #[error("\"password\" and \"password_file\" exclude each other: keep one of them")]
    PasswordTwice,
    /// A connection is signed in one way.
    #[error("\"tcp_ao\" and a TCP MD5 key (\"password_file\", \"password\") exclude each other: keep one of them")]
    PasswordAndAo,
    /// RFC 5925 §3.1.
    #[error(
        "two keys of \"tcp_ao\" have the same number: give each a \"send_id\" and a \"recv_id\" of its own (RFC 5925 §3.1)"
    )]
    AoIdTwice,
    /// The table that the kernel looks after.
    #[error(
        "table 255 is that of the machine's own addresses, which the kernel looks after: write 254 (main) or a table of your own"
    )]
    LocalTable,
    /// A protocol number with two meanings.
    #[error("routes of this protocol are ours already (\"protocol\", \"adopt_protocols\"): remove it here")]
    ProtocolIsOurs,
    /// RFC 4271 §4.4.
    #[error(
        "\"keepalive\" is more than a third of \"hold_time\": write at most {most} or leave it out (RFC 4271 §4.4)"
    )]
    Keepalive {
        /// A third of the hold time.
        most: u32,
    },
    /// RFC 4456 is about iBGP.
    #[error("\"route_reflector_client\" is for iBGP peers: remove it, or set \"asn\" to ours (RFC 4456)")]
    ClientNotInternal,
    /// RFC 9234 is about eBGP.
    #[error("\"role\" is for eBGP peers: remove it (RFC 9234 §4)")]
    RoleInternal,
    /// RFC 7454 is about other networks.
    #[error("\"guard\" is for eBGP peers: remove it, or write \"guard = false\" where the group has one (RFC 7454 §6)")]
    GuardInternal,
    /// No two lengths in order.
    #[error("{key:?} is the shortest and the longest length that pass: write them like [8, 24]")]
    GuardLengths {
        /// The key.
        key: &'static str,
    },
    /// RFC 9234 §4.2.
    #[error("\"strict_role\" needs \"role\": add the role or remove \"strict_role\" (RFC 9234 §4.2)")]
    StrictWithoutRole,
    /// RFC 9494 §3.1.
    #[error("\"long_lived\" needs \"graceful_restart\": turn that on, or this off (RFC 9494 §4)")]
    LongLivedWithoutGracefulRestart,
    /// The router's own AS is what a peer sees anyway.
    #[error("\"local_as\" is the router's own \"asn\": remove it")]
    LocalAsIsOurs,
    /// One address is IPv4, the other IPv6.
    #[error("\"local_address\" and \"address\" are of different IP versions: use addresses of one version")]
    LocalAddressVersion,
    /// The interfaces differ.
    #[error("\"local_address\" is link-local on another interface than \"address\": use one interface for both")]
    LocalAddressZone,
    /// Nobody can connect.
    #[error("a passive peer needs an address to connect to, but \"listen\" of [router] is empty: add one there")]
    PassiveWithoutListener,
    /// Nobody can connect.
    #[error("a listen range needs an address to connect to, but \"listen\" of [router] is empty: add one there")]
    RangeWithoutListener,
    /// The speaker would talk to itself.
    #[error("this is our own address from \"listen\": write the peer's")]
    PeerIsOurselves,
    /// A group does not say what a listen range has to know.
    #[error("this peer group has no \"asn\", which a listen range needs: add \"asn\" to the group")]
    RangeGroupWithoutAsn,
    /// The first pause is longer than the longest.
    #[error("\"min\" of \"idle_hold\" is more than \"max\": exchange them")]
    IdleHoldOrder,
    /// Nothing to restart.
    #[error("\"restart_after\" goes with action = \"restart\" only: remove one of the two")]
    RestartAfterWithoutRestart,
    /// No number is in the range.
    #[error("\"ge\" is more than \"le\": exchange them")]
    RangeOrder,
    /// RFC 2545 §3.
    #[error("an IPv6 prefix needs an IPv6 next hop")]
    NextHopVersion,
    /// A rule without any effect.
    #[error("this rule does nothing: give \"then\" an action, or something to set, add, remove or prepend")]
    IdleRule,
    /// Nothing to match with.
    #[error("\"community_match\" needs \"community_set\" or \"communities\": add one or remove it")]
    CommunityMatchAlone,
}
