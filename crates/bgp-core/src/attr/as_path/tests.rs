use super::*;

fn path(segments: &[(SegmentKind, &[u32])]) -> AsPath {
    let mut path = AsPath::new();
    for (kind, asns) in segments {
        path.push_segment(*kind, &asns.iter().copied().map(Asn).collect::<Vec<_>>());
    }
    path
}

use SegmentKind::{ConfedSequence, ConfedSet, Sequence, Set};

/// Text, length (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3), neighbouring AS and origin AS.
#[test]
fn what_a_path_says() {
    type Row<'a> = (&'a [(SegmentKind, &'a [u32])], &'a str, usize, Option<u32>, Option<u32>);
    let rows: [Row<'_>; 7] = [
        (&[], "", 0, None, None),
        (&[(Sequence, &[65001])], "65001", 1, Some(65001), Some(65001)),
        (&[(Sequence, &[65001, 65002]), (Set, &[1, 2])], "65001 65002 {1,2}", 3, Some(65001), None),
        (&[(Set, &[1, 2]), (Sequence, &[3])], "{1,2} 3", 2, None, Some(3)),
        (&[(ConfedSequence, &[9, 8]), (Sequence, &[3])], "(9 8) 3", 1, Some(3), Some(3)),
        (&[(ConfedSet, &[9, 8]), (Sequence, &[3])], "[9,8] 3", 1, Some(3), Some(3)),
        (&[(Sequence, &[4_200_000_000, 1, 1])], "4200000000 1 1", 3, Some(4_200_000_000), Some(1)),
    ];
    for (segments, text, hops, neighbor, origin) in rows {
        let path = path(segments);
        let view = path.view();
        assert_eq!(view.to_string(), text);
        assert_eq!(view.hops(), hops, "{text}");
        assert_eq!(view.is_empty(), segments.is_empty(), "{text}");
        assert_eq!(view.neighbor_as(), neighbor.map(Asn), "{text}");
        assert_eq!(view.origin_as(), origin.map(Asn), "{text}");
        assert_eq!(AsPath::from_octets(path.octets(), AsWidth::Four), Some(path.clone()), "{text}");
    }
    let set = path(&[(Sequence, &[1, 2]), (Set, &[1, 3])]);
    assert_eq!((set.view().count(Asn(1)), set.view().contains(Asn(3)), set.view().contains(Asn(4))), (2, true, false));
    assert_eq!((set.view().count(Asn(3)), set.view().count(Asn(9)), set.view().to_owned()), (1, 0, set.clone()));
    assert!(set.view().has_set() && !path(&[(Sequence, &[1])]).view().has_set());
}

/// RFC 7606 §7.2.
#[test]
fn malformed() {
    for octets in
        [&[2][..], &[2, 0], &[0, 1, 0, 0, 0, 1], &[5, 1, 0, 0, 0, 1], &[2, 1, 0, 0, 1], &[2, 1, 0, 0, 0, 1, 2]]
    {
        assert_eq!(AsPath::from_octets(octets, AsWidth::Four), None, "{octets:?}");
    }
    assert_eq!(AsPath::from_octets(&[2, 1, 0, 9], AsWidth::Two), Some(AsPath::from_asns(&[Asn(9)])));
}

/// RFC 4271 §5.1.2 b: joined with the first sequence up to 255, before anything else in a segment of its own.
#[test]
fn prepend() {
    let lengths = |p: &AsPath| p.view().segments().map(|s| (s.kind, s.len())).collect::<Vec<_>>();
    let full = AsPath::from_asns(&[Asn(2); 255]);
    type Row = (AsPath, usize, Vec<(SegmentKind, usize)>);
    let rows: [Row; 8] = [
        (AsPath::new(), 0, vec![]),
        (AsPath::new(), 2, vec![(Sequence, 2)]),
        (AsPath::from_asns(&[Asn(2)]), 0, vec![(Sequence, 1)]),
        (AsPath::from_asns(&[Asn(2)]), 3, vec![(Sequence, 4)]),
        (AsPath::from_asns(&[Asn(2); 254]), 3, vec![(Sequence, 2), (Sequence, 255)]),
        (full.clone(), 1, vec![(Sequence, 1), (Sequence, 255)]),
        (full, 300, vec![(Sequence, 45), (Sequence, 255), (Sequence, 255)]),
        (path(&[(Set, &[1, 2])]), 1, vec![(Sequence, 1), (Set, 2)]),
    ];
    for (mut path, times, expected) in rows {
        let before: Vec<Asn> = path.view().asns().collect();
        path.prepend(Asn(7), times);
        assert_eq!(lengths(&path), expected);
        let after: Vec<Asn> = path.view().asns().collect();
        assert!(after[..times].iter().all(|a| *a == Asn(7)));
        assert_eq!(after[times..], before);
    }
}

#[test]
fn changes() {
    let mut p = path(&[(Sequence, &[65001, 3, 64512]), (Set, &[64513]), (Sequence, &[4_200_000_001, 5])]);
    p.replace(Asn(3), Asn(33));
    assert_eq!(p.to_string(), "65001 33 64512 {64513} 4200000001 5");
    let mut kept = p.clone();
    kept.remove_private(Some(Asn(65001)));
    assert_eq!(kept.to_string(), "65001 33 5");
    p.remove_private(None);
    assert_eq!(p.to_string(), "33 5");
    let mut confed = path(&[(ConfedSequence, &[1]), (Sequence, &[2]), (ConfedSet, &[3])]);
    confed.remove_confed();
    assert_eq!(confed.to_string(), "2");
}
