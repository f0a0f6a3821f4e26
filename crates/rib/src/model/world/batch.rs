//! What peers send: batches, taken in piece by piece while other things happen.

use bytes::BytesMut;
use heddle_bgp_core::nlri::{PathIds, encode_nlri};
use heddle_bgp_core::{Nlri, NlriSlice, PathId};

use super::{PEERS, Side, Truth, World};
use crate::ingest::BatchPosition;
use crate::rib::Ingested;

/// One thing of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    /// Neighbouring prefixes with the same attributes.
    Advertise {
        prefix: usize,
        count: usize,
        attr: u32,
        version: u32,
        rx: u32,
        ids: PathIds,
    },
    Withdraw {
        prefix: usize,
        count: usize,
        rx: u32,
        ids: PathIds,
    },
    EndOfRib,
    BeginRefresh,
    EndRefresh,
}

impl<A: Side> World<A> {
    /// A prefix of the window.
    pub(super) fn prefix(&mut self) -> usize {
        self.window + self.random.below(self.prefixes)
    }

    /// A route of a peer that comes or goes.
    pub(super) fn route(&mut self, i: usize) -> Piece {
        let prefix = self.prefix();
        self.routes(i, prefix, 1)
    }

    fn routes(&mut self, i: usize, prefix: usize, count: usize) -> Piece {
        let (rx, ids) = self.rx(i);
        if self.random.below(38) >= 26 {
            return Piece::Withdraw { prefix, count, rx, ids };
        }
        let attr = self.attribute();
        self.version += 1;
        Piece::Advertise { prefix, count, attr, version: self.version, rx, ids }
    }

    fn rx(&mut self, i: usize) -> (u32, PathIds) {
        if self.peers[i].sends_ids {
            (u32::try_from(self.random.below(3)).expect("few"), PathIds::Present)
        } else {
            (0, PathIds::Absent)
        }
    }

    /// A batch of several: while it is taken in others send, write and work.
    pub(super) fn several(&mut self, i: usize) {
        let count = 2 + self.random.below(5);
        let pieces: Vec<Piece> = (0..count)
            .map(|_| match self.random.below(24) {
                0 => Piece::EndOfRib,
                1 => Piece::BeginRefresh,
                2 => Piece::EndRefresh,
                _ => {
                    let prefix = self.prefix();
                    let most = (self.window + self.prefixes - prefix).min(4);
                    let count = 1 + self.random.below(most);
                    self.routes(i, prefix, count)
                }
            })
            .collect();
        self.send_while(i, &pieces, Self::meanwhile);
    }

    /// Something that happens between two pieces of a batch of a peer; not to its own session.
    fn meanwhile(&mut self, i: usize) {
        match self.random.below(12) {
            0..4 => drop(self.run()),
            4..8 => {
                let who = self.random.below(PEERS + 2);
                self.write(who);
            }
            8 => {
                let who = self.random.below(PEERS);
                self.detach(who);
            }
            9 => self.change_policy(i),
            10 => {
                let other = (i + 1 + self.random.below(PEERS - 1)) % PEERS;
                self.session_event(other);
            }
            _ => {
                let other = (i + 1 + self.random.below(PEERS - 1)) % PEERS;
                if self.peers[other].up {
                    let piece = self.route(other);
                    self.send(other, &[piece]);
                }
            }
        }
        self.check_dead();
    }

    /// The window moves on: what is behind it goes, nearly all of it in one batch of each peer.
    pub(super) fn move_window(&mut self) {
        self.window += 1 + self.random.below(5);
        let behind = self.window;
        for i in 0..PEERS {
            let routes: Vec<(usize, u32)> =
                self.truth.keys().filter(|k| k.0 < behind && k.1 == i).map(|k| (k.0, k.2)).collect();
            let ids = if self.peers[i].sends_ids { PathIds::Present } else { PathIds::Absent };
            // A session without Path Identifiers withdraws what one without them brought.
            let mine = routes.into_iter().filter(|r| ids == PathIds::Present || r.1 == 0);
            let pieces: Vec<Piece> = mine.map(|(prefix, rx)| Piece::Withdraw { prefix, count: 1, rx, ids }).collect();
            if self.peers[i].up && !self.random.one_in(8) {
                self.send_while(i, &pieces, Self::meanwhile);
            }
        }
        let own: Vec<usize> = self.truth.keys().filter(|k| k.0 < behind && k.1 == PEERS).map(|k| k.0).collect();
        for prefix in own {
            self.rib.retract(self.now, A::nth(prefix));
            self.truth.remove(&(prefix, PEERS, 0));
        }
    }

    /// A batch from a peer.
    pub(super) fn send(&mut self, i: usize, pieces: &[Piece]) {
        self.send_while(i, pieces, |_, _| {});
    }

    fn send_while(&mut self, i: usize, pieces: &[Piece], mut meanwhile: impl FnMut(&mut Self, usize)) {
        let mut builder = self.peers[i].builder();
        for piece in pieces {
            match *piece {
                Piece::Advertise { prefix, count, attr, version, rx, ids } => {
                    let (wire, block) = (Self::wire(prefix, count, rx, ids), self.block(attr, version, i, rx));
                    builder.advertise(NlriSlice::trusted(A::FAMILY, ids, &wire), &block, None);
                }
                Piece::Withdraw { prefix, count, rx, ids } => {
                    builder.withdraw(NlriSlice::trusted(A::FAMILY, ids, &Self::wire(prefix, count, rx, ids)));
                }
                Piece::EndOfRib => builder.end_of_rib(A::FAMILY),
                Piece::BeginRefresh => builder.begin_refresh(A::FAMILY),
                Piece::EndRefresh => builder.end_refresh(A::FAMILY),
            }
        }
        let batch = builder.take();
        // In pieces of one to three routes.
        let (session, mut at) = (self.peers[i].session(), BatchPosition::default());
        while self.rib.ingest_some(self.now, session, &batch, &mut at, 1 + i % 3) == Ingested::Some {
            meanwhile(self, i);
        }
        pieces.iter().for_each(|piece| self.now_true(i, *piece));
    }

    /// What a peer has sent is what it has.
    fn now_true(&mut self, i: usize, piece: Piece) {
        match piece {
            Piece::Advertise { prefix, count, attr, version, rx, .. } => {
                let truth = Truth { attr, version, stale: false, llgr: false };
                self.truth.extend((prefix..prefix + count).map(|prefix| ((prefix, i, rx), truth)));
            }
            Piece::Withdraw { prefix, count, rx, .. } => {
                self.truth.retain(|k, _| !((prefix..prefix + count).contains(&k.0) && (k.1, k.2) == (i, rx)));
            }
            // What is stale goes, unless a refresh holds it.
            Piece::EndOfRib if self.peers[i].refreshing => {}
            Piece::EndOfRib => self.sweep_truth(i),
            Piece::BeginRefresh => {
                if self.peers[i].refreshing {
                    self.sweep_truth(i);
                }
                self.peers[i].refreshing = true;
                self.each_of(i, |t| t.stale = true);
            }
            Piece::EndRefresh => {
                if std::mem::take(&mut self.peers[i].refreshing) {
                    self.sweep_truth(i);
                }
            }
        }
    }

    fn wire(prefix: usize, count: usize, rx: u32, ids: PathIds) -> BytesMut {
        let mut out = BytesMut::new();
        for prefix in prefix..prefix + count {
            encode_nlri(&mut out, Nlri { prefix: A::nth(prefix), path_id: PathId(rx) }, ids);
        }
        out
    }
}
