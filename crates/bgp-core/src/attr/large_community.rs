//! LARGE_COMMUNITIES (RFC 8092).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::community::number;
use super::items::Item;
use crate::reader::Reader;

/// A large community: an AS (Global Administrator) and two numbers that it gives meaning to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// Global Administrator.
    pub global: u32,
    /// Local Data Part 1.
    pub local1: u32,
    /// Local Data Part 2.
    pub local2: u32,
}

impl LargeCommunity {
    /// `global:local1:local2`.
    #[must_use]
    pub const fn new(global: u32, local1: u32, local2: u32) -> Self {
        Self { global, local1, local2 }
    }
}

impl Item for LargeCommunity {
    const LEN: usize = 12;
    fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut r = Reader::new(octets);
        Some(Self::new(r.u32().ok()?, r.u32().ok()?, r.u32().ok()?))
    }
    fn push(self, out: &mut Vec<u8>) {
        for part in [self.global, self.local1, self.local2] {
            out.extend_from_slice(&part.to_be_bytes());
        }
    }
}

impl fmt::Display for LargeCommunity {
    /// The canonical text of RFC 8092 §5.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl fmt::Debug for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no large community.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no large community: write AS:NUMBER:NUMBER, each at most 4294967295")]
pub struct LargeCommunityParseError(pub String);

impl FromStr for LargeCommunity {
    type Err = LargeCommunityParseError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = s.split(':');
            let parsed = Self::new(number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
            parts.next().is_none().then_some(parsed)
        };
        parse().ok_or_else(|| LargeCommunityParseError(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_both_ways() {
        let c = LargeCommunity::new(4_200_000_000, 0, u32::MAX);
        assert_eq!(c.to_string(), "4200000000:0:4294967295");
        assert_eq!(c.to_string().parse(), Ok(c));
        for text in ["", "1:2", "1:2:3:4", "4294967296:0:0", "a:b:c", "1::2"] {
            assert!(text.parse::<LargeCommunity>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn wire_both_ways() {
        let octets = [0, 0, 0xfd, 0xe9, 0, 0, 0, 1, 0, 0, 0, 2];
        let c = LargeCommunity::from_octets(&octets).expect("twelve octets");
        assert_eq!(c, LargeCommunity::new(65001, 1, 2));
        let mut out = Vec::new();
        c.push(&mut out);
        assert_eq!(out, octets);
    }
}
