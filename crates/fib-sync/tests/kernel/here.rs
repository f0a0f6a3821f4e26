//! Routes that are written by the thread that brings them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use heddle_fib_sync::{BestPath, BestPathSource, More, News, Settings};
use heddle_netlink::{Leg, Protocol};

use crate::Case;
use crate::common::{Fib, Net, best, foreign, ip, ours, route, routes, wait_for_routes};

pub(crate) const CASES: &[Case] = &[
    ("here::a_table_that_rests_is_written_by_who_brings_a_route", written),
    ("here::a_stranger_who_was_faster_is_left_alone", overtaken),
    ("here::a_route_that_flaps_is_written_now_and_then", flapping),
    ("here::who_fails_in_the_middle_ends_the_table", failed),
];

type Takers = Arc<Mutex<Vec<ThreadId>>>;

/// Paths that wait, and who took them.
struct Source {
    paths: Receiver<Option<BestPath>>,
    takers: Takers,
}

impl BestPathSource for Source {
    fn take(&mut self, news: &mut News) -> More {
        let Ok(path) = self.paths.try_recv() else { return More::No };
        news.paths.push(path.expect("a path, where the case does not ask for a failure"));
        self.takers.lock().expect("sound").push(thread::current().id());
        More::Yes
    }
}

fn start() -> (Fib, Sender<Option<BestPath>>, Takers) {
    let (bring, paths) = channel();
    let takers = Takers::default();
    let source = Source { paths, takers: Arc::clone(&takers) };
    (Fib::start_with(Settings::default(), Some(Box::new(source))), bring, takers)
}

fn written(lab: Net) {
    let (fib, bring, takers) = start();
    let waker = fib.runner.waker();
    let mut wanted = Vec::new();
    for n in 0..100 {
        let prefix = format!("10.1.{n}.0/24");
        bring.send(Some(best(&prefix, &["192.0.2.2"]))).expect("the source is there");
        waker.work_here();
        wanted.push(route(&prefix).leg(Leg::via(ip("192.0.2.2"), lab.a)));
        let here = takers.lock().expect("sound").len() == wanted.len();
        if here && takers.lock().expect("sound").last() == Some(&thread::current().id()) {
            let last = wanted.last().expect("one").clone().canonical();
            assert!(ours().contains(&last), "not written when the call returned: {last:?}");
        } else {
            // It was awake: that it sleeps again is nothing that it would tell.
            thread::sleep(Duration::from_millis(1));
        }
    }
    wait_for_routes(wanted);
    let takers = takers.lock().expect("sound");
    let here = takers.iter().filter(|id| **id == thread::current().id()).count();
    assert!(here > 0, "the table's own thread was woken each time");
    assert_eq!(fib.counters().failures, 0);
}

/// Changes of one route as fast as they can be brought: not each one is written, and the last one counts.
fn flapping(lab: Net) {
    const CHANGES: usize = 50_000;
    /// The most in a tenth of a second: four that change what is there, and three that make it again.
    const WRITES: u128 = 7;
    let (fib, bring, _) = start();
    let waker = fib.runner.waker();
    let hops: [&[&str]; 3] = [&["192.0.2.2"], &["192.0.2.3"], &[]];
    let begun = Instant::now();
    for n in 0..CHANGES {
        bring.send(Some(best("10.1.0.0/16", hops[n % hops.len()]))).expect("the source is there");
        waker.work_here();
    }
    bring.send(Some(best("10.1.0.0/16", &["192.0.2.4"]))).expect("the source is there");
    waker.work_here();
    wait_for_routes([route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.4"), lab.a))]);
    fib.wait_until("rest", |counters| counters.pending == 0);
    let counters = fib.counters();
    let whiles = begun.elapsed().as_millis() / 100 + 2;
    let writes = u128::from(counters.created + counters.replaced + counters.deleted);
    println!("{CHANGES} changes in {:?}: {writes} writes", begun.elapsed());
    assert!(writes <= whiles * WRITES, "{writes} writes in {whiles} tenths of a second");
    assert_eq!(counters.failures, 0);
}

/// He takes the place of a route of ours, and before anybody has heard of him another path comes for it.
fn overtaken(mut lab: Net) {
    const ROUNDS: usize = 100;
    let (fib, bring, _) = start();
    let waker = fib.runner.waker();
    let stranger = foreign("10.1.0.0/16").leg(Leg::via(ip("198.51.100.9"), lab.b));
    for n in 0..ROUNDS {
        let hops: [&str; 2] = if n % 2 == 0 { ["192.0.2.2", "192.0.2.3"] } else { ["192.0.2.3", "192.0.2.2"] };
        fib.learn(&[("10.1.0.0/16", &hops[..1])]);
        wait_for_routes([route("10.1.0.0/16").leg(Leg::via(ip(hops[0]), lab.a))]);
        fib.wait_until("rest", |counters| counters.pending == 0 && counters.conflicts == 0);
        lab.control.replace_route(&stranger).expect("replaced");
        bring.send(Some(best("10.1.0.0/16", &hops[1..]))).expect("the source is there");
        waker.work_here();
        fib.wait_until("a conflict", |counters| counters.conflicts == 1 && counters.pending == 0);
        assert_eq!(routes(Protocol::STATIC), [stranger.clone().canonical()], "round {n}");
        lab.control.delete_route(&stranger).expect("deleted");
    }
}

fn failed(_: Net) {
    let (fib, bring, _) = start();
    bring.send(None).expect("the source is there");
    let waker = fib.runner.waker();
    // The table's own thread may have been faster; then it is that one which fails.
    let _ = catch_unwind(AssertUnwindSafe(|| waker.work_here()));
    let ended = (0..100).any(|_| {
        let (tell, told) = channel::<()>();
        fib.runner.query(move |_| tell.send(()).expect("somebody listens"));
        told.recv_timeout(Duration::from_secs(20)).is_err_and(|end| end == RecvTimeoutError::Disconnected)
    });
    assert!(ended, "the table answers although its state is not known");
}
