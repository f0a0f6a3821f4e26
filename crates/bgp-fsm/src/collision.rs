//! Which of two connections stays (RFC 4271 §6.8, RFC 6286 §2.3).

use heddle_bgp_core::{Asn, BgpId};

use crate::connection::Direction;

/// What decides a collision, of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) id: BgpId,
    pub(crate) asn: Asn,
}

/// Which connection stays: the one that the speaker with the higher BGP Identifier opened (RFC 4271 §6.8, identifiers
/// compared as unsigned numbers), or, where they are equal, the one with the higher AS number (RFC 6286 §2.3).
/// Both equal is an iBGP session between equal identifiers, which negotiation refuses.
pub(crate) fn keep(local: Side, remote: Side) -> Direction {
    if (local.id, local.asn) < (remote.id, remote.asn) { Direction::Incoming } else { Direction::Outgoing }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4271 §6.8 and RFC 6286 §2.3, and both sides come to the same connection.
    #[test]
    fn both_sides_keep_the_same_connection() {
        let side = |id, asn| Side { id: BgpId(id), asn: Asn(asn) };
        let rows = [
            (side(1, 65001), side(2, 65001), Direction::Incoming),
            (side(2, 1), side(1, 65001), Direction::Outgoing),
            // Unsigned: 10.0.0.1 is less than 200.0.0.1.
            (side(0x0a00_0001, 1), side(0xc800_0001, 1), Direction::Incoming),
            (side(7, 65001), side(7, 65002), Direction::Incoming),
            (side(7, 70000), side(7, 65002), Direction::Outgoing),
        ];
        for (local, remote, expected) in rows {
            assert_eq!(keep(local, remote), expected, "{local:?} {remote:?}");
            assert_ne!(keep(remote, local), expected, "seen from the other side it has the other direction");
        }
    }
}
