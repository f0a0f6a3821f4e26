//! 2-octet peers: AS_PATH and AS4_PATH become one path, AGGREGATOR and AS4_AGGREGATOR one aggregator
//! (RFC 6793 §4.2.3).

use crate::asn::{AS_TRANS, AsWidth, Asn};
use crate::attr::as_path::{MAX_SEGMENT, Segment, SegmentKind, Segments, push_raw};
use crate::reader::Reader;

/// Whether AS4_PATH is well-formed (RFC 6793 §6): whole segments that fill it, no AS 0 (RFC 7607 §2).
pub(super) fn is_sound(as4_path: &[u8]) -> bool {
    let mut segments = Segments::new(as4_path, AsWidth::Four);
    let zero = segments.by_ref().any(|s| s.asns().any(|asn| asn == Asn(0)));
    !zero && segments.rest().is_empty()
}

/// Appends the path that the two attributes stand for, with 4-octet AS numbers.
///
/// Both were found well-formed. Without AS4_PATH, or when AS_PATH is the shorter one, it is AS_PATH alone; otherwise
/// the leading part of AS_PATH that AS4_PATH does not have, then AS4_PATH. Confederation segments of AS4_PATH are left
/// out (RFC 6793 §3).
pub(super) fn merge_path(out: &mut Vec<u8>, as_path: &[u8], as4_path: Option<&[u8]>) {
    let old = || Segments::new(as_path, AsWidth::Two);
    let new = || as4_path.into_iter().flat_map(|p| Segments::new(p, AsWidth::Four)).filter(|s| !s.kind.is_confed());
    let hops = old().map(Segment::hops).sum::<usize>();
    let Some(mut lead) = hops.checked_sub(new().map(Segment::hops).sum()).filter(|_| as4_path.is_some()) else {
        old().for_each(|s| push_raw(out, s.kind, s.asns()));
        return;
    };
    let mut new = new().peekable();
    for segment in old() {
        if segment.kind.is_confed() {
            push_raw(out, segment.kind, segment.asns());
        } else if lead == 0 {
            break;
        } else if lead < segment.hops() || (lead == segment.hops() && segment.kind == SegmentKind::Sequence) {
            join(out, segment, lead, new.next_if(|s| s.kind == SegmentKind::Sequence));
            lead = 0;
        } else {
            push_raw(out, segment.kind, segment.asns());
            lead -= segment.hops();
        }
    }
    new.for_each(|s| push_raw(out, s.kind, s.asns()));
}

/// Writes the first `lead` AS numbers of a sequence, in one segment with the sequence after them where it has room.
fn join(out: &mut Vec<u8>, segment: Segment<'_>, lead: usize, next: Option<Segment<'_>>) {
    let lead = segment.asns().take(lead);
    match next {
        Some(next) if lead.len() + next.len() <= MAX_SEGMENT => {
            push_raw(out, SegmentKind::Sequence, lead.chain(next.asns()));
        }
        Some(next) => {
            push_raw(out, SegmentKind::Sequence, lead);
            push_raw(out, SegmentKind::Sequence, next.asns());
        }
        None => push_raw(out, SegmentKind::Sequence, lead),
    }
}

/// What AGGREGATOR and AS4_AGGREGATOR mean together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    /// The aggregator in eight octets.
    pub(super) aggregator: Option<[u8; 8]>,
    /// AS4_PATH counts; it does not when AGGREGATOR shows that a 2-octet speaker aggregated since.
    pub(super) as4_path_counts: bool,
}

