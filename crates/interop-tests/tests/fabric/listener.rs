//! What happens to the routes of a kernel, as `ip monitor route` prints it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use heddle_netlink::{Event, Monitor, MonitorOptions, Pending, Subscriptions};

use crate::world::World;

/// Listens until it is asked what it heard.
#[derive(Debug)]
pub(crate) struct Listener {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Event>>,
    host: String,
}

impl Listener {
    /// Listens in a host's namespace, from now on.
    #[track_caller]
    pub(crate) fn start(world: &World, host: &str) -> Self {
        let options = MonitorOptions {
            subscriptions: Subscriptions { routes: true, links: false, addresses: false, nexthops: true },
            ..MonitorOptions::default()
        };
        let namespace = world.fabric().host(host).unwrap_or_else(|error| panic!("{error}")).namespace();
        let opened = namespace.run(|| Monitor::open(&options)).unwrap_or_else(|error| panic!("{host}: {error}"));
        let mut monitor = opened.unwrap_or_else(|error| panic!("{host}: {error}"));
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let listen = move || {
            let mut heard = Vec::new();
            loop {
                // What is there when it is asked to stop is still read.
                let last = asked.load(Ordering::Acquire);
                let _ = monitor.wait(Duration::from_millis(20));
                while monitor.receive(&mut heard).is_ok_and(|pending| pending == Pending::More) {}
                if last {
                    return heard;
                }
            }
        };
        Self { stop, thread: thread::spawn(listen), host: host.to_owned() }
    }

    /// What it heard, each line with the host's name.
    pub(crate) fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Release);
        let events = self.thread.join().expect("the thread ends");
        events.iter().map(|event| format!("{}: {}", self.host, words(event))).collect()
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Route(change, route) => format!("{change:?} {route} proto {}", route.protocol.0),
        other => format!("{other:?}"),
    }
}
