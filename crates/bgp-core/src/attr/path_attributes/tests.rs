use super::*;
use crate::attr::as_path::SegmentKind;

/// One of everything: the block has ascending types, minimal lengths and the right flags, and reads back equal.
fn full() -> PathAttributes {
    let mut path = AsPath::from_asns(&[Asn(65001), Asn(4_200_000_000)]);
    path.push_segment(SegmentKind::Set, &[Asn(1), Asn(2)]);
    PathAttributes {
        interface: Some("cali1234".into()),
        origin: Some(Origin::Igp),
        as_path: Some(path),
        next_hop: Some(NextHop::V6LinkLocal("2001:db8::2".parse().expect("v6"), "fe80::2".parse().expect("v6"))),
        med: Some(7),
        local_pref: Some(100),
        atomic_aggregate: AtomicAggregate::Present,
        aggregator: Some(Aggregator { asn: Asn(65001), addr: [10, 0, 0, 9].into() }),
        communities: (0..70).map(|n| Community::new(65001, n)).collect(),
        originator_id: Some(BgpId(1)),
        cluster_list: vec![ClusterId(2)],
        ext_communities: vec!["rt:65001:1".parse().expect("a route target")],
        ipv6_ext_communities: vec![Ipv6ExtCommunity([7; 20])],
        aigp: Some(aigp::octets(10).to_vec()),
        large_communities: vec![LargeCommunity::new(1, 2, 3)],
        otc: Some(Asn(65001)),
        others: vec![
            OtherAttr { code: AttrCode(28), flags: AttrFlags(0xe0), value: vec![] },
            OtherAttr { code: AttrCode::PREFIX_SID, flags: AttrFlags(0xc0), value: vec![1, 0, 7, 0, 0, 0, 0, 0, 0, 9] },
            OtherAttr { code: AttrCode(250), flags: AttrFlags(0xe0), value: vec![0; 256] },
        ],
        ..PathAttributes::default()
    }
}

#[test]
fn block_and_back() {
    let attributes = full();
    let block = attributes.to_block().expect("short values");
    let view = BlockView(&block);
    let codes: Vec<u8> = view.iter().map(|a| a.code.0).collect();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 25, 26, 28, 32, 35, 40, 250]);
    let extended: Vec<u8> = view.iter().filter(|a| a.flags.0 & 0x10 != 0).map(|a| a.code.0).collect();
    assert_eq!(extended, [8, 250], "more than 255 octets");
    for attr in view {
        if let Some(row) = crate::attr::table::lookup(attr.code) {
            assert_eq!(attr.flags.0 & 0xc0, row.category.flags(), "{}", attr.code);
        }
    }
    let back = PathAttributes::from_block(&block);
    assert_eq!(back, attributes);
    assert_eq!(back.to_block(), Ok(block));
}

/// What reading in place says is what the owned form says.
#[test]
fn view_agrees() {
    let attributes = full();
    let block = attributes.to_block().expect("short values");
    let view = BlockView(&block);
    assert_eq!(view.interface(), Some("cali1234"));
    assert_eq!(view.origin(), attributes.origin);
    assert_eq!(view.as_path(), attributes.as_path());
    assert_eq!(view.next_hop(), attributes.next_hop);
    assert_eq!((view.med(), view.local_pref()), (attributes.med, attributes.local_pref));
    assert!(view.has_atomic_aggregate());
    assert_eq!(view.aggregator(), attributes.aggregator);
    assert!(view.communities().eq(attributes.communities.iter().copied()));
    assert_eq!(view.originator_id(), attributes.originator_id);
    assert!(view.cluster_list().eq(attributes.cluster_list.iter().copied()));
    assert!(view.ext_communities().eq(attributes.ext_communities.iter().copied()));
    assert!(view.ipv6_ext_communities().eq(attributes.ipv6_ext_communities.iter().copied()));
    assert!(view.large_communities().eq(attributes.large_communities.iter().copied()));
    assert_eq!((view.aigp(), view.otc()), (attributes.aigp_metric(), attributes.otc));
    let empty = BlockView(&[]);
    assert_eq!((empty.med(), empty.local_pref(), empty.otc(), empty.originator_id()), (None, None, None, None));
    assert!(!empty.has_atomic_aggregate() && empty.next_hop().is_none() && empty.communities().len() == 0);
}