/// Merges `aggregator` (6 octets) and `as4_aggregator` (8 octets).
pub(super) fn merge_aggregator(aggregator: Option<&[u8]>, as4_aggregator: Option<&[u8]>) -> Merged {
    let widened = aggregator.and_then(|octets| {
        let mut r = Reader::new(octets);
        let [a, b] = r.array().ok()?;
        let [c, d, e, f] = r.array().ok()?;
        Some((Asn(u32::from(u16::from_be_bytes([a, b]))), [0, 0, a, b, c, d, e, f]))
    });
    match (widened, as4_aggregator.and_then(|octets| octets.try_into().ok())) {
        (Some((AS_TRANS, _)), Some(four)) => Merged { aggregator: Some(four), as4_path_counts: true },
        (Some((_, octets)), Some(_)) => Merged { aggregator: Some(octets), as4_path_counts: false },
        (widened, _) => Merged { aggregator: widened.map(|(_, octets)| octets), as4_path_counts: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::AsPathView;

    fn merged(old: &[u8], new: Option<&[u8]>) -> String {
        let mut out = Vec::new();
        merge_path(&mut out, old, new);
        AsPathView(&out).to_string()
    }

    /// RFC 6793 §4.2.3.
    #[test]
    fn paths() {
        const T: [u8; 2] = 23456_u16.to_be_bytes();
        let old = [2, 3, 0, 1, T[0], T[1], 0, 3];
        let four = [2, 2, 0, 1, 0, 0, 0, 0, 0, 3];
        assert_eq!(merged(&old, None), "1 23456 3", "without AS4_PATH");
        assert_eq!(merged(&old, Some(&four)), "1 65536 3", "the leading part is kept");
        let whole = [2, 3, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3];
        assert_eq!(merged(&old, Some(&whole)), "1 65536 3", "as long as AS_PATH");
        let longer = [2, 4, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3];
        assert_eq!(merged(&old, Some(&longer)), "1 23456 3", "longer than AS_PATH: ignored");
        let set = [2, 1, 0, 1, 1, 2, T[0], T[1], 0, 7];
        let four_set = [1, 2, 0, 1, 0, 0, 0, 0, 0, 7];
        assert_eq!(merged(&set, Some(&four_set)), "1 {65536,7}", "a set counts as one");
        let confed = [3, 1, 0, 0, 0, 9, 2, 2, 0, 1, 0, 0, 0, 0, 0, 3];
        assert_eq!(merged(&old, Some(&confed)), "1 65536 3", "confederation segments of AS4_PATH are left out");
        let set_first = [1, 2, 0, 5, 0, 6, 2, 1, 0, 3];
        assert_eq!(merged(&set_first, Some(&[2, 1, 0, 0, 0, 3])), "{5,6} 3", "a leading set is kept");
    }

    /// RFC 6793 §4.2.3: the leading part and what follows are one sequence where both are.
    #[test]
    fn where_the_two_meet() {
        const T: [u8; 2] = 23456_u16.to_be_bytes();
        let segments = |old: &[u8], new: &[u8]| {
            let mut out = Vec::new();
            merge_path(&mut out, old, Some(new));
            let lengths: Vec<usize> = AsPathView(&out).segments().map(Segment::len).collect();
            (AsPathView(&out).to_string(), lengths)
        };
        let four = [2, 2, 0, 1, 0, 0, 0, 0, 0, 3];
        let inside = [2, 3, 0, 1, T[0], T[1], 0, 3];
        assert_eq!(segments(&inside, &four), ("1 65536 3".into(), vec![3]));
        let between = [2, 1, 0, 1, 2, 2, T[0], T[1], 0, 3];
        assert_eq!(segments(&between, &four), ("1 65536 3".into(), vec![3]));
        let two_before = [2, 1, 0, 1, 2, 1, 0, 2, 2, 2, T[0], T[1], 0, 3];
        assert_eq!(segments(&two_before, &four), ("1 2 65536 3".into(), vec![1, 3]));
        let set_before = [1, 2, 0, 5, 0, 6, 2, 2, T[0], T[1], 0, 3];
        assert_eq!(segments(&set_before, &four), ("{5,6} 65536 3".into(), vec![2, 2]));
    }

    /// A join that would exceed 255 makes two segments.
    #[test]
    fn full_segments() {
        let old = [&[2, 255][..], &[0, 9].repeat(255), &[2, 1, 0, 8]].concat();
        let new = [&[2, 255][..], &[0, 0, 0, 9].repeat(254), &[0, 0, 0, 8]].concat();
        let mut out = Vec::new();
        merge_path(&mut out, &old, Some(&new));
        let lengths: Vec<usize> = AsPathView(&out).segments().map(Segment::len).collect();
        assert_eq!(lengths, [1, 255]);
        assert_eq!(AsPathView(&out).hops(), 256);
    }

    /// RFC 6793 §4.2.3: all combinations.
    #[test]
    fn aggregators() {
        let plain: &[u8] = &[0, 9, 10, 0, 0, 2];
        let trans: &[u8] = &[0x5b, 0xa0, 10, 0, 0, 2];
        let four: &[u8] = &[0, 1, 0, 0, 10, 0, 0, 3];
        let merged = |a, b| (merge_aggregator(a, b).aggregator, merge_aggregator(a, b).as4_path_counts);
        assert_eq!(merged(None, None), (None, true));
        assert_eq!(merged(None, Some(four)), (None, true), "AS4_AGGREGATOR alone means nothing");
        assert_eq!(merged(Some(plain), None), (Some([0, 0, 0, 9, 10, 0, 0, 2]), true));
        assert_eq!(merged(Some(plain), Some(four)), (Some([0, 0, 0, 9, 10, 0, 0, 2]), false));
        assert_eq!(merged(Some(trans), Some(four)), (Some([0, 1, 0, 0, 10, 0, 0, 3]), true));
        assert_eq!(merged(Some(trans), None), (Some([0, 0, 0x5b, 0xa0, 10, 0, 0, 2]), true));
    }

    #[test]
    fn soundness() {
        assert!(is_sound(&[2, 1, 0, 1, 0, 0]));
        assert!(is_sound(&[]));
        for bad in [&[0, 1, 0, 1, 0, 1][..], &[2, 1, 0, 1, 0], &[2, 0], &[2], &[2, 1, 0, 0, 0, 0]] {
            assert!(!is_sound(bad), "{bad:?}");
        }
    }
}
