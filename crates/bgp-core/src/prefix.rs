//! IP prefixes: an address with its host bits zero, and a length in bits (RFC 4271 §4.3).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::family::Family;

/// An IPv4 prefix. Host bits are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix4 {
    addr: u32,
    len: u8,
}

/// An IPv6 prefix. Host bits are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix6 {
    /// In the order of the network. A `u128` is aligned to 16 octets: [`Prefix`] would take 48 in place of 20, in every table
    /// that has one in each entry.
    addr: [u8; 16],
    len: u8,
}

/// An IPv4 or IPv6 prefix; ordered by family, address, length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// IPv4.
    V4(Prefix4),
    /// IPv6.
    V6(Prefix6),
}

impl Prefix4 {
    /// The prefix of `addr` with `len` bits, host bits masked; none when `len` exceeds 32.
    #[must_use]
    pub const fn new(addr: u32, len: u8) -> Option<Self> {
        if len > 32 {
            return None;
        }
        let mask = if len == 0 { 0 } else { u32::MAX << (32 - len) };
        Some(Self { addr: addr & mask, len })
    }
    /// The address as a number, host bits zero.
    #[must_use]
    pub const fn addr(self) -> u32 {
        self.addr
    }
    /// Length in bits.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a length in bits, not a container")]
    pub const fn len(self) -> u8 {
        self.len
    }
    /// Whether `other` is equal to or more specific than `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        other.len >= self.len && (self.len == 0 || (self.addr ^ other.addr) >> (32 - self.len) == 0)
    }
}

impl Prefix6 {
    /// The prefix of `addr` with `len` bits, host bits masked; none when `len` exceeds 128.
    #[must_use]
    pub const fn new(addr: u128, len: u8) -> Option<Self> {
        if len > 128 {
            return None;
        }
        let mask = if len == 0 { 0 } else { u128::MAX << (128 - len) };
        Some(Self { addr: (addr & mask).to_be_bytes(), len })
    }
    /// The address as a number, host bits zero.
    #[must_use]
    pub const fn addr(self) -> u128 {
        u128::from_be_bytes(self.addr)
    }
    /// Length in bits.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a length in bits, not a container")]
    pub const fn len(self) -> u8 {
        self.len
    }
    /// Whether `other` is equal to or more specific than `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        other.len >= self.len && (self.len == 0 || (self.addr() ^ other.addr()) >> (128 - self.len) == 0)
    }
}

impl Prefix {
    /// The prefix of `addr` with `len` bits, host bits masked; none when `len` is longer than the address.
    #[must_use]
    pub fn new(addr: IpAddr, len: u8) -> Option<Self> {
        match addr {
            IpAddr::V4(a) => Prefix4::new(a.into(), len).map(Self::V4),
            IpAddr::V6(a) => Prefix6::new(a.into(), len).map(Self::V6),
        }
    }
    /// The address, host bits zero.
    #[must_use]
    pub fn addr(self) -> IpAddr {
        match self {
            Self::V4(p) => IpAddr::V4(Ipv4Addr::from(p.addr)),
            Self::V6(p) => IpAddr::V6(Ipv6Addr::from(p.addr)),
        }
    }
    /// Length in bits.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a length in bits, not a container")]
    pub const fn len(self) -> u8 {
        match self {
            Self::V4(p) => p.len,
            Self::V6(p) => p.len,
        }
    }
    /// Unicast family of the prefix.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4(_) => Family::IPV4_UNICAST,
            Self::V6(_) => Family::IPV6_UNICAST,
        }
    }
    /// Whether `other` is of the same family and equal to or more specific than `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        match (self, other) {
            (Self::V4(a), Self::V4(b)) => a.contains(b),
            (Self::V6(a), Self::V6(b)) => a.contains(b),
            (Self::V4(_), Self::V6(_)) | (Self::V6(_), Self::V4(_)) => false,
        }
    }
    /// Whether `addr` lies in the prefix.
    #[must_use]
    pub fn contains_addr(self, addr: IpAddr) -> bool {
        let host = if addr.is_ipv4() { 32 } else { 128 };
        Self::new(addr, host).is_some_and(|h| self.contains(h))
    }
}

impl From<Prefix4> for Prefix {
    fn from(p: Prefix4) -> Self {
        Self::V4(p)
    }
}

impl From<Prefix6> for Prefix {
    fn from(p: Prefix6) -> Self {
        Self::V6(p)
    }
}

impl fmt::Display for Prefix4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.addr), self.len)
    }
}
impl fmt::Display for Prefix6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from(self.addr), self.len)
    }
}
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(p) => p.fmt(f),
            Self::V6(p) => p.fmt(f),
        }
    }
}
impl fmt::Debug for Prefix4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Debug for Prefix6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixParseError {
    /// No slash.
    #[error("{0:?} is no prefix: write ADDRESS/LENGTH, as in 10.0.0.0/8 or 2001:db8::/32")]
    Shape(String),
    /// The length does not fit the address.
    #[error("{0:?} has an impossible length: 0 to 32 for IPv4, 0 to 128 for IPv6")]
    Length(String),
    /// Bits beyond the length are set.
    #[error("{0:?} has host bits set: did you mean {1}?")]
    HostBits(String, Prefix),
}

