//! A receiver: what the writer of a session sends, decoded into the state that a peer would have.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use heddle_bgp_core::attr::block::Summary;
use heddle_bgp_core::attr::{AttrCode, BlockView};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RefreshSubtype, RouteRefresh};
use heddle_bgp_core::update::{AigpSession, AsSets, AsZero, FamilyContext, Scratch, UpdateContext, decode};
use heddle_bgp_core::{AsWidth, Framer, MessageType, PathId, PeerType, Prefix};

use super::OWN;
use crate::feed::{self, Record};
use crate::journal::{JournalReader, Progress, TakeStatus};
use crate::route::{PeerId, SourceKind};

/// Routes by prefix and Path Identifier, as canonical blocks.
pub(crate) type Routes = BTreeMap<(Prefix, PathId), Vec<u8>>;

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) reader: JournalReader,
    pub(crate) has: Routes,
    /// Of a reader of changes: all paths of each record, the best first.
    pub(crate) legs: BTreeMap<Prefix, Vec<(PeerId, SourceKind, Vec<u8>)>>,
    pub(crate) complete: bool,
    /// Adverts and withdrawals that came.
    pub(crate) adverts: u64,
    pub(crate) withdrawals: u64,
    /// Versions of routes whose source was dead before this receiver was there.
    pub(crate) gone: BTreeSet<u32>,
    bgp_id: u32,
    path_ids: PathIds,
    framer: Framer,
    records: Vec<u8>,
    is_feed: bool,
    stale: Option<BTreeSet<(Prefix, PathId)>>,
    /// The newest version seen of each prefix from each originator.
    versions: BTreeMap<(Prefix, PathId, Vec<u8>), u32>,
}

impl Receiver {
    pub(crate) fn new(reader: JournalReader, bgp_id: u32, path_ids: PathIds, is_feed: bool) -> Self {
        Self {
            reader,
            has: Routes::new(),
            legs: BTreeMap::new(),
            complete: false,
            adverts: 0,
            withdrawals: 0,
            gone: BTreeSet::new(),
            bgp_id,
            path_ids,
            framer: Framer::new(),
            records: Vec::new(),
            is_feed,
            stale: None,
            versions: BTreeMap::new(),
        }
    }

    /// Writes up to `accepted` octets of what comes next; says whether there was anything, and asks for the owner.
    pub(crate) fn write(&mut self, max: usize, accepted: usize) -> (TakeStatus, Progress) {
        let mut out: Vec<Bytes> = Vec::new();
        let status = self.reader.take(&mut out, max);
        let progress = match status {
            TakeStatus::Taken => {
                let bytes = out.concat();
                assert!(!bytes.is_empty(), "taken, but nothing");
                let n = accepted.min(bytes.len());
                self.receive(&bytes[..n]);
                self.reader.advance(n)
            }
            TakeStatus::Empty(progress) => progress,
            TakeStatus::Detached | TakeStatus::Closed => {
                assert!(!self.reader.mid_message(), "a message begun has to be finished");
                Progress::Quiet
            }
        };
        (status, progress)
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.is_feed {
            self.records.extend_from_slice(bytes);
            return self.receive_records();
        }
        self.framer.push(bytes);
        let mut framer = std::mem::take(&mut self.framer);
        while let Some(frame) = framer.next().expect("a stream of messages") {
            match frame.kind {
                MessageType::Update => self.receive_update(frame.body()),
                MessageType::RouteRefresh => self.receive_refresh(frame.raw),
                MessageType::Open | MessageType::Keepalive | MessageType::Notification => {
                    panic!("not from a journal: {:?}", frame.kind)
                }
            }
        }
        self.framer = framer;
    }

