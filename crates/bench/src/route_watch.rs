//! Sees routes come and go in many kernels at once: a netlink monitor in each namespace, all waited for together.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use heddle_lab::host::Host;
use heddle_netlink::{Change, Event, IpNetwork, Monitor, MonitorOptions, Pending, Subscriptions};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Octets of each monitor's receive buffer.
const BUFFER: usize = 1 << 20;

/// Monitors of the routes of several hosts.
#[derive(Debug)]
pub(crate) struct RouteWatch {
    monitors: Vec<Monitor>,
    epoll: Epoll,
    events: Vec<Event>,
}

impl RouteWatch {
    pub(crate) fn open<'a>(hosts: impl IntoIterator<Item = &'a Host>) -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let subscriptions = Subscriptions { routes: true, links: false, addresses: false, nexthops: false };
        let options = MonitorOptions { subscriptions, deaf_to: Vec::new(), receive_buffer: BUFFER };
        let mut monitors = Vec::new();
        for host in hosts {
            let monitor = host.namespace().run(|| Monitor::open(&options))?.context("no monitor of routes")?;
            let number = u64::try_from(monitors.len())?;
            epoll.add(monitor.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, number))?;
            monitors.push(monitor);
        }
        Ok(Self { monitors, epoll, events: Vec::new() })
    }

    /// Forgets what has happened.
    pub(crate) fn forget(&mut self) -> anyhow::Result<()> {
        for monitor in &mut self.monitors {
            while monitor.receive(&mut self.events)? == Pending::More {
                self.events.clear();
            }
        }
        self.events.clear();
        Ok(())
    }

    /// Waits until a route was seen to come or go on every host; tells when it was on the last, or nothing when that takes
    /// longer than until `deadline`.
    pub(crate) fn last(
        &mut self,
        prefix: IpNetwork,
        change: Change,
        deadline: Instant,
    ) -> anyhow::Result<Option<Instant>> {
        let mut seen = vec![false; self.monitors.len()];
        let mut missing = seen.len();
        let mut ready = vec![EpollEvent::empty(); seen.len()];
        let mut last = Instant::now();
        while missing > 0 {
            let count = self.wait(&mut ready, deadline)?;
            let now = Instant::now();
            if count == 0 && now >= deadline {
                return Ok(None);
            }
            for event in ready.iter().take(count) {
                let number = usize::try_from(event.data())?;
                let (Some(monitor), Some(seen)) = (self.monitors.get_mut(number), seen.get_mut(number)) else {
                    continue;
                };
                monitor.receive(&mut self.events)?;
                if !*seen && self.events.drain(..).any(|event| is(&event, prefix, change)) {
                    (*seen, last) = (true, now);
                    missing -= 1;
                }
                self.events.clear();
            }
        }
        Ok(Some(last))
    }

    fn wait(&self, ready: &mut [EpollEvent], deadline: Instant) -> anyhow::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        match self.epoll.wait(ready, EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)) {
            Ok(count) => Ok(count),
            Err(Errno::EINTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

fn is(event: &Event, prefix: IpNetwork, change: Change) -> bool {
    matches!(event, Event::Route(what, route) if *what == change && route.prefix == prefix)
}
