//! What clients send, as octets, made before the clock runs.

use std::fs::File;
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AttrCode, AttrFlags, NextHop};
use heddle_bgp_core::message::MAX_LEN;
use heddle_bgp_core::nlri::{Nlri, PathId, PathIds};
use heddle_bgp_core::update::{EncodeParams, Encoder};
use heddle_bgp_core::{AsWidth, Asn, Family, PeerType};
use heddle_mrt::Reader;
use heddle_mrt::replay::{Filled, Replay, ReplayOptions, peers};

use super::index::Block;

/// Prefixes with the same attributes.
pub(crate) const OF_ONE_SET: usize = 6;

/// One set of attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) next_hop: IpAddr,
    /// Tells it from all others: it stands in AS_PATH and COMMUNITIES.
    pub(crate) number: u32,
    pub(crate) local_pref: u32,
}

impl Attributes {
    /// As a canonical block: ORIGIN, AS_PATH of three ASes, NEXT_HOP, MULTI_EXIT_DISC, LOCAL_PREF, two communities.
    fn block(&self) -> Vec<u8> {
        let mut block = Vec::new();
        push_attr(&mut block, AttrFlags::TRANSITIVE, AttrCode::ORIGIN, &[0]);
        let mut path = vec![2, 3];
        for asn in [3356, 100_000 + self.number % 60_000, 200_000 + self.number] {
            path.extend_from_slice(&u32::to_be_bytes(asn));
        }
        push_attr(&mut block, AttrFlags::TRANSITIVE, AttrCode::AS_PATH, &path);
        let mut next_hop = Vec::new();
        match self.next_hop {
            IpAddr::V4(address) => NextHop::V4(address).push(&mut next_hop),
            IpAddr::V6(address) => NextHop::V6(address).push(&mut next_hop),
        }
        push_attr(&mut block, AttrFlags::TRANSITIVE, AttrCode::NEXT_HOP, &next_hop);
        push_attr(&mut block, AttrFlags::OPTIONAL, AttrCode::MULTI_EXIT_DISC, &(self.number % 100).to_be_bytes());
        push_attr(&mut block, AttrFlags::TRANSITIVE, AttrCode::LOCAL_PREF, &self.local_pref.to_be_bytes());
        let communities = [(3356, self.number >> 16), (3357, self.number & 0xffff)]
            .map(|(asn, value): (u32, u32)| ((asn << 16) | value).to_be_bytes());
        let optional = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE;
        push_attr(&mut block, optional, AttrCode::COMMUNITIES, communities.as_flattened());
        block
    }
}

/// UPDATEs of one client about the destinations of a block.
#[derive(Debug)]
pub(crate) struct Updates {
    block: Block,
    encoder: Encoder,
    octets: BytesMut,
}

impl Updates {
    pub(crate) fn new(block: Block) -> Self {
        Self { block, encoder: encoder(block.family()), octets: BytesMut::new() }
    }

    fn nlri(&self, numbers: Range<usize>) -> impl Iterator<Item = Nlri> + use<> {
        let block = self.block;
        numbers.filter_map(move |number| Some(Nlri { prefix: block.prefix(number)?, path_id: PathId(0) }))
    }

    /// Advertises destinations with one set of attributes.
    pub(crate) fn advertise(&mut self, attributes: Attributes, numbers: Range<usize>) -> anyhow::Result<()> {
        let mut nlri = self.nlri(numbers).peekable();
        self.encoder.advertise(&mut self.octets, &attributes.block(), &mut nlri, usize::MAX)?;
        Ok(())
    }

    /// Advertises destinations, six with the same attributes.
    pub(crate) fn advertise_sets(
        &mut self,
        numbers: Range<usize>,
        attributes: impl Fn(usize) -> anyhow::Result<Attributes>,
    ) -> anyhow::Result<()> {
        for begin in numbers.clone().step_by(OF_ONE_SET) {
            let end = (begin + OF_ONE_SET).min(numbers.end);
            self.advertise(attributes(begin / OF_ONE_SET)?, begin..end)?;
        }
        Ok(())
    }

    /// Takes destinations back.
    pub(crate) fn withdraw(&mut self, numbers: Range<usize>) {
        let mut nlri = self.nlri(numbers).peekable();
        self.encoder.withdraw(&mut self.octets, &mut nlri, usize::MAX);
    }

    pub(crate) fn finish(self) -> Bytes {
        self.octets.freeze()
    }
}

/// End-of-RIB: the initial table has been sent (RFC 4724 §2).
pub(crate) fn end_of_rib(family: Family) -> Bytes {
    let mut octets = BytesMut::new();
    encoder(family).end_of_rib(&mut octets);
    octets.freeze()
}

fn encoder(family: Family) -> Encoder {
    Encoder::new(EncodeParams { family, as_width: AsWidth::Four, path_ids: PathIds::Absent, max_message_len: MAX_LEN })
}

/// The UPDATEs of a recorded session, as an internal client sends them.
pub(crate) fn recording(file: &Path) -> anyhow::Result<Bytes> {
    let open = || -> anyhow::Result<Reader<File>> {
        let file = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        Ok(Reader::new(file)?)
    };
    let recorded = peers(&mut open()?);
    let most = recorded.peers.iter().max_by_key(|peer| peer.updates).context("the recording has no peer")?;
    let options = ReplayOptions {
        peer: most.addr,
        local_asn: Asn(super::ASN),
        peer_type: PeerType::Ibgp,
        as_width: AsWidth::Four,
        max_message_len: MAX_LEN,
        families: vec![Family::IPV4_UNICAST],
        extended_next_hop: Vec::new(),
    };
    let mut replay = Replay::new(open()?, options);
    let mut octets = BytesMut::new();
    while replay.fill(&mut octets, usize::MAX)? == Filled::More {}
    let counters = replay.counters();
    if counters.malformed + counters.too_long > 0 {
        bail!("{} records are malformed, {} routes do not fit", counters.malformed, counters.too_long);
    }
    Ok(octets.freeze())
}
