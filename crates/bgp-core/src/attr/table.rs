//! The revised error handling of RFC 7606 as one table: a row for each attribute that this crate knows.
//!
//! The decoder asks the row for everything that can be said of an attribute without reading its value. What the value
//! has to be is checked beside the type (`tlv` here, the AS_PATH and next-hop checks of `update`), with the action
//! that the row names.

use super::code::{AttrCode, AttrFlags};
use crate::asn::AsWidth;
use crate::update::FaultAction;

/// Optional and Transitive, as they have to be (RFC 4271 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// Transitive only.
    WellKnown,
    /// Both.
    OptionalTransitive,
    /// Optional only.
    OptionalNonTransitive,
}

impl Category {
    /// The two bits.
    #[must_use]
    pub const fn flags(self) -> u8 {
        match self {
            Self::WellKnown => AttrFlags::TRANSITIVE,
            Self::OptionalTransitive => AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE,
            Self::OptionalNonTransitive => AttrFlags::OPTIONAL,
        }
    }
}

/// Which lengths a value may have, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LengthRule {
    /// Judged by its structure.
    Structure,
    /// This one.
    Exactly(usize),
    /// A multiple of this, not 0.
    MultipleOf(usize),
    /// This or more; the rest is judged by its structure.
    AtLeast(usize),
    /// By the width of AS numbers.
    AsWidth {
        /// On a session with 2-octet AS numbers.
        two: usize,
        /// On a session with 4-octet AS numbers.
        four: usize,
    },
}

impl LengthRule {
    /// Whether a length is possible.
    #[must_use]
    #[inline]
    pub const fn allows(self, len: usize, as_width: AsWidth) -> bool {
        // The commonest first: a comparison is cheaper than a jump by table.
        if let Self::Exactly(n) = self {
            return len == n;
        }
        match self {
            Self::Structure => true,
            Self::Exactly(n) => len == n,
            Self::MultipleOf(n) => len > 0 && len.is_multiple_of(n),
            Self::AtLeast(n) => len >= n,
            Self::AsWidth { two, four } => match as_width {
                AsWidth::Two => len == two,
                AsWidth::Four => len == four,
            },
        }
    }
}

/// Where an attribute belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// On every session.
    Any,
    /// On iBGP sessions; discarded when it comes from an external peer, whatever its value.
    Internal,
    /// On sessions with 2-octet AS numbers; a 4-octet speaker does not send it (RFC 6793 §4.1).
    TwoOctetAs,
    /// On sessions where AIGP is enabled (RFC 7311 §3.1).
    Aigp,
}

/// What is known of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its type.
    pub code: AttrCode,
    /// Optional and Transitive.
    pub category: Category,
    /// The lengths it may have.
    pub length: LengthRule,
    /// What is done when length or value are malformed.
    pub malformed: FaultAction,
    /// What is done when its flags are wrong.
    pub wrong_flags: FaultAction,
    /// Where it belongs; elsewhere it is discarded.
    pub scope: Scope,
    /// What says so.
    pub section: &'static str,
}

use Category::{OptionalNonTransitive, OptionalTransitive, WellKnown};
use FaultAction::{AttributeDiscard, SessionReset, TreatAsWithdraw};
use LengthRule::{AtLeast, Exactly, MultipleOf, Structure};

const fn row(
    code: AttrCode,
    category: Category,
    length: LengthRule,
    malformed: FaultAction,
    section: &'static str,
) -> Row {
    Row { code, category, length, malformed, wrong_flags: TreatAsWithdraw, scope: Scope::Any, section }
}

const fn scoped(scope: Scope, row: Row) -> Row {
    Row { scope, ..row }
}

/// The specification of the attribute asks for something else than RFC 7606 §3(c) when flags are wrong.
const fn flags_discard(row: Row) -> Row {
    Row { wrong_flags: AttributeDiscard, ..row }
}

