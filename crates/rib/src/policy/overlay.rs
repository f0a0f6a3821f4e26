//! Changes on top of a canonical block: what policy and export work on, and what is written out in one pass at the end.
//!
//! Nothing is copied while nothing changes; a changed attribute is held beside the block until [`Overlay::write_to`].

use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::code::AttrFlags;
use heddle_bgp_core::attr::{AttrCode, BlockView, NextHop};
use smallvec::SmallVec;
use thiserror::Error;

/// The value of a changed attribute.
type Value = SmallVec<[u8; 24]>;

/// The largest block that can be interned and sent (RFC 8654 §4 bounds a message to 65,535 octets).
pub const MAX_BLOCK_LEN: usize = 65_535;

/// A changed block outgrew [`MAX_BLOCK_LEN`], so that no message could carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the changed attributes take more than {MAX_BLOCK_LEN} octets")]
pub struct BlockTooLong;

/// Whether a policy chose the next hop, so that the export rules leave it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NextHopChoice {
    /// No policy said anything: the peer's own setting decides.
    #[default]
    ByPeer,
    /// A policy set an address or asked for the next hop to stay.
    Fixed,
    /// A policy asked for our own address on the session.
    SelfAddress,
}

/// Who set MULTI_EXIT_DISC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MedOrigin {
    /// It is as it came.
    #[default]
    AsReceived,
    /// A policy set it, so it may go to another AS (RFC 4271 §5.1.4).
    Policy,
}

#[derive(Clone, Debug)]
struct Change {
    code: AttrCode,
    flags: u8,
    value: Option<Value>,
}

/// A canonical block with changes.
#[derive(Clone, Debug)]
pub struct Overlay<'a> {
    base: BlockView<'a>,
    changes: SmallVec<[Change; 6]>,
    /// What policies said about the next hop.
    pub next_hop_choice: NextHopChoice,
    /// Who set the MED.
    pub med_origin: MedOrigin,
}

impl<'a> Overlay<'a> {
    /// `base`, unchanged.
    #[must_use]
    pub fn new(base: BlockView<'a>) -> Self {
        Self {
            base,
            changes: SmallVec::new(),
            next_hop_choice: NextHopChoice::ByPeer,
            med_origin: MedOrigin::AsReceived,
        }
    }

