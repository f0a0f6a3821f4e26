use super::*;
use crate::counters::Row;
use crate::decision::Reason;
use crate::policy::{Guard, Refusal};

/// RFC 7454 §6: what the guard refuses is in Adj-RIB-In with the reason, is counted, reaches nobody, and is judged anew
/// when the guard changes.
#[test]
fn a_guard_refuses_before_any_policy() {
    let import = |guard: Option<Guard>| {
        Arc::new(ImportSettings {
            guard,
            context: EvalContext { own_asn: OWN, self_next_hop: None },
            ..ImportSettings::accept_all()
        })
    };
    let mut lab = Lab::new(config());
    let own = Arc::from(["9.7.0.0/16".parse().expect("a prefix")]);
    let mut a = lab.peer(1, |f| f.import = import(Some(Guard { own, ..Guard::internet() })));
    let mut b = lab.peer(2, |_| ());
    // In one UPDATE with the same attributes: each prefix is judged for itself.
    let rows = [
        ("0.0.0.0/0", Some(Refusal::DefaultRoute)),
        ("9.1.0.0/16", None),
        ("9.1.0.0/25", Some(Refusal::TooLong)),
        ("9.2.0.0/16", None),
        ("9.7.1.0/24", Some(Refusal::OwnPrefix)),
        ("10.1.0.0/16", Some(Refusal::Martian)),
        ("10.2.0.0/16", Some(Refusal::Martian)),
        ("10.0.0.0/7", Some(Refusal::TooShort)),
    ];
    let together: Vec<u8> = rows.iter().flat_map(|(prefix, _)| wire(prefix)).collect();
    lab.send(&a, |batch| batch.advertise(NlriSlice::trusted(V4, PathIds::Absent, &together), &block(1), None));
    let mut class_e = block(1);
    let at = class_e.windows(4).position(|w| w == [192, 0, 2, 1]).expect("a next hop");
    class_e[at] = 240;
    lab.send(&a, |batch| batch.advertise(NlriSlice::trusted(V4, PathIds::Absent, &wire("9.9.0.0/16")), &class_e, None));
    lab.settle(&mut [&mut a, &mut b]);

    for (prefix, expected) in rows.into_iter().chain([("9.9.0.0/16", Some(Refusal::NextHop))]) {
        let standing = lab.paths(prefix)[0].standing;
        match expected {
            Some(refusal) => assert_eq!(standing, Standing::Refused(refusal), "{prefix}"),
            None => assert_eq!(standing, Standing::Decided(Reason::Best), "{prefix}"),
        }
    }
    assert_eq!(b.has(), ["9.1.0.0/16", "9.2.0.0/16"]);
    let stats = lab.rib.peer_stats(a.id.peer)[0];
    assert_eq!((stats.received, stats.accepted, stats.rejected, stats.ineligible), (9, 2, 7, 0));
    let row = Row { received: 9, filtered: 7, accepted: 2, ..Row::default() };
    assert_eq!(stats.counters.import_updates, row);
    let counts = stats.guarded.expect("it refused");
    let of = Refusal::ALL.map(|refusal| counts.of(refusal));
    assert_eq!(of, [1, 1, 2, 1, 1, 1]);

    // Without a guard all is there; the counts of the session stay.
    a.params.families[0].import = import(None);
    lab.rib.update_session(lab.now, a.id, &a.params);
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has().len(), 9);
    let stats = lab.rib.peer_stats(a.id.peer)[0];
    assert_eq!((stats.accepted, stats.rejected, stats.guarded), (9, 0, Some(counts)));

    // And with it only what it lets through; another session counts anew.
    a.params.families[0].import = import(Some(Guard::internet()));
    lab.rib.update_session(lab.now, a.id, &a.params);
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has(), ["9.1.0.0/16", "9.2.0.0/16", "9.7.1.0/24"]);
    a.id.serial += 1;
    a.receiver = lab.up(a.id, &a.params);
    assert_eq!(lab.rib.peer_stats(a.id.peer)[0].guarded, None);
}