/// The table, ascending by type.
pub static ROWS: [Row; AttrCode::KNOWN.len()] = [
    row(AttrCode::ORIGIN, WellKnown, Exactly(1), TreatAsWithdraw, "RFC 7606 §7.1"),
    row(AttrCode::AS_PATH, WellKnown, Structure, TreatAsWithdraw, "RFC 7606 §7.2"),
    row(AttrCode::NEXT_HOP, WellKnown, Exactly(4), TreatAsWithdraw, "RFC 7606 §7.3"),
    row(AttrCode::MULTI_EXIT_DISC, OptionalNonTransitive, Exactly(4), TreatAsWithdraw, "RFC 7606 §7.4"),
    scoped(Scope::Internal, row(AttrCode::LOCAL_PREF, WellKnown, Exactly(4), TreatAsWithdraw, "RFC 7606 §7.5")),
    row(AttrCode::ATOMIC_AGGREGATE, WellKnown, Exactly(0), AttributeDiscard, "RFC 7606 §7.6"),
    row(
        AttrCode::AGGREGATOR,
        OptionalTransitive,
        LengthRule::AsWidth { two: 6, four: 8 },
        AttributeDiscard,
        "RFC 7606 §7.7",
    ),
    row(AttrCode::COMMUNITIES, OptionalTransitive, MultipleOf(4), TreatAsWithdraw, "RFC 7606 §7.8"),
    scoped(
        Scope::Internal,
        row(AttrCode::ORIGINATOR_ID, OptionalNonTransitive, Exactly(4), TreatAsWithdraw, "RFC 7606 §7.9"),
    ),
    scoped(
        Scope::Internal,
        row(AttrCode::CLUSTER_LIST, OptionalNonTransitive, MultipleOf(4), TreatAsWithdraw, "RFC 7606 §7.10"),
    ),
    row(AttrCode::MP_REACH_NLRI, OptionalNonTransitive, AtLeast(5), SessionReset, "RFC 7606 §7.11"),
    row(AttrCode::MP_UNREACH_NLRI, OptionalNonTransitive, AtLeast(3), SessionReset, "RFC 7606 §7.12"),
    row(AttrCode::EXTENDED_COMMUNITIES, OptionalTransitive, MultipleOf(8), TreatAsWithdraw, "RFC 7606 §7.14"),
    flags_discard(scoped(
        Scope::TwoOctetAs,
        row(AttrCode::AS4_PATH, OptionalTransitive, Structure, AttributeDiscard, "RFC 6793 §6"),
    )),
    flags_discard(scoped(
        Scope::TwoOctetAs,
        row(AttrCode::AS4_AGGREGATOR, OptionalTransitive, Exactly(8), AttributeDiscard, "RFC 6793 §6"),
    )),
    row(AttrCode::PMSI_TUNNEL, OptionalTransitive, AtLeast(5), TreatAsWithdraw, "RFC 6514 §5"),
    row(AttrCode::TUNNEL_ENCAP, OptionalTransitive, Structure, TreatAsWithdraw, "RFC 9012 §13"),
    row(AttrCode::IPV6_EXTENDED_COMMUNITIES, OptionalTransitive, MultipleOf(20), TreatAsWithdraw, "RFC 7606 §7.15"),
    flags_discard(scoped(
        Scope::Aigp,
        row(AttrCode::AIGP, OptionalNonTransitive, Structure, AttributeDiscard, "RFC 7311 §3.2"),
    )),
    row(AttrCode::BGP_LS, OptionalNonTransitive, Structure, AttributeDiscard, "RFC 9552 §8.2.2"),
    row(AttrCode::LARGE_COMMUNITIES, OptionalTransitive, MultipleOf(12), TreatAsWithdraw, "RFC 8092 §6"),
    row(AttrCode::OTC, OptionalTransitive, Exactly(4), TreatAsWithdraw, "RFC 9234 §5"),
    row(AttrCode::PREFIX_SID, OptionalTransitive, Structure, AttributeDiscard, "RFC 8669 §6"),
    row(AttrCode::ATTR_SET, OptionalTransitive, AtLeast(4), TreatAsWithdraw, "RFC 7606 §7.16"),
];

const NO_ROW: u8 = u8::MAX;

