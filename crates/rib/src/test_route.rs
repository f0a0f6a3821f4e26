//! Routes for tests: attributes written as an owned value, with the views that decision, policy and export read.

use std::net::{IpAddr, Ipv4Addr};

use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AsPath, AttrCode, BlockView, NextHop, aigp};
use heddle_bgp_core::{Asn, BgpId, PathId, Prefix};

pub(crate) use crate::model::OWN;
use crate::policy::Overlay;
use crate::route::{AttrMeta, Candidate, PathFlags, PeerId, RouteView, SourceInfo, SourceKind, Staleness};

/// A route that owns what its views borrow.
#[derive(Clone, Debug)]
pub(crate) struct TestRoute {
    pub(crate) prefix: Prefix,
    pub(crate) block: Vec<u8>,
    pub(crate) meta: AttrMeta,
    pub(crate) source: SourceInfo,
    pub(crate) flags: PathFlags,
    pub(crate) path_id: PathId,
    pub(crate) igp_cost: u32,
    pub(crate) since: u32,
}

impl TestRoute {
    /// ORIGIN IGP, AS_PATH `asns`, next hop 192.0.2.1, from a peer of `kind`.
    pub(crate) fn new(kind: SourceKind, asns: &[u32]) -> Self {
        let path = AsPath::from_asns(&asns.iter().copied().map(Asn).collect::<Vec<_>>());
        let mut block = Vec::new();
        push_attr(&mut block, 0x40, AttrCode::ORIGIN, &[0]);
        push_attr(&mut block, 0x40, AttrCode::AS_PATH, path.octets());
        push_attr(&mut block, 0x40, AttrCode::NEXT_HOP, &[192, 0, 2, 1]);
        let peer_asn = if kind == SourceKind::Ebgp { Asn(asns.first().copied().unwrap_or(65001)) } else { OWN };
        let source = SourceInfo {
            peer: PeerId(1),
            kind,
            peer_asn,
            local_asn: OWN,
            bgp_id: BgpId(0x0a00_0001),
            peer_addr: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
            staleness: Staleness::Live,
        };
        let prefix = "198.51.100.0/24".parse().expect("a prefix");
        let meta = meta(&block);
        Self { prefix, block, meta, source, flags: PathFlags::NONE, path_id: PathId(0), igp_cost: 0, since: 100 }
    }

    /// With the attributes changed.
    pub(crate) fn edit(mut self, f: impl FnOnce(&mut Overlay<'_>)) -> Self {
        let mut out = Vec::new();
        let mut overlay = Overlay::new(BlockView(&self.block));
        f(&mut overlay);
        overlay.write_to(&mut out).expect("short");
        self.meta = meta(&out);
        self.block = out;
        self
    }

    pub(crate) fn number(self, code: AttrCode, n: u32) -> Self {
        self.edit(|o| o.set_number(code, n))
    }
    pub(crate) fn local_pref(self, n: u32) -> Self {
        self.number(AttrCode::LOCAL_PREF, n)
    }
    pub(crate) fn med(self, n: u32) -> Self {
        self.number(AttrCode::MULTI_EXIT_DISC, n)
    }
    pub(crate) fn origin(self, n: u8) -> Self {
        self.edit(|o| o.set(AttrCode::ORIGIN, &[n]))
    }
    pub(crate) fn aigp(self, n: u64) -> Self {
        self.edit(|o| o.set(AttrCode::AIGP, &aigp::octets(n)))
    }
    pub(crate) fn next_hop(self, n: NextHop) -> Self {
        self.edit(|o| o.set_next_hop(n))
    }
    pub(crate) fn originator(self, n: u32) -> Self {
        self.number(AttrCode::ORIGINATOR_ID, n)
    }
    pub(crate) fn clusters(self, n: &[u32]) -> Self {
        let octets: Vec<u8> = n.iter().flat_map(|c| c.to_be_bytes()).collect();
        self.edit(|o| o.set_list(AttrCode::CLUSTER_LIST, &octets))
    }
    pub(crate) fn communities(self, n: &[u32]) -> Self {
        let octets: Vec<u8> = n.iter().flat_map(|c| c.to_be_bytes()).collect();
        self.edit(|o| o.set_list(AttrCode::COMMUNITIES, &octets))
    }
    pub(crate) fn peer(mut self, n: u8) -> Self {
        self.source.peer_addr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, n));
        self.source.peer = PeerId(u16::from(n));
        self
    }
    pub(crate) fn bgp_id(mut self, n: u32) -> Self {
        self.source.bgp_id = BgpId(n);
        self
    }
    pub(crate) fn cost(mut self, n: u32) -> Self {
        self.igp_cost = n;
        self
    }
    pub(crate) fn since(mut self, n: u32) -> Self {
        self.since = n;
        self
    }
    pub(crate) fn path_id(mut self, n: u32) -> Self {
        self.path_id = PathId(n);
        self
    }
    pub(crate) fn llgr_stale(mut self) -> Self {
        self.flags = self.flags.with_llgr_stale();
        self
    }
    pub(crate) fn prefix(mut self, text: &str) -> Self {
        self.prefix = text.parse().expect("a prefix");
        self
    }

    pub(crate) fn view(&self) -> RouteView<'_> {
        RouteView {
            prefix: self.prefix,
            meta: &self.meta,
            block: BlockView(&self.block),
            source: &self.source,
            flags: self.flags,
        }
    }
    pub(crate) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            meta: &self.meta,
            block: BlockView(&self.block),
            source: &self.source,
            path_id: self.path_id,
            flags: self.flags,
            igp_cost: self.igp_cost,
            since: self.since,
        }
    }
}

fn meta(block: &[u8]) -> AttrMeta {
    AttrMeta::detached(BlockView(block))
}
