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

/// Where a used slot has the index of what lies beside it, a free one has its neighbour in the list of free ones.
#[test]
fn a_free_slot_has_no_paths() {
    let mut t = Table::<Addr4>::new(1);
    let slots = ["10.0.0.0/8", "11.0.0.0/8"].map(|prefix| {
        let (addr, len) = key(prefix);
        t.slot(addr, len)
    });
    for slot in slots {
        t.set_simple(slot, AttrId(3), SourceId(2), PathFlags::NONE, 7);
        t.clear_simple(slot);
        t.remove(slot);
    }
    for slot in slots {
        assert_eq!((t.each_path(slot).count(), t.paths(slot).len()), (0, 0));
    }
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

/// Against lists that are written as a whole.
#[test]
fn a_path_more_and_another_best_are_as_if_all_were_written() {
    let mut t = Table::<Addr4>::new(1);
    let slot = |t: &mut Table<Addr4>, prefix: &str| {
        let (addr, len) = key(prefix);
        t.slot(addr, len)
    };
    let (whole, other, changed) = (slot(&mut t, "10.0.0.0/8"), slot(&mut t, "10.1.0.0/16"), slot(&mut t, "11.0.0.0/8"));
    let all = |t: &Table<Addr4>, slot| t.paths(slot).into_vec();
    for n in 0..120_u16 {
        let mut new = path(n * 7 % 11, u32::from(n), 1 + u32::from(n));
        if n % 3 == 1 {
            new.pre = AttrId(1000 + u32::from(n));
        }
        let mut paths = t.paths(whole);
        paths.push(new);
        t.set_paths(whole, &mut paths);
        if n == 0 {
            t.set_paths(changed, &mut [new]);
        } else {
            t.add_path(changed, &new);
        }
        // A neighbour in the lists is left alone.
        let mut paths = t.paths(other);
        paths.push(new);
        t.set_paths(other, &mut paths);
        if n > 0 {
            let at = usize::from(n * 5 % n);
            let mut paths = t.paths(whole);
            paths.swap(0, at + 1);
            t.set_paths(whole, &mut paths);
            t.promote(changed, at);
        }
        assert_eq!(all(&t, changed), all(&t, whole));
        assert_eq!(t.each_path(changed).collect::<Vec<_>>(), all(&t, whole));
        assert_eq!(t.id_high(changed), t.id_high(whole));
        assert_eq!(all(&t, other).len(), usize::from(n) + 1);
        assert_eq!(t.paths_len(), 3 * (u32::from(n) + 1));
    }
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

/// Against a map: slots that are free are found again by their prefix, and given to others from the oldest on.
#[test]
fn free_slots_wait_for_their_prefix_until_another_one_needs_them() {
    let mut t = Table::<Addr4>::new(3);
    let key = |n: u32| {
        let prefix = Prefix::new(std::net::Ipv4Addr::from(n << 8).into(), 24).expect("a prefix");
        Addr4::of(prefix).expect("IPv4")
    };
    let slot = |t: &mut Table<Addr4>, n: u32| t.slot(key(n).0, key(n).1);
    assert_eq!((0..5).map(|n| slot(&mut t, n)).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    for free in [3, 1, 0, 4] {
        t.remove(free);
    }
    assert_eq!(slot(&mut t, 1), 1, "its own");
    assert_eq!(slot(&mut t, 10), 3, "the one that has been free for longest");
    assert_eq!(slot(&mut t, 3), 0);
    assert_eq!(slot(&mut t, 4), 4);
    assert_eq!(slot(&mut t, 5), 5);
    assert_eq!(t.destinations(), 6);

    let mut known: std::collections::BTreeMap<u32, u32> = [(1, 1), (2, 2), (10, 3), (3, 0), (4, 4), (5, 5)].into();
    let mut random = 1_u32;
    let mut most = known.len();
    for _ in 0..20_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let n = random >> 16 & 0x3f;
        match known.remove(&n) {
            Some(at) if random >> 30 == 0 => {
                assert_eq!(t.find_next(key(n).0, key(n).1), Some(at));
                known.insert(n, at);
            }
            Some(at) => t.remove(at),
            None => {
                assert_eq!(t.find(key(n).0, key(n).1), None);
                let new = slot(&mut t, n);
                assert!(known.values().all(|&at| at != new), "slot {new} is in use");
                known.insert(n, new);
            }
        }
        most = most.max(known.len());
        assert_eq!((t.destinations() as usize, t.slots() as usize), (known.len(), most));
    }
    assert!(known.iter().all(|(&n, &at)| t.find(key(n).0, key(n).1) == Some(at)));
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

/// Groups of places that are looked at until each of these is found, one after the other put into the emptiest table that
/// would take them, as hashbrown does it: sixteen places at once, then so many more further on each time.
fn probes(hashes: &[u64]) -> (f64, usize) {
    let places = (hashes.len() * 8 / 7).next_power_of_two();
    let mut taken = vec![false; places];
    let (mut all, mut longest) = (0, 0);
    for hash in hashes {
        let mut at = usize::try_from(hash & 0xffff_ffff).expect("32 bits");
        let mut groups = 1;
        let free = loop {
            match (at..at + 16).map(|place| place % places).find(|&place| !taken[place]) {
                Some(free) => break free,
                None => at += 16 * groups,
            }
            groups += 1;
        };
        taken[free] = true;
        all += groups;
        longest = longest.max(groups);
    }
    (all as f64 / hashes.len() as f64, longest)
}

/// Whoever knows all but the seed chooses prefixes; the table is as full as it gets before it grows.
#[test]
fn chosen_neighbours_are_found_soon() {
    const MANY: u32 = (1 << 14) / 8 * 7;
    type Choice = (&'static str, u8, fn(u32) -> u32);
    let choices: [Choice; 5] = [
        ("one behind the other", 24, |n| n << 8),
        ("runs of eight far apart", 32, |n| ((n / 8) << 16) | (n % 8)),
        ("runs of sixteen far apart", 32, |n| ((n / 16) << 16) | (n % 16)),
        ("of each eight the first", 32, |n| n << 3),
        ("of each eight the last two", 32, |n| (n / 2) << 3 | 6 | (n % 2)),
    ];
    for seed in 1..20 {
        for (what, len, address) in choices {
            let hashes: Vec<u64> = (0..MANY)
                .map(|n| {
                    let ip = std::net::Ipv4Addr::from(address(n));
                    let (addr, len) = Addr4::of(Prefix::new(ip.into(), len).expect("a prefix")).expect("IPv4");
                    addr.hash(len, seed)
                })
                .collect();
            let (mean, longest) = probes(&hashes);
            assert!(mean < 2.2 && longest < 64, "{what}, seed {seed}: {mean:.2} groups, at most {longest}");
        }
    }
}

#[test]
fn neighbours_lie_beside_each_other_and_are_told_apart_by_their_tags() {
    for (base, len) in
        [("10.1.2.0/29", 32), ("10.1.0.0/21", 24), ("2001:db8::/125", 128), ("2001:db8::/61", 64), ("::/0", 3)]
    {
        let base: Prefix = base.parse().expect("a prefix");
        let hash = |n: u32| match base {
            Prefix::V4(p) => {
                let ip = std::net::Ipv4Addr::from(p.addr() | n << (32 - len));
                let (addr, len) = Addr4::of(Prefix::new(ip.into(), len).expect("a prefix")).expect("IPv4");
                addr.hash(len, 5)
            }
            Prefix::V6(p) => {
                let ip = std::net::Ipv6Addr::from(p.addr() | u128::from(n) << (128 - len));
                let (addr, len) = Addr6::of(Prefix::new(ip.into(), len).expect("a prefix")).expect("IPv6");
                addr.hash(len, 5)
            }
        };
        let tags: std::collections::BTreeSet<u64> = (0..8).map(|n| hash(n) >> 57).collect();
        assert_eq!(tags.len(), 8, "{base}");
        for n in 0..8 {
            assert_eq!(hash(n) << 7 >> 10, hash(0) << 7 >> 10, "{base}: the same shard and group");
            assert_eq!(hash(n) % 8, u64::from(n), "{base}");
        }
    }
}
