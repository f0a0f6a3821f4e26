use heddle_bgp_core::Prefix;

use super::paths::PATH_SIZE;
use super::*;

fn key(p: &str) -> (Addr4, u8) {
    Addr4::of(p.parse::<Prefix>().expect("a prefix")).expect("IPv4")
}

fn path(source: u16, rx: u32, attr: u32) -> PathRec {
    PathRec {
        attr: AttrId(attr),
        pre: AttrId::NONE,
        rx,
        time: 5,
        source: SourceId(source),
        tx: u16::try_from(rx).expect("small"),
        flags: PathFlags::NONE,
    }
}

/// The budget of bytes a route rests on these.
#[test]
fn sizes() {
    assert_eq!(size_of::<Dest<Addr4>>(), 24);
    assert_eq!(size_of::<Dest<Addr6>>(), 36);
    assert_eq!(PATH_SIZE, 16);
    assert_eq!(size_of::<More>(), 16);
    assert_eq!(size_of::<crate::route::AttrMeta>(), 32);
    assert_eq!(size_of::<crate::debt::DebtRange>(), 12);
    assert!(size_of::<crate::journal::Run>() <= 16);
    // One a session and family; of the second there is one more in each group that gets routes of the peer.
    assert!(size_of::<crate::member::Member>() <= 216, "{}", size_of::<crate::member::Member>());
    assert_eq!(size_of::<crate::counters::Tally>(), 40);
}

#[test]
fn a_simple_destination_has_its_path_inline() {
    let mut t = Table::<Addr4>::new(1);
    let (addr, len) = key("10.0.0.0/8");
    let slot = t.slot(addr, len);
    assert_eq!(t.slot(addr, len), slot);
    assert_eq!(t.find(addr, 9), None);
    t.set_simple(slot, AttrId(3), SourceId(2), PathFlags::NONE.with_llgr_stale(), 7);
    assert_eq!(t.paths_len(), 1);
    assert!(t.dest(slot).is_simple());
    let p = t.inline(slot).expect("a path");
    assert_eq!((p.attr, p.source, p.time, p.tx), (AttrId(3), SourceId(2), 7, 0));
    assert!(p.flags.is_llgr_stale());
    assert_eq!(t.prefix(slot).to_string(), "10.0.0.0/8");
}

#[test]
fn lists_grow_shrink_and_are_reused() {
    let mut t = Table::<Addr4>::new(1);
    let (addr, len) = key("10.0.0.0/8");
    let slot = t.slot(addr, len);
    for n in 1..200_u32 {
        let mut paths = t.paths(slot);
        let mut new = path(u16::try_from(n % 7).expect("small"), n, n);
        if n % 3 == 0 {
            new.pre = AttrId(1000 + n);
        }
        paths.push(new);
        t.set_paths(slot, &mut paths);
        let now = t.paths(slot);
        assert_eq!(now.len(), n as usize);
        assert_eq!(t.paths_len(), n);
        let rest = now.get(1..).expect("one at least");
        assert!(rest.is_sorted_by_key(|p| (p.source, p.rx)), "by source and identifier");
        assert!(now.iter().all(|p| (p.pre == AttrId::NONE) == (p.rx % 3 != 0)), "pre-policy attributes stay");
    }
    assert_eq!(t.id_high(slot), 200);
    for n in (0..199_usize).rev() {
        let mut paths = t.paths(slot);
        paths.remove(n / 2);
        t.set_paths(slot, &mut paths);
        assert_eq!(t.paths(slot).len(), n);
    }
    assert_eq!(t.id_high(slot), 200, "identifiers that were sent are remembered");
    t.remove(slot);
    assert_eq!(t.find(addr, len), None);
    assert_eq!(t.slot(addr, len), slot, "slots are reused");
    assert_eq!(t.id_high(slot), 1);
}

#[test]
fn many_destinations_keep_their_slots() {
    let mut t = Table::<Addr6>::new(9);
    let prefix = |i: u32| Addr6::of(format!("2001:db8:{:x}:{:x}::/64", i >> 16, i & 0xffff).parse().expect("a prefix"));
    for i in 0..20_000 {
        let (addr, len) = prefix(i).expect("IPv6");
        assert_eq!(t.slot(addr, len), i, "slots in order of arrival");
    }
    for i in (0..20_000).step_by(3) {
        t.remove(i);
    }
    for i in 0..20_000 {
        let (addr, len) = prefix(i).expect("IPv6");
        assert_eq!(t.find(addr, len), (i % 3 != 0).then_some(i));
    }
    assert_eq!(t.destinations(), 13_333);
}

/// B.1: after the renumbering only the order toward the floor is left.
#[test]
fn renumbered_generations_keep_their_side_of_the_floor() {
    let mut t = Table::<Addr4>::new(1);
    let slots: Vec<u32> = ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"].map(key).map(|(a, l)| t.slot(a, l)).to_vec();
    t.set_generation(slots[0], 10);
    t.set_generation(slots[1], 20);
    t.renumber(10);
    let g: Vec<u32> = slots.iter().map(|&s| t.dest(s).generation).collect();
    assert_eq!(g, [1, 2, 0]);
    assert_eq!(t.block_generation(0), 2);
}
