use super::*;

#[test]
fn a_joiner_owes_what_is_there_and_nothing_beyond() {
    let mut d = Debt::none();
    assert!(d.is_none());
    d.owe(0, 100, 0, NONE);
    assert_eq!(d.at(0), (0, NONE));
    assert_eq!(d.at(99), (0, NONE));
    assert_eq!(d.at(100), (NONE, NONE));
    assert_eq!(d.min_wd(), NONE);
    assert_eq!(d.owed().collect::<Vec<_>>(), [(0, 100, 0, NONE)]);
    d.clear(0, 100);
    assert!(d.is_none());
}

#[test]
fn a_detached_member_owes_to_infinity() {
    let mut d = Debt::none();
    d.owe(0, 100, 0, NONE);
    d.clear(10, 20);
    d.owe(0, u32::MAX, 7, 7);
    assert_eq!(d.at(5), (0, 7));
    assert_eq!(d.at(15), (7, 7));
    assert_eq!(d.at(50), (0, 7));
    assert_eq!(d.at(4_000_000_000), (7, 7));
    assert_eq!(d.min_wd(), 7);
    d.clear(100, u32::MAX);
    assert_eq!(d.at(4_000_000_000), (NONE, NONE));
}

/// Merging may owe more, never less.
#[test]
fn ranges_are_bounded_and_never_forget() {
    let mut d = Debt::none();
    let mut model = vec![(NONE, NONE); 400];
    let mut x = 1_u32;
    let mut next = |n: u32| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 8) % n
    };
    for _ in 0..2000 {
        let (from, to) = (next(400), next(401));
        if next(3) == 0 {
            d.clear(from, to);
            for m in model.iter_mut().take(to as usize).skip(from as usize) {
                *m = (NONE, NONE);
            }
        } else {
            let (adv, wd) = (next(50), next(50));
            d.owe(from, to, adv, wd);
            for m in model.iter_mut().take(to as usize).skip(from as usize) {
                *m = (m.0.min(adv), m.1.min(wd));
            }
        }
        assert!(d.owed().count() <= 8);
        for (slot, m) in (0..400).zip(&model) {
            let (adv, wd) = d.at(slot);
            assert!(adv <= m.0 && wd <= m.1, "slot {slot}: owes {adv},{wd}, has to owe {m:?}");
        }
    }
}

#[test]
fn renumbering_keeps_nothing_all_and_zero() {
    let mut d = Debt::none();
    d.owe(0, 10, 0, 500);
    d.owe(10, 20, 300, NONE);
    d.renumber();
    assert_eq!(d.at(0), (0, 1));
    assert_eq!(d.at(10), (1, NONE));
    assert_eq!(d.at(30), (NONE, NONE));
}
