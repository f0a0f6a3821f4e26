//! Structure of attributes that are carried but not used: TLVs have to fill them exactly.
//!
//! Nothing here keeps anything; a walk is linear in the octets that came.

use super::block::RawAttrs;
use crate::reader::{Reader, UnexpectedEnd};

/// The structure is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<UnexpectedEnd> for Malformed {
    fn from(_: UnexpectedEnd) -> Self {
        Self
    }
}

type Checked = Result<(), Malformed>;

fn require(holds: bool) -> Checked {
    if holds { Ok(()) } else { Err(Malformed) }
}

/// PMSI_TUNNEL (RFC 6514 §5): flags, tunnel type, label, identifier.
pub(crate) fn pmsi_tunnel(value: &[u8]) -> Checked {
    let mut r = Reader::new(value);
    let [_flags, kind, _label @ ..] = r.array::<5>()?;
    match kind {
        // No tunnel information.
        0 => require(r.is_empty()),
        // PIM-SSM, PIM-SM, BIDIR-PIM: a pair of addresses.
        3..=5 => require(r.len() == 8 || r.len() == 32),
        // Ingress replication: one address.
        6 => require(r.len() == 4 || r.len() == 16),
        _ => Ok(()),
    }
}

/// TUNNEL_ENCAP (RFC 9012 §2, §13): tunnel TLVs with sub-TLVs.
pub(crate) fn tunnel_encap(value: &[u8]) -> Checked {
    let mut r = Reader::new(value);
    while !r.is_empty() {
        r.u16()?;
        let len = usize::from(r.u16()?);
        let mut tunnel = r.sub(len)?;
        while !tunnel.is_empty() {
            // Sub-TLV types of 128 and more have a length of two octets (RFC 9012 §2).
            let long = tunnel.u8()? >= 128;
            let len = if long { usize::from(tunnel.u16()?) } else { usize::from(tunnel.u8()?) };
            tunnel.take(len)?;
        }
    }
    Ok(())
}

/// BGP-LS attribute (RFC 9552 §8.2.2).
pub(crate) fn bgp_ls(value: &[u8]) -> Checked {
    let mut r = Reader::new(value);
    while !r.is_empty() {
        r.u16()?;
        let len = usize::from(r.u16()?);
        r.take(len)?;
    }
    Ok(())
}

/// PREFIX_SID (RFC 8669 §3, §6; the SRv6 services of RFC 9252 §2).
pub(crate) fn prefix_sid(value: &[u8]) -> Checked {
    const LABEL_INDEX: u8 = 1;
    const ORIGINATOR_SRGB: u8 = 3;
    const SRV6_L3_SERVICE: u8 = 5;
    const SRV6_L2_SERVICE: u8 = 6;
    each_tlv(Reader::new(value), |kind, tlv| match kind {
        LABEL_INDEX => require(tlv.len() == 7),
        ORIGINATOR_SRGB => require(tlv.len() >= 8 && (tlv.len() - 2).is_multiple_of(6)),
        SRV6_L3_SERVICE | SRV6_L2_SERVICE => srv6_service(tlv),
        _ => Ok(()),
    })
}

/// A service TLV: one reserved octet and sub-TLVs (RFC 9252 §2, §3).
fn srv6_service(mut tlv: Reader<'_>) -> Checked {
    const SID_INFORMATION: u8 = 1;
    const SID_STRUCTURE: u8 = 1;
    tlv.u8()?;
    each_tlv(tlv, |kind, mut sub| {
        if kind != SID_INFORMATION {
            return Ok(());
        }
        // Reserved, SID, flags, endpoint behaviour, reserved (RFC 9252 §3.1).
        sub.take(21)?;
        // The structure has six octets (RFC 9252 §3.2.1).
        each_tlv(sub, |kind, value| require(kind != SID_STRUCTURE || value.len() == 6))
    })
}

/// Walks TLVs with a type of one octet and a length of two.
fn each_tlv(mut r: Reader<'_>, check: impl Fn(u8, Reader<'_>) -> Checked) -> Checked {
    while !r.is_empty() {
        let kind = r.u8()?;
        let len = usize::from(r.u16()?);
        check(kind, r.sub(len)?)?;
    }
    Ok(())
}