/// RFC 4271 §5: the Partial bit is not cleared.
#[test]
fn partial_stays() {
    let block = [0xe0, 8, 4, 0xfd, 0xe9, 0, 1];
    let mut attributes = PathAttributes::from_block(&block);
    assert!(attributes.partial.contains(AttrCode::COMMUNITIES));
    assert_eq!(attributes.to_block().as_deref(), Ok(&block[..]));
    attributes.communities.clear();
    assert_eq!(attributes.to_block().as_deref(), Ok(&[][..]));
}

#[test]
fn changes() {
    let mut attributes = PathAttributes::new();
    attributes.add_community(Community::NO_EXPORT);
    attributes.add_community(Community::NO_EXPORT);
    assert_eq!(attributes.communities, [Community::NO_EXPORT]);
    attributes.add_community(Community::NO_ADVERTISE);
    attributes.remove_community(Community::NO_EXPORT);
    assert_eq!(attributes.communities, [Community::NO_ADVERTISE]);
    let (target, large) = ("rt:65001:1".parse().expect("a route target"), LargeCommunity::new(1, 2, 3));
    for _ in 0..2 {
        attributes.add_ext_community(target);
        attributes.add_large_community(large);
    }
    assert_eq!((&attributes.ext_communities[..], &attributes.large_communities[..]), (&[target][..], &[large][..]));
    for metric in [Some(77), Some(0), None] {
        attributes.set_aigp_metric(metric);
        assert_eq!(attributes.aigp_metric(), metric);
    }
    attributes.reflect(BgpId(1), ClusterId(10));
    attributes.reflect(BgpId(2), ClusterId(20));
    assert_eq!(attributes.originator_id, Some(BgpId(1)), "RFC 4456 §8: set once");
    assert_eq!(attributes.cluster_list, [ClusterId(20), ClusterId(10)], "RFC 4456 §8: prepended");
    assert_eq!(attributes.as_path().hops(), 0);
    attributes.as_path_mut().prepend(Asn(1), 1);
    assert_eq!(attributes.as_path().to_string(), "1");
}

/// What is not what its type says is kept as it came, and written back so.
#[test]
fn odd_values_are_carried() {
    let odd: [(u8, u8, &[u8]); 10] = [
        (0x40, 1, &[3]),
        (0x40, 2, &[9, 9]),
        (0x40, 3, &[1, 2, 3]),
        (0x80, 4, &[1]),
        (0x40, 6, &[1]),
        (0xc0, 7, &[1, 2, 3]),
        (0xc0, 8, &[1, 2, 3]),
        (0x80, 10, &[]),
        (0xc0, 16, &[1, 2, 3, 4]),
        (0xe0, 99, &[7]),
    ];
    let mut block = Vec::new();
    for (flags, code, value) in odd {
        try_push_attr(&mut block, flags, AttrCode(code), value).expect("short");
    }
    let attributes = PathAttributes::from_block(&block);
    let others: Vec<_> = attributes.others.iter().map(|o| (o.flags.0, o.code.0, &o.value[..])).collect();
    assert_eq!(others, odd);
    assert_eq!(attributes.to_block(), Ok(block));
    // RFC 4271 §5: an optional transitive attribute that we know has the bit of its own.
    assert!(!attributes.partial.contains(AttrCode(99)) && !attributes.partial.contains(AttrCode::COMMUNITIES));
}

/// A value that no length field can say.
#[test]
fn too_long() {
    let communities = vec![Community(0); 16_384];
    let attributes = PathAttributes { communities, med: Some(1), ..PathAttributes::default() };
    let mut out = vec![9];
    let error = AttributeTooLong { code: AttrCode::COMMUNITIES, len: 65_536 };
    assert_eq!(attributes.write_block(&mut out), Err(error));
    assert_eq!(out, [9]);
}
