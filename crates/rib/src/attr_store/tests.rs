use heddle_bgp_core::attr::AttrCode;
use heddle_bgp_core::attr::block::push_attr;

use super::*;

/// Whoever brings the sets.
const PEER: PeerId = PeerId(3);

fn block(n: u32, extra: usize) -> Vec<u8> {
    let mut b = Vec::new();
    push_attr(&mut b, 0x40, AttrCode::ORIGIN, &[1]);
    push_attr(&mut b, 0x40, AttrCode::NEXT_HOP, &n.to_be_bytes());
    push_attr(&mut b, 0x80, AttrCode::MULTI_EXIT_DISC, &n.to_be_bytes());
    push_attr(&mut b, 0xc0, AttrCode::COMMUNITIES, &vec![7; extra * 4]);
    b
}

#[test]
fn equal_blocks_are_one_set_until_nobody_refers_to_it() {
    let mut s = AttrStore::new(Resolve::Off);
    let a = s.intern_own(&block(1, 3), 5, PEER).expect("short");
    let b = s.intern_own(&block(1, 3), 5, PEER).expect("short");
    let c = s.intern_own(&block(2, 3), 5, PEER).expect("short");
    assert_eq!(a, b);
    assert_ne!(a, c);
    assert_eq!(s.len(), 2);
    assert_eq!(s.block(a).0, block(1, 3));
    assert_eq!((s.meta(a).med, s.meta(a).local_pref, s.meta(a).bits.origin()), (1, 100, 1));
    s.release(a);
    assert_eq!(s.len(), 2);
    s.release(b);
    assert_eq!(s.len(), 1);
    let d = s.intern_own(&block(3, 3), 5, PEER).expect("short");
    assert_eq!(d, a, "numbers are reused");
}

/// Two blocks with one hash are told apart by their octets.
#[test]
fn a_collision_is_no_identity() {
    let mut s = AttrStore::new(Resolve::Off);
    let a = s.intern(&block(1, 0), 42, PEER).expect("short");
    let b = s.intern(&block(2, 0), 42, PEER).expect("short");
    assert_ne!(a, b);
    assert_eq!(s.intern(&block(2, 0), 42, PEER), Ok(b));
}

#[test]
fn blocks_of_all_sizes_lie_where_they_were_put() {
    let mut s = AttrStore::new(Resolve::Off);
    let sizes = [0, 1, 2, 5, 50, 60, 300, 1000, 1020, 1030, 5000, 16_000];
    let ids: Vec<AttrId> = (0..2000_u32)
        .map(|n| s.intern_own(&block(n, sizes[n as usize % sizes.len()]), 5, PEER).expect("short"))
        .collect();
    for (n, id) in (0..2000_u32).zip(&ids) {
        assert_eq!(s.block(*id).0, block(n, sizes[n as usize % sizes.len()]));
    }
    assert_eq!(s.intern_own(&[0; 65_536], 5, PEER), Err(TooLong));
    let full = s.bytes();
    ids.iter().for_each(|id| s.release(*id));
    assert_eq!(s.len(), 0);
    assert!(s.bytes() < full / 4, "pages are given back: {} of {full}", s.bytes());
}

#[test]
fn compaction_moves_blocks_and_keeps_numbers() {
    let mut s = AttrStore::new(Resolve::Off);
    let ids: Vec<AttrId> = (0..40_000_u32).map(|n| s.intern_own(&block(n, 8), 5, PEER).expect("short")).collect();
    let full = s.bytes();
    for (n, id) in ids.iter().enumerate() {
        if n % 10 != 0 {
            s.release(*id);
        }
    }
    let steps = (0..100).take_while(|_| s.compact()).count();
    assert!(steps < 100, "compaction ends");
    assert!(s.bytes() < full * 3 / 4, "{} of {full}", s.bytes());
    for (n, id) in (0..40_000_u32).zip(&ids).step_by(10) {
        assert_eq!(s.block(*id).0, block(n, 8));
    }
    let again: Vec<AttrId> = (0..40_000_u32).map(|n| s.intern_own(&block(n, 8), 5, PEER).expect("short")).collect();
    for (n, id) in (0..40_000_u32).zip(&again) {
        assert_eq!(s.block(*id).0, block(n, 8));
    }
}
