//! Addresses and CIDRs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use thiserror::Error;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The prefix length of one address: 32 or 128.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Why a text is no CIDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CidrError {
    /// Neither an address nor an address with a prefix length.
    #[error("no CIDR; write an address and a prefix length, such as 10.0.0.0/16 or fd00::/64")]
    Syntax,
    /// The address has bits beyond the prefix length.
    #[error("has bits set beyond its prefix length; write {0}")]
    HostBits(Cidr),
}

/// A CIDR without bits beyond its prefix length, such as `10.0.0.0/16`.
///
/// The order is that of the addresses, shorter prefixes first, IPv4 before IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNetwork);

impl Cidr {
    /// The CIDR of this length that holds the address; `None` if the length is not one of the family.
    #[must_use]
    pub fn of(address: IpAddr, length: u8) -> Option<Self> {
        Some(Self::masked(IpNetwork::new(address, length).ok()?))
    }

    /// The CIDR of exactly this address.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self(IpNetwork::from(address))
    }

    fn masked(network: IpNetwork) -> Self {
        Self(match network {
            IpNetwork::V4(n) => Ipv4Network::new(n.network(), n.prefix()).map_or(network, IpNetwork::V4),
            IpNetwork::V6(n) => Ipv6Network::new(n.network(), n.prefix()).map_or(network, IpNetwork::V6),
        })
    }

    /// The first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0.ip()
    }

    /// The prefix length.
    #[must_use]
    pub fn length(self) -> u8 {
        self.0.prefix()
    }

    /// IPv4 or IPv6.
    #[must_use]
    pub fn family(self) -> Family {
        Family::of(self.address())
    }

    /// Whether it holds one address only.
    #[must_use]
    pub fn is_host(self) -> bool {
        self.length() == self.family().bits()
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains_address(self, address: IpAddr) -> bool {
        self.0.contains(address)
    }

    /// Whether the other CIDR is this one or a part of it.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        other.length() >= self.length() && self.contains_address(other.address())
    }

    /// The address so many after the first one, if it is in the CIDR.
    #[must_use]
    pub fn nth(self, number: u32) -> Option<IpAddr> {
        let address = match self.address() {
            IpAddr::V4(first) => IpAddr::V4(u32::from(first).checked_add(number)?.into()),
            IpAddr::V6(first) => IpAddr::V6(u128::from(first).checked_add(number.into())?.into()),
        };
        self.contains_address(address).then_some(address)
    }

    /// Whether an address lies in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// An address alone means all of its bits. Bits beyond the prefix length are an error.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let network = InterfaceAddress::from_str(text)?.0;
        let masked = Self::masked(network);
        if masked.0 == network { Ok(masked) } else { Err(CidrError::HostBits(masked)) }
    }
}

/// The address of an interface and the network that it is in, such as `10.0.0.5/16`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddress(IpNetwork);

impl InterfaceAddress {
    /// Of an address and a prefix length; `None` if the length is not one of the family.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        IpNetwork::new(address, length).ok().map(Self)
    }

    /// The address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0.ip()
    }

    /// The prefix length.
    #[must_use]
    pub fn length(self) -> u8 {
        self.0.prefix()
    }

    /// The network that the address is in.
    #[must_use]
    pub fn network(self) -> Cidr {
        Cidr::masked(self.0)
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for InterfaceAddress {
    type Err = CidrError;

    /// An address alone means all of its bits.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address = IpAddr::from_str(address).map_err(|_| CidrError::Syntax)?;
        let bits = Family::of(address).bits();
        let length = match length {
            None => bits,
            Some(text) if text.bytes().all(|c| c.is_ascii_digit()) => text.parse().map_err(|_| CidrError::Syntax)?,
            Some(_) => return Err(CidrError::Syntax),
        };
        Self::new(address, length).ok_or(CidrError::Syntax)
    }
}

/// Why a text is no address of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PeerAddressError {
    /// No address.
    #[error("no address; write 192.0.2.1, 192.0.2.1:179, 2001:db8::1 or [2001:db8::1]:179")]
    Syntax,
    /// The part after the colon is no port.
    #[error("no port after the address; write a number from 1 to 65535")]
    Port,
    /// An address with the interface that it is on: Calico takes none.
    #[error("an address with a zone (%), which no BGPPeer can have; peer by a global address")]
    Zone,
}

/// `peerIP`: an address, and the port if it is not the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    /// The address.
    pub address: IpAddr,
    /// The TCP port, if the manifest has one.
    pub port: Option<NonZeroU16>,
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (address, None) => address.fmt(f),
            (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}"),
            (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
        }
    }
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        let port = |text: &str| {
            let digits = text.bytes().all(|c| c.is_ascii_digit());
            text.parse().ok().filter(|_| digits).ok_or(PeerAddressError::Port)
        };
        if let Ok(address) = IpAddr::from_str(text) {
            return Ok(Self { address, port: None });
        }
        if text.contains('%') {
            return Err(PeerAddressError::Zone);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']').ok_or(PeerAddressError::Syntax)?;
            let address = Ipv6Addr::from_str(address).map_err(|_| PeerAddressError::Syntax)?;
            let after = after.strip_prefix(':').ok_or(PeerAddressError::Port)?;
            return Ok(Self { address: address.into(), port: Some(port(after)?) });
        }
        let (address, after) = text.split_once(':').ok_or(PeerAddressError::Syntax)?;
        let address = Ipv4Addr::from_str(address).map_err(|_| PeerAddressError::Syntax)?;
        Ok(Self { address: address.into(), port: Some(port(after)?) })
    }
}