/// ATTR_SET (RFC 6368 §5, RFC 7606 §7.16): an AS and attributes that fill it.
pub(crate) fn attr_set(value: &[u8]) -> Checked {
    let mut r = Reader::new(value);
    r.u32()?;
    let mut inner = RawAttrs::new(r.rest());
    inner.by_ref().for_each(drop);
    require(inner.rest().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&[u8]) -> Checked;

    /// SRv6 services (RFC 9252 §2, §3): only what is known of them is judged.
    #[test]
    fn srv6_services() {
        let tlv = |kind: u8, value: &[u8]| {
            let [l0, l1] = u16::try_from(value.len()).expect("short").to_be_bytes();
            [&[kind, l0, l1][..], value].concat()
        };
        let service = |kind, sub: &[u8]| prefix_sid(&tlv(kind, &[&[0][..], sub].concat()));
        let sid = |octets: usize, inner: &[u8]| tlv(1, &[&vec![0; octets][..], inner].concat());
        for kind in [5, 6] {
            for (name, sub, expected) in [
                ("nothing inside", vec![], Ok(())),
                ("a SID", sid(21, &[]), Ok(())),
                ("a SID, cut", sid(20, &[]), Err(Malformed)),
                ("with its structure", sid(21, &tlv(1, &[0; 6])), Ok(())),
                ("with a structure of five octets", sid(21, &tlv(1, &[0; 5])), Err(Malformed)),
                ("with something else", sid(21, &tlv(2, &[0; 5])), Ok(())),
                ("with half a header", sid(21, &[1, 0]), Err(Malformed)),
                ("something else", tlv(2, &[9, 9]), Ok(())),
                ("something else, cut", vec![2, 0, 3, 9], Err(Malformed)),
            ] {
                assert_eq!(service(kind, &sub), expected, "{kind}: {name}");
            }
            assert_eq!(prefix_sid(&tlv(kind, &[])), Err(Malformed), "{kind}: without the reserved octet");
        }
        assert_eq!(prefix_sid(&tlv(99, &[1])), Ok(()), "unknown");
    }

    #[test]
    fn sound_and_malformed() {
        let label_index = [1, 0, 7, 0, 0, 0, 0, 0, 0, 9];
        let rows: &[(&str, Check, &[u8], Checked)] = &[
            ("PMSI, no tunnel", pmsi_tunnel, &[0, 0, 0, 0, 0], Ok(())),
            ("PMSI, too short", pmsi_tunnel, &[0, 6, 0, 0], Err(Malformed)),
            ("PMSI, ingress replication", pmsi_tunnel, &[0, 6, 0, 0, 0, 10, 0, 0, 2], Ok(())),
            ("PMSI, cut address", pmsi_tunnel, &[0, 6, 0, 0, 0, 10, 0, 0], Err(Malformed)),
            ("PMSI, no tunnel, octets behind", pmsi_tunnel, &[0, 0, 0, 0, 0, 9], Err(Malformed)),
            ("PMSI, PIM-SSM", pmsi_tunnel, &[0, 3, 0, 0, 0, 10, 0, 0, 1, 232, 0, 0, 1], Ok(())),
            ("PMSI, PIM-SM of IPv6", pmsi_tunnel, &[&[0, 4, 0, 0, 0][..], &[7; 32]].concat(), Ok(())),
            ("PMSI, BIDIR-PIM, cut", pmsi_tunnel, &[0, 5, 0, 0, 0, 10, 0, 0, 1, 232, 0, 0], Err(Malformed)),
            ("PMSI, ingress replication of IPv6", pmsi_tunnel, &[&[0, 6, 0, 0, 0][..], &[7; 16]].concat(), Ok(())),
            ("PMSI, unknown type", pmsi_tunnel, &[0, 99, 0, 0, 0, 1], Ok(())),
            ("tunnel", tunnel_encap, &[0, 7, 0, 3, 4, 1, 0], Ok(())),
            ("tunnel, long sub-TLV", tunnel_encap, &[0, 7, 0, 4, 200, 0, 1, 9], Ok(())),
            ("tunnel, empty TLV", tunnel_encap, &[0, 7, 0, 0], Ok(())),
            ("tunnel, cut header", tunnel_encap, &[0, 7, 0], Err(Malformed)),
            ("tunnel, cut TLV", tunnel_encap, &[0, 7, 0, 4, 1], Err(Malformed)),
            ("tunnel, sub-TLV overrun", tunnel_encap, &[0, 7, 0, 2, 1, 255], Err(Malformed)),
            ("link state", bgp_ls, &[4, 0, 0, 1, 9], Ok(())),
            ("link state, overrun", bgp_ls, &[4, 0, 0, 255, 0], Err(Malformed)),
            ("label index", prefix_sid, &label_index, Ok(())),
            ("label index, length 0", prefix_sid, &[1, 0, 0, 0, 0, 0], Err(Malformed)),
            ("28 zero octets", prefix_sid, &[0; 28], Err(Malformed)),
            ("SRGB", prefix_sid, &[3, 0, 8, 0, 0, 1, 2, 3, 4, 5, 6], Ok(())),
            ("SRGB, no range", prefix_sid, &[3, 0, 2, 0, 0], Err(Malformed)),
            ("attribute set", attr_set, &[0, 0, 0, 1, 0x40, 1, 1, 0], Ok(())),
            ("attribute set, cut", attr_set, &[0, 0, 0xfd, 0xe9, 0x40], Err(Malformed)),
            ("attribute set, no AS", attr_set, &[0, 0, 0], Err(Malformed)),
        ];
        for (name, check, value, expected) in rows {
            assert_eq!(check(value), *expected, "{name}");
        }
    }
}
