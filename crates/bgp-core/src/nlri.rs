//! NLRI: packed prefixes as UPDATEs carry them (RFC 4271 §4.3), with Path Identifiers (RFC 7911 §3).
//!
//! [`NlriSlice`] is a checked view: once made, its iterator cannot fail. Prefixes stay packed from the socket to the
//! table.

use std::fmt;

use thiserror::Error;

use crate::family::Family;
use crate::prefix::{Prefix, Prefix4, Prefix6};

/// Path Identifier (RFC 7911 §3); 0 on a session without ADD-PATH.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathId(pub u32);

impl fmt::Debug for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Display for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One route's key on the wire: prefix and Path Identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// The prefix.
    pub prefix: Prefix,
    /// 0 without ADD-PATH.
    pub path_id: PathId,
}

/// Whether NLRI carry a Path Identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathIds {
    /// Plain prefixes.
    Absent,
    /// Four octets of Path Identifier before each prefix (RFC 7911 §3).
    Present,
}

/// Packed NLRI that were checked: every length is possible and nothing is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NlriSlice<'a> {
    family: Family,
    path_ids: PathIds,
    bytes: &'a [u8],
}

/// Why a field of NLRI is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NlriError {
    /// A length above the family's maximum.
    #[error("prefix length {len} at octet {offset} exceeds the family's maximum")]
    Length {
        /// The length, in bits.
        len: u8,
        /// Where it stands in the field.
        offset: usize,
    },
    /// The field ends inside a prefix or a Path Identifier.
    #[error("the NLRI at octet {offset} is cut")]
    Cut {
        /// Where the prefix begins in the field.
        offset: usize,
    },
    /// A family that we do not carry.
    #[error("NLRI of {0} are not carried")]
    Family(Family),
}

impl<'a> NlriSlice<'a> {
    /// Checks `bytes` (RFC 7606 §5.3).
    ///
    /// # Errors
    /// The first malformed prefix.
    pub fn parse(family: Family, path_ids: PathIds, bytes: &'a [u8]) -> Result<Self, NlriError> {
        let max = family.max_prefix_len().ok_or(NlriError::Family(family))?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = bytes.len() - rest.len();
            let cut = NlriError::Cut { offset };
            if path_ids == PathIds::Present {
                rest = rest.get(4..).ok_or(cut)?;
            }
            let (&len, tail) = rest.split_first().ok_or(cut)?;
            if len > max {
                return Err(NlriError::Length { len, offset });
            }
            rest = tail.get(usize::from(len).div_ceil(8)..).ok_or(cut)?;
        }
        Ok(Self { family, path_ids, bytes })
    }

    /// A view of bytes that were checked before with the same family and form, as a batch of them is stored.
    /// Bytes that were not end the iteration early; nothing panics.
    #[must_use]
    pub const fn trusted(family: Family, path_ids: PathIds, bytes: &'a [u8]) -> Self {
        Self { family, path_ids, bytes }
    }

    /// The family.
    #[must_use]
    pub const fn family(self) -> Family {
        self.family
    }
    /// Whether Path Identifiers are present.
    #[must_use]
    pub const fn path_ids(self) -> PathIds {
        self.path_ids
    }
    /// The packed bytes.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }
    /// Whether there is no prefix.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }
    /// The prefixes in order.
    #[must_use]
    pub const fn iter(self) -> NlriIter<'a> {
        NlriIter { family: self.family, path_ids: self.path_ids, rest: self.bytes }
    }
}

impl fmt::Debug for NlriSlice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for NlriSlice<'a> {
    type Item = Nlri;
    type IntoIter = NlriIter<'a>;
    fn into_iter(self) -> NlriIter<'a> {
        self.iter()
    }
}

/// Iterates over a [`NlriSlice`]; host bits are masked (RFC 4271 §4.3).
#[derive(Clone, Debug)]
pub struct NlriIter<'a> {
    family: Family,
    path_ids: PathIds,
    rest: &'a [u8],
}

impl NlriIter<'_> {
    /// Octets of the prefixes that are still to come.
    #[must_use]
    pub const fn octets_left(&self) -> usize {
        self.rest.len()
    }
}

impl Iterator for NlriIter<'_> {
    type Item = Nlri;

    #[inline]
    fn next(&mut self) -> Option<Nlri> {
        let path_id = match self.path_ids {
            PathIds::Absent => PathId(0),
            PathIds::Present => {
                let (id, rest) = self.rest.split_first_chunk::<4>()?;
                self.rest = rest;
                PathId(u32::from_be_bytes(*id))
            }
        };
        let (&len, rest) = self.rest.split_first()?;
        let (octets, rest) = rest.split_at_checked(usize::from(len).div_ceil(8))?;
        self.rest = rest;
        let prefix = if self.family == Family::IPV4_UNICAST {
            let mut a = [0; 4];
            a.get_mut(..octets.len())?.copy_from_slice(octets);
            Prefix::V4(Prefix4::new(u32::from_be_bytes(a), len)?)
        } else {
            let mut a = [0; 16];
            a.get_mut(..octets.len())?.copy_from_slice(octets);
            Prefix::V6(Prefix6::new(u128::from_be_bytes(a), len)?)
        };
        Some(Nlri { prefix, path_id })
    }
}

/// The most octets that one encoded NLRI takes: Path Identifier, length, IPv6 address.
pub const MAX_NLRI_LEN: usize = 4 + 1 + 16;

