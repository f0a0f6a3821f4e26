//! Addresses, families and times as the API writes them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use ipnetwork::IpNetwork;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The address of a peer: an IP address, with the interface where it is link-local (`fe80::1%eth0`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    ip: IpAddr,
    interface: Option<String>,
}

impl PeerAddress {
    /// The address of a peer, and the interface on which a link-local one is.
    #[must_use]
    pub const fn new(ip: IpAddr, interface: Option<String>) -> Self {
        Self { ip, interface }
    }
    /// The IP address.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }
    /// The interface of a link-local address.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }
}

impl From<IpAddr> for PeerAddress {
    fn from(ip: IpAddr) -> Self {
        Self { ip, interface: None }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            None => self.ip.fmt(f),
            Some(interface) => write!(f, "{}%{interface}", self.ip),
        }
    }
}

/// The text is no address of a peer, and no prefix where one was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is not {wanted}")]
pub struct InvalidAddress {
    text: String,
    wanted: &'static str,
}

const WANTED_PEER: &str = "the address of a peer; write an IPv4 or IPv6 address, with the interface if it is link-local: \
                           192.0.2.7, 2001:db8::7 or fe80::1%eth0";
const WANTED_PREFIX: &str = "an IP prefix or address; write for example 10.1.0.0/16, 10.1.2.3 or 2001:db8::/32";

impl FromStr for PeerAddress {
    type Err = InvalidAddress;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let error = || InvalidAddress { text: s.to_owned(), wanted: WANTED_PEER };
        let (ip, interface) = match s.split_once('%') {
            None => (s, None),
            Some((ip, interface)) => (ip, Some(interface)),
        };
        let ip: IpAddr = ip.parse().map_err(|_| error())?;
        // IFNAMSIZ is 16 with the final zero; names have neither spaces nor slashes (Linux dev_valid_name).
        let valid = |name: &str| {
            (1..16).contains(&name.len()) && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
        };
        match interface {
            None => Ok(Self { ip, interface: None }),
            Some(name) if ip.is_ipv6() && valid(name) => Ok(Self { ip, interface: Some(name.to_owned()) }),
            Some(_) => Err(error()),
        }
    }
}

impl Serialize for PeerAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The prefix that a user meant: host bits are cleared, and an address alone is the prefix of its full length.
///
/// # Errors
/// [`InvalidAddress`] when the text is neither.
pub fn prefix_of(text: &str) -> Result<IpNetwork, InvalidAddress> {
    let error = || InvalidAddress { text: text.to_owned(), wanted: WANTED_PREFIX };
    let network: IpNetwork = match text.split_once('/') {
        // Numbers only: a netmask like /255.0.0.0 is not meant here.
        Some((_, len)) if !len.bytes().all(|b| b.is_ascii_digit()) => return Err(error()),
        Some(_) | None => text.parse().map_err(|_| error())?,
    };
    IpNetwork::new(network.network(), network.prefix()).map_err(|_| error())
}

/// An address family that the API carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4 unicast.
    #[serde(rename = "ipv4-unicast")]
    Ipv4Unicast,
    /// IPv6 unicast.
    #[serde(rename = "ipv6-unicast")]
    Ipv6Unicast,
}

impl Family {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Ipv4Unicast, Self::Ipv6Unicast];

    /// The name in configuration, API and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4Unicast => "ipv4-unicast",
            Self::Ipv6Unicast => "ipv6-unicast",
        }
    }

    /// The family of a prefix.
    #[must_use]
    pub const fn of(prefix: &IpNetwork) -> Self {
        match prefix {
            IpNetwork::V4(_) => Self::Ipv4Unicast,
            IpNetwork::V6(_) => Self::Ipv6Unicast,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is no family that the API carries.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown address family {0:?}; known are \"ipv4-unicast\" and \"ipv6-unicast\" (short: \"ipv4\", \"ipv6\")")]
pub struct UnknownFamily(pub String);

impl FromStr for Family {
    type Err = UnknownFamily;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "ipv4-unicast" | "ipv4" => Ok(Self::Ipv4Unicast),
            "ipv6-unicast" | "ipv6" => Ok(Self::Ipv6Unicast),
            other => Err(UnknownFamily(other.to_owned())),
        }
    }
}

/// A point in time on the wall clock, to the millisecond; RFC 3339 in UTC (`2026-05-04T10:00:00.25Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(jiff::Timestamp);

impl WallTime {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The time `ago` before this one.
    #[must_use]
    pub fn before(self, ago: Duration) -> Self {
        let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        let ms = self.0.as_millisecond().saturating_sub(ago);
        Self(jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or(0)
    }

    /// Date and time to the second with a space between: `2026-05-04 10:00:00`.
    #[must_use]
    pub fn to_seconds(self) -> String {
        self.0.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Date and time to the millisecond with a space between: `2026-05-04 10:00:00.250`.
    #[must_use]
    pub fn to_millis(self) -> String {
        self.0.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
    }
}

impl From<SystemTime> for WallTime {
    fn from(time: SystemTime) -> Self {
        let ms = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        Self(jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
