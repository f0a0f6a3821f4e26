//! The fields of a line, into a buffer: no formatting machinery on the hot path.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle_bgp_core::Prefix;
use heddle_bgp_core::attr::NextHop;

use crate::attrs::{
    AS_CONFED_SEQUENCE, AS_CONFED_SET, AS_SEQUENCE, AS_SET, Aggregator, BadPath, Merged, RawSegment, merged, segments,
};

/// From so many octets on bgpdump ends a path with an ellipsis.
const LONGEST_PATH: usize = 7900;

pub(super) fn push_number(out: &mut Vec<u8>, mut n: u32) {
    let mut digits = [0; 10];
    let mut len = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
        len += 1;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(10 - len..).unwrap_or_default());
}

/// The number as its bits read in two's complement.
pub(super) fn push_signed(out: &mut Vec<u8>, n: u32) {
    let n = n.cast_signed();
    if n < 0 {
        out.push(b'-');
    }
    push_number(out, n.unsigned_abs());
}

fn push_v4(out: &mut Vec<u8>, addr: Ipv4Addr) {
    for (i, octet) in addr.octets().into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        push_number(out, octet.into());
    }
}

/// As bgpdump writes it: the first of the longest runs of zeros is `::`, a single zero too; IPv4-mapped and
/// IPv4-compatible addresses have dots.
fn push_v6(out: &mut Vec<u8>, addr: Ipv6Addr) {
    let segments = addr.segments();
    if let [0, 0, 0, 0, 0, mapped @ (0 | 0xffff), high, low] = segments
        && (mapped != 0 || high != 0 || low > 1)
    {
        out.extend_from_slice(if mapped == 0 { b"::" } else { b"::ffff:" });
        return push_v4(out, Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    }
    let run = |from: usize| segments.iter().skip(from).take_while(|s| **s == 0).count();
    let longest = (0..8).map(run).max().unwrap_or(0);
    let zeros = (0..8).find(|from| longest > 0 && run(*from) == longest).map(|from| from..from + longest);
    for (i, segment) in segments.into_iter().enumerate() {
        match &zeros {
            Some(zeros) if zeros.start == i => out.extend_from_slice(if i == 0 { b"::" } else { b":" }),
            Some(zeros) if zeros.contains(&i) => {}
            Some(_) | None => {
                push_hex(out, segment);
                if i != 7 {
                    out.push(b':');
                }
            }
        }
    }
}

fn push_hex(out: &mut Vec<u8>, n: u16) {
    let mut started = false;
    for shift in [12, 8, 4, 0] {
        let digit = u8::try_from(n >> shift & 15).unwrap_or(0);
        started |= digit != 0 || shift == 0;
        if started {
            out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
    }
}

pub(super) fn push_addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(a) => push_v4(out, a),
        IpAddr::V6(a) => push_v6(out, a),
    }
}

pub(super) fn push_prefix(out: &mut Vec<u8>, prefix: Prefix) {
    push_addr(out, prefix.addr());
    out.push(b'/');
    push_number(out, prefix.len().into());
}

/// NEXT_HOP; all ones where there is none.
pub(super) fn push_ipv4(out: &mut Vec<u8>, addr: Option<Ipv4Addr>) {
    push_v4(out, addr.unwrap_or(Ipv4Addr::BROADCAST));
}

pub(super) fn push_next_hop(out: &mut Vec<u8>, next_hop: NextHop) {
    push_addr(out, next_hop.addr());
}

pub(super) fn push_origin(out: &mut Vec<u8>, origin: Option<u8>) {
    out.extend_from_slice(match origin {
        Some(0) => b"IGP",
        Some(1) => b"EGP",
        Some(_) | None => b"INCOMPLETE",
    });
}

/// `ASN ADDRESS`; nothing where there is none, or its address is all ones.
pub(super) fn push_aggregator(out: &mut Vec<u8>, aggregator: Option<Aggregator>) {
    if let Some(Aggregator { asn, addr }) = aggregator.filter(|a| a.addr != Ipv4Addr::BROADCAST) {
        push_number(out, asn.0);
        out.push(b' ');
        push_v4(out, addr);
    }
}

/// RFC 1997: three have names, with those that bgpdump gives them.
pub(super) fn push_communities(out: &mut Vec<u8>, octets: &[u8]) {
    for (i, community) in octets.as_chunks::<4>().0.iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        let [a, b, c, d] = *community;
        match u32::from_be_bytes(*community) {
            0xffff_ff01 => out.extend_from_slice(b"no-export"),
            0xffff_ff02 => out.extend_from_slice(b"no-advertise"),
            0xffff_ff03 => out.extend_from_slice(b"local-AS"),
            _ => {
                push_number(out, u16::from_be_bytes([a, b]).into());
                out.push(b':');
                push_number(out, u16::from_be_bytes([c, d]).into());
            }
        }
    }
}

/// AS_PATH: numbers with spaces; sets in braces, confederations in parentheses and brackets.
pub(super) fn push_path(out: &mut Vec<u8>, path: &Merged<'_>) {
    let Some(octets) = path.path else { return };
    let start = out.len();
    let pushed = match path.newer {
        None => PathText::new(out).segments(segments(octets, path.width)),
        Some(newer) => merged(octets, newer).and_then(|list| PathText::new(out).segments(list.into_iter().map(Ok))),
    };
    if pushed.is_err() {
        out.truncate(start);
        out.extend_from_slice(b"! Error !");
    }
}

struct PathText<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

const fn delimiters(kind: u8) -> Option<(u8, u8)> {
    match kind {
        AS_SET => Some((b'{', b'}')),
        AS_CONFED_SET => Some((b'[', b']')),
        AS_CONFED_SEQUENCE => Some((b'(', b')')),
        _ => None,
    }
}

impl<'a> PathText<'a> {
    const fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    fn segments<'b>(self, list: impl Iterator<Item = Result<RawSegment<'b>, BadPath>>) -> Result<(), BadPath> {
        let mut before = AS_SEQUENCE;
        let mut space = false;
        for segment in list {
            let segment = segment?;
            if let Some((_, end)) = delimiters(before) {
                self.out.push(end);
            }
            if space {
                self.out.push(b' ');
            }
            if let Some((start, _)) = delimiters(segment.kind) {
                self.out.push(start);
            }
            space = false;
            for asn in segment.asns() {
                if space {
                    self.out.push(if segment.is_set() { b',' } else { b' ' });
                }
                space = true;
                push_number(self.out, asn);
                if self.out.len() - self.start > LONGEST_PATH {
                    self.out.extend_from_slice(b"...");
                    return Ok(());
                }
            }
            before = segment.kind;
        }
        if let Some((_, end)) = delimiters(before) {
            self.out.push(end);
        }
        Ok(())
    }
}
