//! Addresses of peers and listeners, with the zone of a link-local address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// An IP address, with the interface where it is an IPv6 link-local one (`fe80::1%eth0`, RFC 4007 §11).
///
/// Parsing takes a zone only with a link-local IPv6 address, and demands one there: without it the address means
/// nothing to the kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    /// The address.
    pub ip: IpAddr,
    /// Name of the interface.
    pub zone: Option<String>,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not an IP address.
    #[error("write an IP address, as in \"192.0.2.7\", \"2001:db8::7\" or \"fe80::1%eth0\"")]
    Shape,
    /// A link-local address without an interface.
    #[error("a link-local address needs its interface, as in \"{0}%eth0\"")]
    ZoneMissing(IpAddr),
    /// An interface with an address that is not link-local.
    #[error("only a link-local address has an interface; write \"{0}\"")]
    ZoneNotAllowed(IpAddr),
    /// An interface name that Linux does not allow.
    #[error("an interface name has 1 to 15 characters and no slash or space")]
    ZoneName,
    /// The unspecified address, a multicast or the broadcast address.
    #[error("no peer can have this address; write the address of one host")]
    NotUnicast,
    /// The port is missing or no number from 0 to 65535.
    #[error("write ADDRESS:PORT with a port from 1 to 65535, as in \"192.0.2.1:179\" or \"[2001:db8::1]:179\"")]
    Port,
}

/// Whether an address is an IPv6 link-local one (fe80::/10).
pub(crate) const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

impl PeerAddress {
    /// Parses an address with an optional zone; what it may be used for is the caller's affair.
    fn parse(text: &str) -> Result<Self, AddressError> {
        let (ip, zone) = match text.split_once('%') {
            Some((ip, zone)) => (ip, Some(zone)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| AddressError::Shape)?;
        match zone {
            None if is_link_local(ip) => Err(AddressError::ZoneMissing(ip)),
            None => Ok(Self { ip, zone: None }),
            Some(_) if !is_link_local(ip) => Err(AddressError::ZoneNotAllowed(ip)),
            Some(zone) if !is_interface_name(zone) => Err(AddressError::ZoneName),
            Some(zone) => Ok(Self { ip, zone: Some(zone.to_owned()) }),
        }
    }
}

/// What Linux accepts as the name of an interface (`dev_valid_name`).
pub(crate) fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

/// A pattern that the name of an interface can match: `*` stands for any characters, `?` for one.
pub(crate) fn is_interface_glob(pattern: &str) -> bool {
    let characters = pattern.chars().filter(|c| *c != '*').count();
    !pattern.is_empty()
        && characters <= 15
        && !pattern.contains(|c: char| matches!(c, '/' | ':' | '[' | ']') || c.is_whitespace() || c.is_control())
}

impl From<IpAddr> for PeerAddress {
    fn from(ip: IpAddr) -> Self {
        Self { ip, zone: None }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            None => self.ip.fmt(f),
            Some(zone) => write!(f, "{}%{zone}", self.ip),
        }
    }
}

impl FromStr for PeerAddress {
    type Err = AddressError;
    /// The address of one host.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let address = Self::parse(s)?;
        let broadcast = matches!(address.ip, IpAddr::V4(a) if a.is_broadcast());
        if address.ip.is_unspecified() || address.ip.is_multicast() || broadcast {
            return Err(AddressError::NotUnicast);
        }
        Ok(address)
    }
}

/// An address and port on which the speaker accepts connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenAddress {
    /// The address; unspecified (`0.0.0.0`, `::`) for all of that family.
    pub address: PeerAddress,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.ip {
            IpAddr::V4(_) => write!(f, "{}:{}", self.address, self.port),
            IpAddr::V6(_) => write!(f, "[{}]:{}", self.address, self.port),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;
    /// `ADDRESS:PORT`, `[ADDRESS]:PORT`, or an address alone, which means port 179 (RFC 4271 §8.2.1).
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = PeerAddress::parse(s) {
            return Ok(Self { address, port: 179 });
        }
        let (address, port) = match s.strip_prefix('[') {
            Some(rest) => rest.split_once("]:").ok_or(AddressError::Port)?,
            None => s.rsplit_once(':').ok_or(AddressError::Port)?,
        };
        let address = PeerAddress::parse(address)?;
        if address.ip.is_ipv6() && !s.starts_with('[') {
            return Err(AddressError::Port);
        }
        let port = port.parse().map_err(|_| AddressError::Port)?;
        Ok(Self { address, port })
    }
}