/// Position in [`ROWS`] by type; rows stand in the order of [`AttrCode::KNOWN`], as a test sees to.
#[expect(clippy::indexing_slicing, reason = "evaluated when the crate is built")]
static POSITIONS: [u8; 256] = {
    let mut positions = [NO_ROW; 256];
    let mut n: u8 = 0;
    while (n as usize) < AttrCode::KNOWN.len() {
        positions[AttrCode::KNOWN[n as usize].0 as usize] = n;
        n += 1;
    }
    positions
};

/// The row of a type; none for one that this crate does not know.
#[must_use]
#[inline]
pub fn lookup(code: AttrCode) -> Option<&'static Row> {
    ROWS.get(usize::from(*POSITIONS.get(usize::from(code.0))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code that the crate knows has its own row, and no row has a code that it does not know.
    #[test]
    fn every_known_code_has_a_row() {
        for code in AttrCode::KNOWN {
            assert_eq!(lookup(*code).map(|r| r.code), Some(*code), "{code} has no row, or its row is out of order");
        }
        for code in (0..=255).map(AttrCode).filter(|c| !AttrCode::KNOWN.contains(c)) {
            assert_eq!(lookup(code), None, "{code}");
        }
        assert!(ROWS.is_sorted_by_key(|r| r.code));
    }

    /// The actions of RFC 7606 §7 and of the attributes that came later, one by one.
    #[test]
    fn actions() {
        let discard = [6, 7, 17, 18, 26, 29, 40];
        let reset = [14, 15];
        for row in &ROWS {
            let expected = match row.code.0 {
                c if discard.contains(&c) => AttributeDiscard,
                c if reset.contains(&c) => SessionReset,
                _ => TreatAsWithdraw,
            };
            assert_eq!(row.malformed, expected, "{}", row.code);
            assert!(row.section.starts_with("RFC "), "{}", row.code);
        }
    }

    /// RFC 4271 §5, RFC 7606 §3(c), and where each attribute belongs: §7.5, §7.9, §7.10, RFC 6793 §4.1, RFC 7311 §3.1.
    #[test]
    fn flags_and_scopes() {
        for row in &ROWS {
            let (flags, scope) = match row.code.0 {
                1 | 2 | 3 | 6 => (0x40, Scope::Any),
                5 => (0x40, Scope::Internal),
                4 | 14 | 15 | 29 => (0x80, Scope::Any),
                9 | 10 => (0x80, Scope::Internal),
                26 => (0x80, Scope::Aigp),
                17 | 18 => (0xc0, Scope::TwoOctetAs),
                _ => (0xc0, Scope::Any),
            };
            assert_eq!((row.category.flags(), row.scope), (flags, scope), "{}", row.code);
            let wrong_flags = if matches!(row.code.0, 17 | 18 | 26) { AttributeDiscard } else { TreatAsWithdraw };
            assert_eq!(row.wrong_flags, wrong_flags, "{}", row.code);
        }
    }

    #[test]
    fn lengths() {
        assert!(Exactly(4).allows(4, AsWidth::Four) && Exactly(0).allows(0, AsWidth::Two));
        assert!(!Exactly(4).allows(3, AsWidth::Four) && !Exactly(4).allows(5, AsWidth::Four));
        assert!(Structure.allows(0, AsWidth::Four) && Structure.allows(70_000, AsWidth::Four));
        assert!(AtLeast(5).allows(6, AsWidth::Four) && MultipleOf(4).allows(4, AsWidth::Four));
        assert!(MultipleOf(4).allows(8, AsWidth::Four));
        assert!(!MultipleOf(4).allows(0, AsWidth::Four));
        assert!(!MultipleOf(4).allows(6, AsWidth::Four));
        let aggregator = LengthRule::AsWidth { two: 6, four: 8 };
        assert!(aggregator.allows(6, AsWidth::Two) && aggregator.allows(8, AsWidth::Four));
        assert!(!aggregator.allows(8, AsWidth::Two) && !aggregator.allows(6, AsWidth::Four));
        assert!(AtLeast(5).allows(5, AsWidth::Four) && !AtLeast(5).allows(4, AsWidth::Four));
    }
}
