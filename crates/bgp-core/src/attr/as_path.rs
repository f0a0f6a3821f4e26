//! AS_PATH (RFC 4271 §4.3 b, §5.1.2; RFC 6793; confederation segments RFC 5065 §3).
//!
//! [`AsPathView`] reads a path of 4-octet AS numbers in place, [`AsPath`] owns one and changes it. The text is that of
//! FRR: `65001 65002 {1,2}`, confederation segments as `(1 2)` and `[1,2]`.

use std::fmt;

use crate::asn::{AsWidth, Asn};

/// The most AS numbers in one segment (one octet counts them).
pub const MAX_SEGMENT: usize = 255;

/// Type of a path segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SegmentKind {
    /// AS_SET, 1: unordered.
    Set = 1,
    /// AS_SEQUENCE, 2.
    Sequence = 2,
    /// AS_CONFED_SEQUENCE, 3 (RFC 5065 §3).
    ConfedSequence = 3,
    /// AS_CONFED_SET, 4 (RFC 5065 §3).
    ConfedSet = 4,
}

impl SegmentKind {
    /// The kind of its number.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Set),
            2 => Some(Self::Sequence),
            3 => Some(Self::ConfedSequence),
            4 => Some(Self::ConfedSet),
            _ => None,
        }
    }

    /// Whether it is inside a confederation.
    #[must_use]
    pub const fn is_confed(self) -> bool {
        matches!(self, Self::ConfedSequence | Self::ConfedSet)
    }

    /// Whether it is a set.
    #[must_use]
    pub const fn is_set(self) -> bool {
        matches!(self, Self::Set | Self::ConfedSet)
    }
}

/// One segment, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment<'a> {
    /// Its type.
    pub kind: SegmentKind,
    width: AsWidth,
    octets: &'a [u8],
}

impl<'a> Segment<'a> {
    /// How many AS numbers it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a segment has at least one AS")]
    pub const fn len(self) -> usize {
        self.octets.len() / octets_of(self.width)
    }

    /// What it counts in the length of a path: an AS_SET is 1 (RFC 4271 §9.1.2.2 a), confederation segments are 0
    /// (RFC 5065 §5.3).
    #[must_use]
    pub const fn hops(self) -> usize {
        match self.kind {
            SegmentKind::Sequence => self.len(),
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        }
    }

    /// Its AS numbers in order.
    pub fn asns(self) -> impl DoubleEndedIterator<Item = Asn> + ExactSizeIterator + Clone + 'a {
        let width = self.width;
        self.octets.chunks_exact(octets_of(width)).map(asn_of)
    }
}

const fn octets_of(width: AsWidth) -> usize {
    match width {
        AsWidth::Two => 2,
        AsWidth::Four => 4,
    }
}

fn asn_of(octets: &[u8]) -> Asn {
    match *octets {
        [a, b, c, d] => Asn(u32::from_be_bytes([a, b, c, d])),
        [a, b] => Asn(u32::from(u16::from_be_bytes([a, b]))),
        // Only whole numbers come here: chunks of two or four.
        _ => Asn(0),
    }
}

/// The segments of a path; ends at the first that is malformed.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    width: AsWidth,
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    /// Over the value of an AS_PATH with AS numbers of a width.
    #[must_use]
    pub const fn new(octets: &'a [u8], width: AsWidth) -> Self {
        Self { width, rest: octets }
    }

    /// What was not read: empty after the last segment of a well-formed path.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        let ([kind, count], rest) = self.rest.split_first_chunk::<2>()?;
        let kind = SegmentKind::from_octet(*kind)?;
        if *count == 0 {
            return None;
        }
        let (octets, rest) = rest.split_at_checked(usize::from(*count) * octets_of(self.width))?;
        self.rest = rest;
        Some(Segment { kind, width: self.width, octets })
    }
}

/// An AS_PATH of 4-octet AS numbers, read in place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AsPathView<'a>(pub &'a [u8]);

impl<'a> AsPathView<'a> {
    /// Its segments.
    #[must_use]
    pub const fn segments(self) -> Segments<'a> {
        Segments::new(self.0, AsWidth::Four)
    }

    /// All its AS numbers from left to right, those of sets and confederation segments too.
    pub fn asns(self) -> impl Iterator<Item = Asn> + Clone + 'a {
        self.segments().flat_map(Segment::asns)
    }

    /// Its length in the decision process (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3).
    #[must_use]
    pub fn hops(self) -> usize {
        self.segments().map(Segment::hops).sum()
    }

    /// How often an AS occurs.
    #[must_use]
    pub fn count(self, asn: Asn) -> usize {
        self.asns().filter(|a| *a == asn).count()
    }

    /// Whether an AS occurs.
    #[must_use]
    pub fn contains(self, asn: Asn) -> bool {
        self.asns().any(|a| a == asn)
    }

    /// The neighbouring AS: the first of the first AS_SEQUENCE, when nothing but confederation segments is before it
    /// (RFC 4271 §9.1.2.2 c, RFC 5065 §5.3).
    #[must_use]
    pub fn neighbor_as(self) -> Option<Asn> {
        let first = self.segments().find(|s| !s.kind.is_confed())?;
        if first.kind.is_set() { None } else { first.asns().next() }
    }

    /// The AS that originated the route: the last one, none when the path ends with a set or is empty.
    #[must_use]
    pub fn origin_as(self) -> Option<Asn> {
        let last = self.segments().last()?;
        if last.kind.is_set() { None } else { last.asns().next_back() }
    }

    /// Whether there is no segment.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether an AS_SET or AS_CONFED_SET occurs (RFC 9774).
    #[must_use]
    pub fn has_set(self) -> bool {
        self.segments().any(|s| s.kind.is_set())
    }

    /// An owned copy.
    #[must_use]
    pub fn to_owned(self) -> AsPath {
        AsPath { octets: self.0.to_vec() }
    }
}

