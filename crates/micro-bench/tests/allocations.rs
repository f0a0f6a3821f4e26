//! What a route costs in allocations: how many, how many octets, and how many of those stay.
//!
//! `cargo test -p heddle-micro-bench --test allocations -- --nocapture` prints the table. The counts are the same at every
//! run and in every profile, so bounds on them are asserted. They are a sixth above what was measured: whoever makes it
//! cheaper lowers them.
//!
//! The allocator of this program counts a thread's allocations; one that grows counts as a new one.

use allocation_counter::{AllocationInfo, measure};
use heddle_bgp_core::Family;
use heddle_micro_bench::reflector::Reflector;
use heddle_micro_bench::session::{READ, Session};
use heddle_micro_bench::table::Table;
use heddle_rib::Batch;

const ROUTES: u32 = 60_000;

/// The most that a route may take: allocations of a thousand routes; octets, whether or not they stay; octets that stay.
#[derive(Clone, Copy, Debug)]
struct Bound(f64, f64, f64);

const NOTHING: Bound = Bound(0.0, 0.0, 0.0);

/// Prints a row of the table, and fails when a bound is passed.
#[track_caller]
fn check(what: &str, info: &AllocationInfo, bound: Bound) {
    let Bound(most_allocations, most_octets, most_stay) = bound;
    let a_route = |n: f64| n / f64::from(ROUTES);
    let allocations = a_route(info.count_total as f64) * 1000.0;
    let (octets, stays) = (a_route(info.bytes_total as f64), a_route(info.bytes_current as f64));
    println!("{what:56} {allocations:12.2} {octets:12.1} {stays:12.1} {:12.1}", a_route(info.bytes_max as f64));
    assert!(allocations <= most_allocations, "{what}: {allocations:.2} allocations of 1,000 routes");
    assert!(octets <= most_octets, "{what}: {octets:.1} octets allocated a route");
    assert!(stays <= most_stay, "{what}: {stays:.1} octets stay of a route");
}

fn ingest(reflector: &mut Reflector, client: usize, batches: &[Batch]) {
    batches.iter().for_each(|batch| reflector.ingest(client, batch));
}

fn batches(octets: &[u8]) -> Vec<Batch> {
    Session::new().all_batches(octets)
}

#[test]
fn of_a_route() {
    println!("{:56} {:>12} {:>12} {:>12} {:>12}", "", "allocs/1000", "octets", "octets stay", "octets peak");
    for family in Family::SUPPORTED {
        decoding(family);
        the_rib(family);
    }
}

/// By family: the blocks of IPv6 routes are 12 octets longer, their prefixes 12 as well.
fn of(family: Family, v4: Bound, v6: Bound) -> Bound {
    if family == Family::IPV4_UNICAST { v4 } else { v6 }
}

fn decoding(family: Family) {
    let table = Table::new(family, ROUTES);
    let octets = table.advertisement();
    let mut session = Session::new();
    let mut pass = || octets.chunks(READ).map(|read| session.updates(read, |_| {})).sum::<usize>();
    // Buffers that are used again and again have grown by then.
    let sets = table.sets() as usize;
    assert_eq!(pass(), sets);
    let info = measure(|| assert_eq!(pass(), sets));
    check(&format!("{family}: framed and decoded"), &info, NOTHING);

    let mut session = Session::new();
    let mut out = Vec::with_capacity(64);
    let info = measure(|| {
        for read in octets.chunks(READ) {
            session.batches(read, &mut out);
            out.clear();
        }
    });
    check(&format!("{family}: in batches"), &info, of(family, Bound(16.0, 55.0, 3.0), Bound(19.0, 77.0, 3.0)));
}

fn the_rib(family: Family) {
    let table = Table::new(family, ROUTES);
    let first = batches(&table.advertisement());
    let newer = batches(&Table { version: 1, ..table }.advertisement());
    let second = batches(&Table { client: 1, ..table }.advertisement());
    let withdrawal = batches(&table.withdrawal());
    let mut reflector = Reflector::new(6);
    let step =
        |reflector: &mut Reflector, what: &str, client: usize, batches: &[Batch], inserted: Bound, exported: Bound| {
            let info = measure(|| ingest(reflector, client, batches));
            check(&format!("{family}: {what}: into the RIB"), &info, inserted);
            let mut written = 0;
            let info = measure(|| written = reflector.settle(|_, _| {}));
            check(&format!("{family}: {what}: decided, sent to five"), &info, exported);
            written
        };

    let inserted = of(family, Bound(22.0, 77.0, 63.0), Bound(22.0, 95.0, 81.0));
    let exported = of(family, Bound(9.5, 158.0, 9.0), Bound(10.0, 173.0, 9.0));
    assert!(step(&mut reflector, "new", 0, &first, inserted, exported) > 0);

    assert_eq!(step(&mut reflector, "the same again", 0, &first, NOTHING, NOTHING), 0, "nobody has to know");

    // What others were told, and its sets of attributes, stay until they have heard of the new ones: a page for 64 destinations.
    let inserted = of(family, Bound(20.0, 35.0, 34.0), Bound(20.0, 38.0, 36.0));
    let exported = of(family, Bound(8.5, 145.0, 0.0), Bound(8.5, 162.0, 0.0));
    assert!(step(&mut reflector, "with other attributes", 0, &newer, inserted, exported) > 0);

    // It is the better one for every second set.
    let inserted = of(family, Bound(16.5, 62.0, 62.0), Bound(16.5, 65.0, 65.0));
    let exported = of(family, Bound(7.0, 102.0, 0.0), Bound(7.0, 109.0, 0.0));
    assert!(step(&mut reflector, "a second path", 1, &second, inserted, exported) > 0);

    let inserted = Bound(15.5, 12.0, 12.0);
    let exported = of(family, Bound(7.0, 102.0, 0.0), Bound(16.0, 109.0, 0.0));
    assert!(step(&mut reflector, "the first one withdrawn", 0, &withdrawal, inserted, exported) > 0);

    let exported = of(family, Bound(6.5, 106.0, 0.0), Bound(6.5, 109.0, 0.0));
    assert!(step(&mut reflector, "the last one withdrawn", 1, &withdrawal, inserted, exported) > 0);
    assert_eq!(reflector.counts(family), (0, 0), "nothing is left");
}