    /// The block below the changes.
    #[must_use]
    pub const fn base(&self) -> BlockView<'a> {
        self.base
    }

    /// Whether an attribute was changed; a change back to the same value counts.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The value of an attribute, as changed.
    #[must_use]
    pub fn value(&self, code: AttrCode) -> Option<&[u8]> {
        match self.changes.iter().find(|c| c.code == code) {
            Some(change) => change.value.as_deref(),
            None => self.base.get(code).map(|a| a.value),
        }
    }

    /// A four-octet number, as changed.
    #[must_use]
    pub fn number(&self, code: AttrCode) -> Option<u32> {
        Some(u32::from_be_bytes(self.value(code)?.try_into().ok()?))
    }

    /// The next hop, as changed.
    #[must_use]
    pub fn next_hop(&self) -> Option<NextHop> {
        NextHop::from_octets(self.value(AttrCode::NEXT_HOP)?)
    }

    /// Sets an attribute; nothing happens when it has that value already. A Partial bit that stood there stays
    /// (RFC 4271 §5: it is never set back).
    pub fn set(&mut self, code: AttrCode, value: &[u8]) {
        if self.value(code) != Some(value) {
            let partial = self.base.get(code).map_or(0, |a| a.flags.0 & AttrFlags::PARTIAL);
            self.put(Change { code, flags: flags_of(code) | partial, value: Some(Value::from_slice(value)) });
        }
    }

    /// Sets a four-octet number.
    pub fn set_number(&mut self, code: AttrCode, number: u32) {
        self.set(code, &number.to_be_bytes());
    }

    /// Sets the next hop.
    pub fn set_next_hop(&mut self, next_hop: NextHop) {
        match next_hop {
            NextHop::V4(a) => self.set(AttrCode::NEXT_HOP, &a.octets()),
            NextHop::V6(a) => self.set(AttrCode::NEXT_HOP, &a.octets()),
            NextHop::V6LinkLocal(a, l) => {
                let mut octets = [0; 32];
                let (global, link_local) = octets.split_at_mut(16);
                global.copy_from_slice(&a.octets());
                link_local.copy_from_slice(&l.octets());
                self.set(AttrCode::NEXT_HOP, &octets);
            }
        }
    }

    /// Removes an attribute, if there is one.
    pub fn remove(&mut self, code: AttrCode) {
        if self.value(code).is_some() {
            self.put(Change { code, flags: 0, value: None });
        }
    }

    /// Sets the attribute to `value`, or removes it when that is empty: a list without members is not sent.
    pub fn set_list(&mut self, code: AttrCode, value: &[u8]) {
        if value.is_empty() { self.remove(code) } else { self.set(code, value) }
    }

    fn put(&mut self, change: Change) {
        match self.changes.iter_mut().find(|c| c.code >= change.code) {
            Some(c) if c.code == change.code => *c = change,
            Some(_) => {
                let at = self.changes.partition_point(|c| c.code < change.code);
                self.changes.insert(at, change);
            }
            None => self.changes.push(change),
        }
    }

    /// Writes the canonical block with all changes over `out`.
    ///
    /// # Errors
    /// The block would outgrow [`MAX_BLOCK_LEN`]; `out` is of no use then.
    pub fn write_to(&self, out: &mut Vec<u8>) -> Result<(), BlockTooLong> {
        out.clear();
        let mut changes = self.changes.iter().peekable();
        let push = |out: &mut Vec<u8>, change: &Change| match change.value.as_deref() {
            Some(value) if value.len() > MAX_BLOCK_LEN => Err(BlockTooLong),
            Some(value) => {
                push_attr(out, change.flags, change.code, value);
                Ok(())
            }
            None => Ok(()),
        };
        for attr in self.base {
            while let Some(change) = changes.next_if(|c| c.code < attr.code) {
                push(out, change)?;
            }
            match changes.next_if(|c| c.code == attr.code) {
                Some(change) => push(out, change)?,
                None => push_attr(out, attr.flags.0, attr.code, attr.value),
            }
        }
        for change in changes {
            push(out, change)?;
        }
        if out.len() > MAX_BLOCK_LEN { Err(BlockTooLong) } else { Ok(()) }
    }
}