/// Appends one prefix in wire form.
#[inline]
pub fn encode_nlri(out: &mut bytes::BytesMut, nlri: Nlri, path_ids: PathIds) {
    if path_ids == PathIds::Present {
        out.extend_from_slice(&nlri.path_id.0.to_be_bytes());
    }
    let len = nlri.prefix.len();
    let octets = usize::from(len).div_ceil(8);
    match nlri.prefix {
        Prefix::V4(p) => {
            let mut buf = [0; 5];
            buf[0] = len;
            buf[1..].copy_from_slice(&p.addr().to_be_bytes());
            out.extend_from_slice(buf.get(..=octets).unwrap_or(&buf));
        }
        Prefix::V6(p) => {
            let mut buf = [0; 17];
            buf[0] = len;
            buf[1..].copy_from_slice(&p.addr().to_be_bytes());
            out.extend_from_slice(buf.get(..=octets).unwrap_or(&buf));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Family = Family::IPV4_UNICAST;
    const V6: Family = Family::IPV6_UNICAST;

    fn nlri(text: &str, path_id: u32) -> Nlri {
        Nlri { prefix: text.parse().expect(text), path_id: PathId(path_id) }
    }

    /// Wire vectors, used in both directions (RFC 4271 §4.3, RFC 4760 §5, RFC 7911 §3).
    #[test]
    fn vectors() {
        use PathIds::{Absent, Present};
        let full6 = [&[128, 0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1]].concat();
        let rows: [(Family, PathIds, &[u8], Vec<Nlri>); 6] = [
            (V4, Absent, &[], vec![]),
            (V4, Absent, &[0], vec![nlri("0.0.0.0/0", 0)]),
            (
                V4,
                Absent,
                &[8, 10, 9, 10, 128, 24, 192, 0, 2, 32, 192, 0, 2, 1],
                vec![nlri("10.0.0.0/8", 0), nlri("10.128.0.0/9", 0), nlri("192.0.2.0/24", 0), nlri("192.0.2.1/32", 0)],
            ),
            (
                V4,
                Present,
                &[0, 0, 0, 7, 8, 10, 255, 0, 0, 1, 0],
                vec![nlri("10.0.0.0/8", 7), nlri("0.0.0.0/0", 0xff00_0001)],
            ),
            (V6, Absent, &full6, vec![nlri("2001:db8::1/128", 0)]),
            (V6, Present, &[0, 0, 1, 0, 33, 0x20, 1, 0x0d, 0xb8, 128], vec![nlri("2001:db8:8000::/33", 256)]),
        ];
        for (family, path_ids, octets, expected) in rows {
            let slice = NlriSlice::parse(family, path_ids, octets).expect("well-formed");
            assert_eq!((slice.family(), slice.path_ids(), slice.bytes()), (family, path_ids, octets));
            assert_eq!(slice.is_empty(), expected.is_empty());
            assert!(slice.iter().eq(expected.iter().copied()), "{slice:?}");
            assert!(NlriSlice::trusted(family, path_ids, octets) == slice);
            let mut out = bytes::BytesMut::new();
            expected.iter().for_each(|nlri| encode_nlri(&mut out, *nlri, path_ids));
            assert_eq!(out[..], *octets, "{slice:?}");
        }
    }

    /// RFC 4271 §4.3: bits behind the length say nothing.
    #[test]
    fn host_bits_are_masked() {
        let slice = NlriSlice::parse(V4, PathIds::Absent, &[9, 10, 255]).expect("well-formed");
        assert!(slice.iter().eq([nlri("10.128.0.0/9", 0)]));
    }

    /// RFC 7606 §5.3: what is wrong, and where in the field.
    #[test]
    fn malformed() {
        use PathIds::{Absent, Present};
        let mpls = Family::new(1, 4);
        let rows: [(Family, PathIds, &[u8], NlriError); 8] = [
            (V4, Absent, &[33, 1, 2, 3, 4, 5], NlriError::Length { len: 33, offset: 0 }),
            (V4, Absent, &[8, 10, 0, 33], NlriError::Length { len: 33, offset: 3 }),
            (V6, Absent, &[8, 0x20, 129], NlriError::Length { len: 129, offset: 2 }),
            (V4, Absent, &[8, 10, 16, 10], NlriError::Cut { offset: 2 }),
            (V4, Absent, &[8, 10, 8, 11, 24, 10, 1], NlriError::Cut { offset: 4 }),
            (V4, Present, &[0, 0, 0, 1, 8, 10, 0, 0, 0], NlriError::Cut { offset: 6 }),
            (V4, Present, &[0, 0, 0, 1, 8, 10, 0, 0, 0, 2], NlriError::Cut { offset: 6 }),
            (mpls, Absent, &[8, 10], NlriError::Family(mpls)),
        ];
        for (family, path_ids, octets, expected) in rows {
            assert_eq!(NlriSlice::parse(family, path_ids, octets).expect_err("malformed"), expected, "{octets:?}");
            // Bytes that nobody checked end the iteration, and nothing else.
            assert!(NlriSlice::trusted(family, path_ids, octets).iter().count() < 3);
        }
    }

    #[test]
    fn how_much_is_to_come() {
        let mut rest = NlriSlice::parse(V4, PathIds::Absent, &[8, 10, 24, 192, 0, 2]).expect("well-formed").iter();
        let left: Vec<usize> =
            std::iter::from_fn(|| Some(rest.octets_left()).filter(|_| rest.next().is_some())).collect();
        assert_eq!((left, rest.octets_left()), (vec![6, 4], 0));
        assert_eq!(PathId(4_000_000_000).to_string(), "4000000000");
    }

    /// The bound on one encoded NLRI is reached, and not passed.
    #[test]
    fn the_longest() {
        let mut out = bytes::BytesMut::new();
        encode_nlri(&mut out, nlri("2001:db8::1/128", 1), PathIds::Present);
        assert_eq!(out.len(), MAX_NLRI_LEN);
    }
}