impl fmt::Display for AsPathView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.segments().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            let (open, separator, close) = match segment.kind {
                SegmentKind::Sequence => ("", " ", ""),
                SegmentKind::Set => ("{", ",", "}"),
                SegmentKind::ConfedSequence => ("(", " ", ")"),
                SegmentKind::ConfedSet => ("[", ",", "]"),
            };
            f.write_str(open)?;
            for (n, asn) in segment.asns().enumerate() {
                if n > 0 {
                    f.write_str(separator)?;
                }
                asn.fmt(f)?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

impl fmt::Debug for AsPathView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// An AS_PATH that can be changed. Always well-formed.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct AsPath {
    octets: Vec<u8>,
}

impl AsPath {
    /// The empty path, of a route that originates in our AS.
    #[must_use]
    pub const fn new() -> Self {
        Self { octets: Vec::new() }
    }

    /// The path of one AS_SEQUENCE (more where it exceeds 255).
    #[must_use]
    pub fn from_asns(asns: &[Asn]) -> Self {
        let mut path = Self::new();
        path.push_segment(SegmentKind::Sequence, asns);
        path
    }

    /// Reads the value of an AS_PATH; none when it is malformed (RFC 7606 §7.2).
    #[must_use]
    pub fn from_octets(octets: &[u8], width: AsWidth) -> Option<Self> {
        let mut segments = Segments::new(octets, width);
        let mut path = Self { octets: Vec::with_capacity(octets.len()) };
        for segment in &mut segments {
            push_raw(&mut path.octets, segment.kind, segment.asns());
        }
        segments.rest().is_empty().then_some(path)
    }

    /// Read in place.
    #[must_use]
    pub fn view(&self) -> AsPathView<'_> {
        AsPathView(&self.octets)
    }

    /// The value in wire form, with 4-octet AS numbers.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Appends segments of a kind; more than one where `asns` exceeds 255.
    pub fn push_segment(&mut self, kind: SegmentKind, asns: &[Asn]) {
        for chunk in asns.chunks(MAX_SEGMENT) {
            push_raw(&mut self.octets, kind, chunk.iter().copied());
        }
    }

    /// Puts `asn` before the path `times` times; a new segment begins where the first has 255 already
    /// (RFC 4271 §5.1.2 b).
    pub fn prepend(&mut self, asn: Asn, times: usize) {
        let mut old = self.view().segments();
        let first = old.next().filter(|s| s.kind == SegmentKind::Sequence);
        // What of `times` still fits in the first segment; the rest makes segments of its own before it.
        let joined = first.map_or(0, |s| times.min(MAX_SEGMENT - s.len()));
        let tail = if joined > 0 { old.rest() } else { &self.octets };
        let mut octets = Vec::with_capacity(self.octets.len() + times * 4 + 8);
        let mut before = times - joined;
        while before > 0 {
            // The short one is leftmost, where the next prepend finds room.
            let part = (before - 1) % MAX_SEGMENT + 1;
            push_raw(&mut octets, SegmentKind::Sequence, std::iter::repeat_n(asn, part));
            before -= part;
        }
        if let Some(first) = first.filter(|_| joined > 0) {
            push_raw(&mut octets, SegmentKind::Sequence, std::iter::repeat_n(asn, joined).chain(first.asns()));
        }
        octets.extend_from_slice(tail);
        self.octets = octets;
    }

    /// Removes private AS numbers (RFC 6996 §5), except `keep`; segments that become empty go.
    pub fn remove_private(&mut self, keep: Option<Asn>) {
        self.rebuild(|asn| (!asn.is_private() || keep == Some(asn)).then_some(asn));
    }

    /// Replaces an AS wherever it occurs.
    pub fn replace(&mut self, old: Asn, new: Asn) {
        self.rebuild(|asn| Some(if asn == old { new } else { asn }));
    }

    /// Removes the segments of confederations (RFC 5065 §4.1).
    pub fn remove_confed(&mut self) {
        let mut octets = Vec::with_capacity(self.octets.len());
        for segment in self.view().segments().filter(|s| !s.kind.is_confed()) {
            push_raw(&mut octets, segment.kind, segment.asns());
        }
        self.octets = octets;
    }

    fn rebuild(&mut self, change: impl Fn(Asn) -> Option<Asn>) {
        let mut octets = Vec::with_capacity(self.octets.len());
        for segment in self.view().segments() {
            let kept = segment.asns().filter_map(&change);
            if kept.clone().next().is_some() {
                push_raw(&mut octets, segment.kind, kept);
            }
        }
        self.octets = octets;
    }
}

/// Appends one segment; `asns` has at most 255.
pub(crate) fn push_raw(out: &mut Vec<u8>, kind: SegmentKind, asns: impl Iterator<Item = Asn>) {
    let at = out.len();
    out.extend_from_slice(&[kind as u8, 0]);
    let mut count: u8 = 0;
    for asn in asns.take(MAX_SEGMENT) {
        out.extend_from_slice(&asn.0.to_be_bytes());
        count += 1;
    }
    if let Some(octet) = out.get_mut(at + 1) {
        *octet = count;
    }
}

impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl fmt::Debug for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(test)]
mod tests;