    fn receive_update(&mut self, body: &[u8]) {
        let context = UpdateContext {
            peer_type: PeerType::Ibgp,
            peer_asn: OWN,
            as_width: AsWidth::Four,
            families: [Some(FamilyContext { path_ids: self.path_ids, extended_next_hop: false }); 2],
            enforce_first_as: None,
            as_sets: AsSets::Accept,
            as_zero: AsZero::Reject,
            local_role: None,
            aigp: AigpSession::Disabled,
            local_addrs: smallvec::SmallVec::new(),
            max_as_path_len: 750,
        };
        let mut scratch = Scratch::new();
        let update = decode(body, &context, &mut scratch).expect("an UPDATE");
        assert!(update.faults.is_empty(), "{:?}", update.faults);
        for n in update.withdrawn.iter().flat_map(|w| w.iter()) {
            self.withdrawals += 1;
            self.has.remove(&(n.prefix, n.path_id));
            self.refreshed((n.prefix, n.path_id));
        }
        for reach in &update.reach {
            let originator = BlockView(reach.block).get(AttrCode::ORIGINATOR_ID).map_or(&[][..], |a| a.value);
            // Which of the originator's paths it is, says the second community.
            let communities = BlockView(reach.block).get(AttrCode::COMMUNITIES).map_or(&[][..], |a| a.value);
            let path = [originator, communities.get(4..).unwrap_or_default()].concat();
            assert_ne!(originator, self.bgp_id.to_be_bytes(), "a peer's own route came back to it");
            for n in reach.nlri {
                self.adverts += 1;
                self.has.insert((n.prefix, n.path_id), reach.block.to_vec());
                self.refreshed((n.prefix, n.path_id));
                self.see_version(n.prefix, n.path_id, path.clone(), reach.block);
            }
        }
        if update.end_of_rib.is_some() {
            assert!(!self.complete || self.stale.is_none(), "End-of-RIB inside a refresh");
            self.complete = true;
        }
    }

    /// I1: what comes later is not older.
    fn see_version(&mut self, prefix: Prefix, path_id: PathId, path: Vec<u8>, block: &[u8]) {
        let Some(version) = Summary::of(block).med else { return };
        assert!(!self.gone.contains(&version), "{prefix} from a dead source");
        let seen = self.versions.entry((prefix, path_id, path)).or_insert(version);
        assert!(*seen <= version, "{prefix} went back in time: {version} after {seen}");
        *seen = version;
    }

    fn refreshed(&mut self, key: (Prefix, PathId)) {
        if let Some(stale) = &mut self.stale {
            stale.remove(&key);
        }
    }

    fn receive_refresh(&mut self, raw: &[u8]) {
        let message = RouteRefresh::decode(raw, EnhancedRefresh::Negotiated).expect("a ROUTE-REFRESH");
        match message.subtype {
            RefreshSubtype::Begin => {
                assert!(self.complete, "RFC 7313 §4: no BoRR before End-of-RIB");
                self.stale = Some(self.has.keys().copied().collect());
            }
            RefreshSubtype::End => {
                let stale = self.stale.take().expect("EoRR without BoRR");
                for key in stale {
                    self.has.remove(&key);
                }
            }
            RefreshSubtype::Request | RefreshSubtype::Unknown(_) => panic!("not sent: {message:?}"),
        }
    }

    fn receive_records(&mut self) {
        let all = std::mem::take(&mut self.records);
        let mut rest = all.as_slice();
        while rest.first_chunk::<4>().is_some_and(|l| rest.len() >= u32::from_be_bytes(*l) as usize)
            && let Some((record, after)) = feed::read(rest).expect("records")
        {
            match record {
                Record::Withdrawn(prefix) => {
                    self.withdrawals += 1;
                    self.has.remove(&(prefix, PathId(0)));
                    self.legs.remove(&prefix);
                }
                Record::Announced { prefix, best, others } => {
                    self.adverts += 1;
                    self.has.insert((prefix, PathId(0)), best.block.0.to_vec());
                    let legs: Vec<_> = std::iter::once(best).chain(others).collect();
                    for p in &legs {
                        let communities = p.block.get(AttrCode::COMMUNITIES).map_or(&[][..], |a| a.value);
                        let path = [&p.peer.0.to_be_bytes(), communities.get(4..).unwrap_or_default()].concat();
                        self.see_version(prefix, PathId(0), path, p.block.0);
                    }
                    self.legs.insert(prefix, legs.iter().map(|p| (p.peer, p.kind, p.block.0.to_vec())).collect());
                }
                Record::Complete => self.complete = true,
            }
            rest = after;
        }
        self.records = rest.to_vec();
    }
}