impl FromStr for Prefix {
    type Err = PrefixParseError;
    /// Parses `ADDRESS/LENGTH`; host bits that are set are an error.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let shape = || PrefixParseError::Shape(s.to_owned());
        let length = || PrefixParseError::Length(s.to_owned());
        let (addr, len) = s.split_once('/').ok_or_else(shape)?;
        let addr: IpAddr = addr.parse().map_err(|_| shape())?;
        let len: u8 = len.parse().map_err(|_| length())?;
        let prefix = Self::new(addr, len).ok_or_else(length)?;
        if prefix.addr() == addr { Ok(prefix) } else { Err(PrefixParseError::HostBits(s.to_owned(), prefix)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables have one in each entry, and its alignment is that of the entry.
    #[test]
    fn a_prefix_is_small() {
        assert_eq!((size_of::<Prefix6>(), size_of::<Prefix>(), align_of::<Prefix>()), (17, 20, 4));
    }

    /// Prefix, what lies in it, what does not: of prefixes and of addresses.
    #[test]
    fn what_lies_in_a_prefix() {
        let rows: [(&str, &[&str], &[&str]); 8] = [
            ("0.0.0.0/0", &["0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32"], &["::/0", "::1/128"]),
            (
                "10.0.0.0/8",
                &["10.0.0.0/8", "10.255.0.0/16", "10.0.0.1/32"],
                &["0.0.0.0/0", "10.0.0.0/7", "11.0.0.0/8", "11.0.0.1/32"],
            ),
            (
                "10.128.0.0/9",
                &["10.128.0.0/9", "10.255.255.255/32"],
                &["10.0.0.0/8", "10.0.0.0/9", "10.127.255.255/32"],
            ),
            ("192.0.2.1/32", &["192.0.2.1/32"], &["192.0.2.0/32", "192.0.2.0/31", "193.0.2.1/32"]),
            ("::/0", &["::/0", "2001:db8::/32", "::1/128"], &["0.0.0.0/0", "10.0.0.1/32"]),
            (
                "2001:db8::/32",
                &["2001:db8::/32", "2001:db8:1::/48", "2001:db8::1/128"],
                &["::/0", "2001:db8::/31", "2001:db9::/32"],
            ),
            ("8000::/1", &["8000::/1", "ffff::/16"], &["::/0", "::/1", "7fff::/16"]),
            ("2001:db8::1/128", &["2001:db8::1/128"], &["2001:db8::/128", "2001:db8::/127", "3001:db8::1/128"]),
        ];
        let prefix = |text: &str| text.parse::<Prefix>().expect(text);
        for (outer, inside, outside) in rows {
            let outer = prefix(outer);
            let host = |p: Prefix| p.len() == if p.addr().is_ipv4() { 32 } else { 128 };
            for (texts, expected) in [(inside, true), (outside, false)] {
                for p in texts.iter().map(|text| prefix(text)) {
                    assert_eq!(outer.contains(p), expected, "{p} in {outer}");
                    if host(p) {
                        assert_eq!(outer.contains_addr(p.addr()), expected, "{p} in {outer}");
                    }
                }
            }
        }
    }

    /// RFC 4271 §4.3: bits behind the length are irrelevant; a prefix has none.
    #[test]
    fn lengths_and_masks() {
        let rows: [(&str, u8, Option<&str>); 10] = [
            ("10.1.2.3", 0, Some("0.0.0.0/0")),
            ("10.1.2.3", 8, Some("10.0.0.0/8")),
            ("10.1.2.3", 31, Some("10.1.2.2/31")),
            ("10.1.2.3", 32, Some("10.1.2.3/32")),
            ("10.1.2.3", 33, None),
            ("2001:db8::3", 0, Some("::/0")),
            ("2001:db8::3", 32, Some("2001:db8::/32")),
            ("2001:db8::3", 127, Some("2001:db8::2/127")),
            ("2001:db8::3", 128, Some("2001:db8::3/128")),
            ("2001:db8::3", 129, None),
        ];
        for (addr, len, expected) in rows {
            let addr: IpAddr = addr.parse().expect(addr);
            let prefix = Prefix::new(addr, len);
            assert_eq!(prefix.map(|p| p.to_string()).as_deref(), expected, "{addr}/{len}");
            let Some(prefix) = prefix else { continue };
            assert_eq!(prefix.len(), len);
            let family = if addr.is_ipv4() { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST };
            assert_eq!(prefix.family(), family);
            match prefix {
                Prefix::V4(p) => {
                    assert_eq!((IpAddr::from(Ipv4Addr::from(p.addr())), p.len()), (prefix.addr(), len));
                    assert_eq!((p.to_string(), Prefix::from(p)), (prefix.to_string(), prefix));
                }
                Prefix::V6(p) => {
                    assert_eq!((IpAddr::from(Ipv6Addr::from(p.addr())), p.len()), (prefix.addr(), len));
                    assert_eq!((p.to_string(), Prefix::from(p)), (prefix.to_string(), prefix));
                }
            }
        }
    }

    #[test]
    fn what_is_no_prefix() {
        let error = |text: &str| text.parse::<Prefix>().expect_err(text);
        for text in ["", "10.0.0.0", "10.0.0/8", "a/8", "/8"] {
            assert_eq!(error(text), PrefixParseError::Shape(text.into()));
        }
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/256"] {
            assert_eq!(error(text), PrefixParseError::Length(text.into()));
        }
        let meant: Prefix = "10.0.0.0/8".parse().expect("a prefix");
        assert_eq!(error("10.0.0.1/8"), PrefixParseError::HostBits("10.0.0.1/8".into(), meant));
    }

    #[test]
    fn prefixes_are_in_the_order_of_family_address_and_length() {
        let sorted =
            ["10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "::/0", "100::/8", "200::/7", "200::/8", "2001:db8::/32"];
        let prefixes: Vec<Prefix> = sorted.iter().map(|text| text.parse().expect("a prefix")).collect();
        assert!(prefixes.is_sorted(), "{prefixes:?}");
        assert!(prefixes.iter().zip(sorted).all(|(prefix, text)| prefix.to_string() == text));
    }
}