/// The flags of an attribute that we make or rewrite.
fn flags_of(code: AttrCode) -> u8 {
    match code {
        AttrCode::ORIGIN
        | AttrCode::AS_PATH
        | AttrCode::NEXT_HOP
        | AttrCode::LOCAL_PREF
        | AttrCode::ATOMIC_AGGREGATE => AttrFlags::TRANSITIVE,
        AttrCode::INTERFACE
        | AttrCode::MULTI_EXIT_DISC
        | AttrCode::ORIGINATOR_ID
        | AttrCode::CLUSTER_LIST
        | AttrCode::AIGP => AttrFlags::OPTIONAL,
        _ => AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(attrs: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        attrs.iter().for_each(|(flags, code, value)| push_attr(&mut out, *flags, AttrCode(*code), value));
        out
    }

    #[test]
    fn unchanged_is_the_same_block() {
        let base = block(&[(0x40, 1, &[0]), (0x40, 2, &[]), (0x40, 3, &[1, 2, 3, 4]), (0xe0, 99, &[7; 300])]);
        let mut overlay = Overlay::new(BlockView(&base));
        overlay.set(AttrCode::ORIGIN, &[0]);
        overlay.remove(AttrCode::LOCAL_PREF);
        assert!(!overlay.is_changed());
        let mut out = Vec::new();
        overlay.write_to(&mut out).expect("fits");
        assert_eq!(out, base);
    }

    #[test]
    fn changes_keep_the_order_and_the_flags() {
        let base = block(&[
            (0x40, 1, &[0]),
            (0x40, 2, &[]),
            (0x80, 4, &[0, 0, 0, 9]),
            (0xe0, 8, &[0, 1, 0, 2]),
            (0xc0, 99, b"x"),
        ]);
        let mut overlay = Overlay::new(BlockView(&base));
        overlay.set(AttrCode::OTC, &[0, 0, 0, 1]);
        overlay.set(AttrCode::COMMUNITIES, &[0, 1, 0, 3]);
        overlay.remove(AttrCode::MULTI_EXIT_DISC);
        overlay.set_number(AttrCode::LOCAL_PREF, 200);
        overlay.set_number(AttrCode::LOCAL_PREF, 300);
        assert_eq!(overlay.number(AttrCode::LOCAL_PREF), Some(300));
        assert_eq!(overlay.value(AttrCode::MULTI_EXIT_DISC), None);
        let mut out = Vec::new();
        overlay.write_to(&mut out).expect("fits");
        let expected = block(&[
            (0x40, 1, &[0]),
            (0x40, 2, &[]),
            (0x40, 5, &300u32.to_be_bytes()),
            (0xe0, 8, &[0, 1, 0, 3]), // Partial stays.
            (0xc0, 35, &[0, 0, 0, 1]),
            (0xc0, 99, b"x"),
        ]);
        assert_eq!(out, expected);
    }

    /// RFC 4271 §4.3: well-known attributes are transitive; of the optional ones MED, ORIGINATOR_ID, CLUSTER_LIST (RFC 4456
    /// §8) and AIGP (RFC 7311 §3) are not, communities (RFC 1997, 4360, 8092) and OTC (RFC 9234 §5) are.
    #[test]
    fn flags_of_what_we_add() {
        let rows = [
            (AttrCode::ORIGIN, 0x40),
            (AttrCode::AS_PATH, 0x40),
            (AttrCode::NEXT_HOP, 0x40),
            (AttrCode::MULTI_EXIT_DISC, 0x80),
            (AttrCode::LOCAL_PREF, 0x40),
            (AttrCode::ATOMIC_AGGREGATE, 0x40),
            (AttrCode::COMMUNITIES, 0xc0),
            (AttrCode::ORIGINATOR_ID, 0x80),
            (AttrCode::CLUSTER_LIST, 0x80),
            (AttrCode::EXTENDED_COMMUNITIES, 0xc0),
            (AttrCode::AIGP, 0x80),
            (AttrCode::LARGE_COMMUNITIES, 0xc0),
            (AttrCode::OTC, 0xc0),
        ];
        for (code, flags) in rows {
            let mut overlay = Overlay::new(BlockView(&[]));
            overlay.set(code, &[1, 2, 3, 4]);
            let mut out = Vec::new();
            overlay.write_to(&mut out).expect("fits");
            assert_eq!(out, block(&[(flags, code.0, &[1, 2, 3, 4])]), "{code:?}");
        }
    }

    #[test]
    fn too_long_is_an_error() {
        let base = block(&[(0xc0, 99, &[0; 60_000])]);
        let mut overlay = Overlay::new(BlockView(&base));
        let mut out = Vec::new();
        overlay.set(AttrCode::AS_PATH, &[0; 5_000]);
        assert_eq!(overlay.write_to(&mut out), Ok(()));
        // The most that fits to the octet; each of the two has a header of four.
        overlay.set(AttrCode::AS_PATH, &[0; MAX_BLOCK_LEN - 60_000 - 8]);
        assert_eq!((overlay.write_to(&mut out), out.len()), (Ok(()), MAX_BLOCK_LEN));
        overlay.set(AttrCode::AS_PATH, &[0; MAX_BLOCK_LEN - 60_000 - 7]);
        assert_eq!(overlay.write_to(&mut out), Err(BlockTooLong));
        overlay.set(AttrCode::AS_PATH, &[0; 6_000]);
        assert_eq!(overlay.write_to(&mut out), Err(BlockTooLong));
        overlay.set(AttrCode::AS_PATH, &[0; 70_000]);
        assert_eq!(overlay.write_to(&mut out), Err(BlockTooLong));
    }
}
