//! What the decision process reads of a block.

use super::aigp;
use super::as_path::AsPathView;
use super::block::{BlockView, NextHop};
use super::code::AttrCode;
use super::community::Community;
use super::items::{Item, Items};
use super::origin::Origin;
use crate::asn::Asn;

/// Yes-or-no facts about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Marks(u16);

macro_rules! marks {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Marks {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
        }
    };
}

marks! {
    /// ORIGINATOR_ID is there: the route was reflected.
    ORIGINATOR_ID = 0;
    /// NO_EXPORT.
    NO_EXPORT = 1;
    /// NO_ADVERTISE.
    NO_ADVERTISE = 2;
    /// NO_EXPORT_SUBCONFED.
    NO_EXPORT_SUBCONFED = 3;
    /// GRACEFUL_SHUTDOWN.
    GRACEFUL_SHUTDOWN = 4;
    /// BLACKHOLE.
    BLACKHOLE = 5;
    /// LLGR_STALE.
    LLGR_STALE = 6;
    /// NO_LLGR.
    NO_LLGR = 7;
    /// OTC is there.
    OTC = 8;
    /// AIGP with a metric is there.
    AIGP = 9;
}

impl Marks {
    /// Whether all of `other` are among them.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether one of `other` is among them.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As a number.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    const fn of(community: Community) -> Self {
        match community {
            Community::NO_EXPORT => Self::NO_EXPORT,
            Community::NO_ADVERTISE => Self::NO_ADVERTISE,
            Community::NO_EXPORT_SUBCONFED => Self::NO_EXPORT_SUBCONFED,
            Community::GRACEFUL_SHUTDOWN => Self::GRACEFUL_SHUTDOWN,
            Community::BLACKHOLE => Self::BLACKHOLE,
            Community::LLGR_STALE => Self::LLGR_STALE,
            Community::NO_LLGR => Self::NO_LLGR,
            _ => Self(0),
        }
    }
}

/// What the decision process reads of a block; derived from the block alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Summary {
    /// ORIGIN; an absent one counts as incomplete.
    pub origin: Origin,
    /// Length of AS_PATH (RFC 4271 §9.1.2.2 a).
    pub as_path_len: u16,
    /// Neighbouring AS; none for a route of our own AS.
    pub neighbor_as: Option<Asn>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// The next hop.
    pub next_hop: Option<NextHop>,
    /// How many cluster ids CLUSTER_LIST has (RFC 4456 §9).
    pub cluster_list_len: u16,
    /// The AIGP metric (RFC 7311 §4.1).
    pub aigp: Option<u64>,
    /// Well-known communities and attributes that are there.
    pub marks: Marks,
}

impl Summary {
    /// The summary of a canonical block.
    #[must_use]
    pub fn of(block: &[u8]) -> Self {
        let mut s = Self {
            origin: Origin::Incomplete,
            as_path_len: 0,
            neighbor_as: None,
            med: None,
            local_pref: None,
            next_hop: None,
            cluster_list_len: 0,
            aigp: None,
            marks: Marks(0),
        };
        for attr in BlockView(block) {
            let v = attr.value;
            match attr.code {
                AttrCode::ORIGIN => {
                    s.origin = v.first().and_then(|o| Origin::from_octet(*o)).unwrap_or_default();
                }
                AttrCode::AS_PATH => {
                    s.as_path_len = u16::try_from(AsPathView(v).hops()).unwrap_or(u16::MAX);
                    s.neighbor_as = AsPathView(v).neighbor_as();
                }
                AttrCode::NEXT_HOP => s.next_hop = NextHop::from_octets(v),
                AttrCode::MULTI_EXIT_DISC => s.med = v.try_into().ok().map(u32::from_be_bytes),
                AttrCode::LOCAL_PREF => s.local_pref = v.try_into().ok().map(u32::from_be_bytes),
                AttrCode::COMMUNITIES => {
                    s.marks = Items::new(v).fold(s.marks, |marks, c: Community| marks.union(Marks::of(c)));
                }
                AttrCode::ORIGINATOR_ID => s.marks = s.marks.union(Marks::ORIGINATOR_ID),
                AttrCode::CLUSTER_LIST => {
                    s.cluster_list_len = u16::try_from(v.len() / crate::bgp_id::ClusterId::LEN).unwrap_or(u16::MAX);
                }
                AttrCode::AIGP => {
                    s.aigp = aigp::metric(v).ok().flatten();
                    if s.aigp.is_some() {
                        s.marks = s.marks.union(Marks::AIGP);
                    }
                }
                AttrCode::OTC => s.marks = s.marks.union(Marks::OTC),
                _ => {}
            }
        }
        s
    }

