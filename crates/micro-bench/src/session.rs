//! The receiving side of a session: octets to messages, messages to batches for the RIB.

use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::{
    AigpSession, AsSets, AsZero, DecodeOptions, FamilyContext, Scratch, Update, UpdateContext, decode,
};
use heddle_bgp_core::{AsWidth, BgpId, ClusterId, Framer, PeerType};
use heddle_rib::{Batch, BatchBuilder, IngestContext, SourceKind};
use smallvec::{SmallVec, smallvec};

use crate::reflector::{ASN, BGP_ID, SEED};

/// What one read of a socket brings at most, in octets.
pub const READ: usize = 64 * 1024;

/// A session with an internal client that sends both families, without ADD-PATH.
#[derive(Debug)]
pub struct Session {
    framer: Framer,
    scratch: Scratch,
    context: UpdateContext,
    builder: BatchBuilder,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let family = FamilyContext { path_ids: PathIds::Absent, extended_next_hop: false };
        let context = UpdateContext {
            peer_type: PeerType::Ibgp,
            peer_asn: ASN,
            as_width: AsWidth::Four,
            families: [Some(family); 2],
            enforce_first_as: None,
            as_sets: AsSets::Accept,
            as_zero: AsZero::Reject,
            local_role: None,
            aigp: AigpSession::Enabled,
            local_addrs: SmallVec::new(),
            max_as_path_len: DecodeOptions::MAX_AS_PATH_LEN,
        };
        let builder = BatchBuilder::new(IngestContext {
            kind: SourceKind::Client,
            own_asns: smallvec![ASN],
            allow_own_as: 0,
            bgp_id: BgpId(BGP_ID),
            cluster_id: ClusterId(BGP_ID),
            seed: SEED,
        });
        Self { framer: Framer::new(), scratch: Scratch::new(), context, builder }
    }

    /// Cuts what was read into messages; says how many UPDATEs were whole.
    ///
    /// # Panics
    /// Other messages than UPDATEs are among them: here all come from a [`Table`](crate::table::Table) or a recording.
    pub fn updates(&mut self, read: &[u8], mut each: impl FnMut(&Update<'_>)) -> usize {
        let mut messages = 0;
        self.framer.push(read);
        while let Some(frame) = self.framer.next().expect("invariant: whole messages are sent") {
            let update = decode(frame.body(), &self.context, &mut self.scratch);
            each(&update.expect("invariant: nothing in them ends a session"));
            messages += 1;
        }
        messages
    }

    /// Makes batches of what was read, as a session does: a full one is handed over before the read is done with.
    ///
    /// # Panics
    /// As [`Self::updates`].
    pub fn batches(&mut self, read: &[u8], out: &mut Vec<Batch>) {
        self.framer.push(read);
        while let Some(frame) = self.framer.next().expect("invariant: whole messages are sent") {
            let update = decode(frame.body(), &self.context, &mut self.scratch);
            self.builder.push(&update.expect("invariant: nothing in them ends a session"));
            if self.builder.is_full() {
                out.push(self.builder.take());
            }
        }
        if !self.builder.is_empty() {
            out.push(self.builder.take());
        }
    }

    /// All batches of what is sent, read by read.
    #[must_use]
    pub fn all_batches(&mut self, sent: &[u8]) -> Vec<Batch> {
        let mut out = Vec::new();
        sent.chunks(READ).for_each(|read| self.batches(read, &mut out));
        out
    }
}
