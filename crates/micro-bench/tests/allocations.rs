//! What a route costs in allocations: how many, how many octets, and how many of those stay.
//!
//! `cargo test -p heddle-micro-bench --test allocations -- --nocapture` prints the table. The counts are the same at every
//! run and in every profile, so bounds on them are asserted. They are a little above what was measured: whoever makes it
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

/// The most that a route may take.
struct Bound {
    /// Allocations of a thousand routes.
    allocations: f64,
    /// Octets, whether or not they stay.
    octets: f64,
    /// Octets that stay.
    stays: f64,
}

/// Prints a row of the table, and fails when a bound is passed.
#[track_caller]
fn check(what: &str, info: &AllocationInfo, bound: &Bound) {
    let a_route = |n: f64| n / f64::from(ROUTES);
    let allocations = a_route(info.count_total as f64) * 1000.0;
    let (octets, stays) = (a_route(info.bytes_total as f64), a_route(info.bytes_current as f64));
    println!("{what:48} {allocations:12.2} {octets:12.1} {stays:12.1} {:12.1}", a_route(info.bytes_max as f64));
    assert!(allocations <= bound.allocations, "{what}: {allocations:.2} allocations of 1,000 routes");
    assert!(octets <= bound.octets, "{what}: {octets:.1} octets allocated a route");
    assert!(stays <= bound.stays, "{what}: {stays:.1} octets stay of a route");
}

fn ingest(reflector: &mut Reflector, batches: &[Batch]) {
    batches.iter().for_each(|batch| reflector.ingest(0, batch));
}

fn batches(octets: &[u8]) -> Vec<Batch> {
    Session::new().all_batches(octets)
}

#[test]
fn of_a_route() {
    println!("{:48} {:>12} {:>12} {:>12} {:>12}", "a route", "allocs/1000", "octets", "octets stay", "octets peak");
    for family in Family::SUPPORTED {
        decoding(family);
        the_rib(family);
    }
}

fn decoding(family: Family) {
    let table = Table::new(family, ROUTES);
    let octets = table.advertisement();
    let mut session = Session::new();
    let mut pass = |octets: &[u8]| octets.chunks(READ).map(|read| session.updates(read, |_| {})).sum::<usize>();
    // Buffers that are used again and again grow while the first read is worked on.
    pass(&octets[..READ / 2]);
    let first = pass(&octets[READ / 2..]);
    let info = measure(|| assert!(pass(&octets) >= first, "all of it was decoded"));
    check(&format!("{family}: framed and decoded"), &info, &Bound { allocations: 0.0, octets: 0.0, stays: 0.0 });

    let mut session = Session::new();
    let mut out = Vec::with_capacity(64);
    let info = measure(|| {
        for read in octets.chunks(READ) {
            session.batches(read, &mut out);
            out.clear();
        }
    });
    check(&format!("{family}: in batches"), &info, &Bound { allocations: 0.0, octets: 0.0, stays: 0.0 });
}

fn the_rib(family: Family) {
    let table = Table::new(family, ROUTES);
    let first = batches(&table.advertisement());
    let newer = batches(&Table { version: 1, ..table }.advertisement());
    let withdrawal = batches(&table.withdrawal());
    let mut reflector = Reflector::new(6);
    let steps = [
        ("new", &first, NEW),
        ("the same again", &first, NEW),
        ("with other attributes", &newer, NEW),
        ("withdrawn", &withdrawal, NEW),
    ];
    for (what, batches, (inserted, exported)) in steps {
        let info = measure(|| ingest(&mut reflector, batches));
        check(&format!("{family}: {what}: into the RIB"), &info, &inserted);
        let mut written = 0;
        let info = measure(|| written = reflector.settle(|_, _| {}));
        check(&format!("{family}: {what}: decided, sent to five"), &info, &exported);
        assert_eq!(written == 0, what == "the same again", "{what}: {written} octets were sent");
    }
    assert_eq!(reflector.counts(family), (0, 0), "nothing is left");
}
const ANY: f64 = 1e9;
const NEW: (Bound, Bound) =
    (Bound { allocations: ANY, octets: ANY, stays: ANY }, Bound { allocations: ANY, octets: ANY, stays: ANY });