    /// Whether one of the marks is there.
    #[must_use]
    pub const fn has(&self, mark: Marks) -> bool {
        self.marks.intersects(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::{AsPath, PathAttributes};
    use crate::bgp_id::{BgpId, ClusterId};

    #[test]
    fn of_a_full_block() {
        let mut attributes = PathAttributes {
            origin: Some(Origin::Egp),
            as_path: Some(AsPath::from_asns(&[Asn(65001), Asn(65002)])),
            next_hop: Some(NextHop::V4([10, 0, 0, 2].into())),
            med: Some(5),
            local_pref: Some(200),
            originator_id: Some(BgpId(1)),
            cluster_list: vec![ClusterId(1), ClusterId(2), ClusterId(3)],
            otc: Some(Asn(1)),
            ..PathAttributes::default()
        };
        attributes.set_aigp_metric(Some(77));
        let s = Summary::of(&attributes.to_block().expect("short values"));
        assert_eq!((s.origin, s.as_path_len, s.neighbor_as), (Origin::Egp, 2, Some(Asn(65001))));
        assert_eq!((s.med, s.local_pref, s.aigp, s.cluster_list_len), (Some(5), Some(200), Some(77), 3));
        assert_eq!(s.next_hop, attributes.next_hop);
        assert_eq!(s.marks, Marks::ORIGINATOR_ID.union(Marks::OTC).union(Marks::AIGP));
    }

    #[test]
    fn marks() {
        let two = Marks::NO_EXPORT.union(Marks::OTC);
        assert_eq!((two.bits(), two.union(Marks::OTC)), (0b1_0000_0010, two));
        assert!(two.contains(Marks::OTC) && two.contains(two) && two.contains(Marks::default()));
        assert!(!Marks::OTC.contains(two) && !two.contains(Marks::AIGP.union(Marks::OTC)));
        assert!(two.intersects(Marks::OTC) && Marks::OTC.intersects(two));
        assert!(!two.intersects(Marks::AIGP) && !two.intersects(Marks::default()));
    }

    /// RFC 7311 §3: without an AIGP TLV there is no metric, whatever else the attribute has.
    #[test]
    fn aigp_without_a_metric() {
        let attributes = PathAttributes { aigp: Some(vec![2, 0, 3]), ..PathAttributes::default() };
        let s = Summary::of(&attributes.to_block().expect("short values"));
        assert_eq!((s.aigp, s.marks), (None, Marks::default()));
    }

    #[test]
    fn of_nothing() {
        let s = Summary::of(&[]);
        assert_eq!((s.origin, s.as_path_len, s.neighbor_as, s.med), (Origin::Incomplete, 0, None, None));
        assert_eq!((s.local_pref, s.next_hop, s.aigp, s.marks), (None, None, None, Marks::default()));
    }

    /// Each well-known community has its own mark, among others and alone.
    #[test]
    fn well_known_communities() {
        let rows = [
            (Community::NO_EXPORT, Marks::NO_EXPORT),
            (Community::NO_ADVERTISE, Marks::NO_ADVERTISE),
            (Community::NO_EXPORT_SUBCONFED, Marks::NO_EXPORT_SUBCONFED),
            (Community::GRACEFUL_SHUTDOWN, Marks::GRACEFUL_SHUTDOWN),
            (Community::BLACKHOLE, Marks::BLACKHOLE),
            (Community::LLGR_STALE, Marks::LLGR_STALE),
            (Community::NO_LLGR, Marks::NO_LLGR),
        ];
        for (community, mark) in rows {
            let communities = vec![Community::new(65001, 1), community, Community::new(65001, 2)];
            let attributes = PathAttributes { communities, ..PathAttributes::default() };
            let s = Summary::of(&attributes.to_block().expect("short values"));
            assert_eq!(s.marks, mark, "{community}");
            assert!(s.has(mark) && s.has(mark.union(Marks::OTC)) && !s.has(Marks::OTC), "{community}");
        }
    }
}
