//! Who brought which attribute set: what a peer makes us keep is bounded, however different its attributes are.
//!
//! A set is charged to the peer that was the first to send it, with the octets of its block and its record, until nothing
//! refers to it. Whoever sends the same set later pays nothing.

use super::BLOCK;
use crate::route::{AttrId, AttrMeta, PeerId};

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Octets of the sets that the peer brought and that are still there.
    octets: u64,
    /// That it is over its budget was reported in this session.
    reported: bool,
}

/// Who pays for what.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By number of the set.
    payers: Vec<Box<[PeerId]>>,
    /// By [`PeerId`].
    accounts: Vec<Account>,
}

const fn cost(len: u16) -> u64 {
    len as u64 + size_of::<AttrMeta>() as u64
}

impl Ledger {
    fn account(&mut self, peer: PeerId) -> &mut Account {
        let at = usize::from(peer.0);
        if at >= self.accounts.len() {
            self.accounts.resize(at + 1, Account::default());
        }
        &mut self.accounts[at]
    }

    pub(super) fn charge(&mut self, id: AttrId, len: u16, payer: PeerId) {
        let at = id.0 as usize;
        while at / BLOCK >= self.payers.len() {
            self.payers.push(vec![PeerId::LOCAL; BLOCK].into_boxed_slice());
        }
        self.payers[at / BLOCK][at % BLOCK] = payer;
        self.account(payer).octets += cost(len);
    }

    pub(super) fn refund(&mut self, id: AttrId, len: u16) {
        let at = id.0 as usize;
        let payer = self.payers[at / BLOCK][at % BLOCK];
        self.account(payer).octets -= cost(len);
    }

    /// Octets that a peer is charged with.
    pub(crate) fn octets(&self, peer: PeerId) -> u64 {
        self.accounts.get(usize::from(peer.0)).map_or(0, |a| a.octets)
    }

    /// Whether to report that the peer is over its budget: once a session.
    pub(crate) fn report(&mut self, peer: PeerId) -> bool {
        !std::mem::replace(&mut self.account(peer).reported, true)
    }

    /// A session of the peer begins.
    pub(crate) fn begin(&mut self, peer: PeerId) {
        self.account(peer).reported = false;
    }

    pub(super) fn bytes(&self) -> usize {
        self.payers.len() * BLOCK * size_of::<PeerId>()
    }
}

impl super::AttrStore {
    /// No route of the peer is left: sets that it brought and others use as well are charged to nobody.
    pub(crate) fn forgive(&mut self, peer: PeerId) {
        if self.ledger.octets(peer) == 0 {
            return;
        }
        for n in 0..self.used {
            let at = n as usize;
            // A free number keeps the payer that it had.
            if self.ledger.payers[at / BLOCK][at % BLOCK] == peer && self.meta(AttrId(n)).refs > 0 {
                let len = self.meta(AttrId(n)).len;
                self.ledger.refund(AttrId(n), len);
                self.ledger.charge(AttrId(n), len, PeerId::LOCAL);
            }
        }
    }
}
