//! The sockets to the kernel, and what is done with them.

use heddle_bgp_core::Timestamp;
use heddle_netlink::{
    Cookie, DumpError, DumpSocket, Dumped, Errno, Event, Family, Monitor, MonitorOptions, OpenError, Pending,
    QueueError, RECEIVE_BUFFER, RequestSocket, Results, RouteFilter, Table,
};

use super::convert;
use crate::engine::{DumpEnd, FibSync, Heard, Refusal, Write, WriteKind};
use crate::route::{KernelEvent, MAIN_TABLE};

/// How many writes are planned at once: about what 64 KiB hold.
const BATCH: usize = 1000;
/// How often reports are read at most: then at least as many as the monitor's buffer holds were.
const READS: usize = 512;
/// No report takes fewer octets of that buffer.
const REPORT: usize = 512;
// The kernel makes the buffer twice as large as it is asked to.
const _: () = assert!(READS * Monitor::DATAGRAMS * REPORT >= 2 * RECEIVE_BUFFER);

/// The three sockets: requests, what is heard, dumps.
pub(super) struct Sockets {
    request: RequestSocket,
    pub(super) monitor: Monitor,
    dump: DumpSocket,
    events: Vec<Event>,
    writes: Vec<Write>,
    refusals: Vec<(usize, Refusal)>,
}

/// Whether all was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Done,
    More,
    /// The sockets are of no more use.
    Broken,
}

/// How much may be read before something is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// All that was there when reading began.
    All,
    /// A little: whoever it is has something else to do.
    Little,
}

/// Reads until there is nothing more, or as often as is needed to have read all that was there at first, whatever comes
/// meanwhile: who is told of something new all the time has heard of the old all the same.
fn listen_long(patience: Patience, mut listen: impl FnMut() -> Work) -> Work {
    let (reads, rest) = match patience {
        Patience::All => (READS, Work::Done),
        Patience::Little => (1, Work::More),
    };
    for _ in 0..reads {
        match listen() {
            Work::More => {}
            work @ (Work::Done | Work::Broken) => return work,
        }
    }
    rest
}

impl Sockets {
    /// Sockets in the network namespace of the calling thread. The monitor is there before the first dump.
    pub(super) fn open() -> Result<Self, OpenError> {
        let request = RequestSocket::open()?;
        let options = MonitorOptions { deaf_to: vec![request.port()], ..MonitorOptions::default() };
        let monitor = Monitor::open(&options)?;
        let dump = DumpSocket::open()?;
        let (events, writes, refusals) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { request, monitor, dump, events, writes, refusals })
    }

    /// Hands what the kernel reports to the engine.
    pub(super) fn listen(&mut self, fib: &mut FibSync, now: Timestamp) -> Work {
        let work = match self.monitor.receive(&mut self.events) {
            Ok(Pending::None) => Work::Done,
            Ok(Pending::More) => Work::More,
            Err(error) => {
                tracing::error!(%error, "the kernel's reports cannot be read; the socket is opened again");
                Work::Broken
            }
        };
        let (tables, own) = ([MAIN_TABLE, fib.settings().table], convert::own_numbers(fib.settings()));
        for event in self.events.drain(..) {
            let before = convert::before(&event);
            for event in before.into_iter().chain(convert::event(event, tables, &own)) {
                fib.handle_kernel(now, event);
            }
        }
        work
    }

    /// Hands over all that was reported by now, as it may be older than what a dump has told: before anything is written the
    /// engine has to know what came after it.
    pub(super) fn listen_to_all(&mut self, fib: &mut FibSync, now: Timestamp, patience: Patience) -> Work {
        listen_long(patience, || self.listen(fib, now))
    }

    /// Takes the next writes from the engine, with all that the kernel has reported where one of them replaces something.
    fn plan(&mut self, fib: &mut FibSync, clock: &dyn Fn() -> Timestamp, patience: Patience) -> Work {
        self.writes.clear();
        fib.poll_writes(BATCH, Heard::Some, &mut self.writes);
        if !self.writes.is_empty() || !fib.wants_to_hear() {
            return Work::Done;
        }
        let heard = self.listen_to_all(fib, clock(), patience);
        if heard == Work::Done {
            fib.poll_writes(BATCH, Heard::All, &mut self.writes);
        }
        heard
    }

    /// Writes one batch.
    pub(super) fn write(&mut self, fib: &mut FibSync, clock: &dyn Fn() -> Timestamp, patience: Patience) -> Work {
        match self.plan(fib, clock, patience) {
            Work::Done => {}
            work @ (Work::More | Work::Broken) => return work,
        }
        if self.writes.is_empty() {
            return Work::Done;
        }
        self.refusals.clear();
        let mut broken = false;
        for (at, write) in self.writes.iter().enumerate() {
            match queue(&mut self.request, Cookie(crate::engine::count(at)), write) {
                Ok(()) => {}
                Err(Refused::Cannot(error)) => {
                    tracing::warn!(%error, ?write, "a route cannot be said to the kernel");
                    self.refusals.push((at, Refusal::Errno(Errno::EINVAL as i32)));
                }
                Err(Refused::Broken) => broken = true,
            }
        }
        let results = self.request.flush();
        match results {
            Ok(results) if !broken => self.judge(&results),
            Ok(_) => self.all_unknown(),
            Err(error) => {
                tracing::error!(%error, "the sockets to the kernel are opened again");
                broken = true;
                self.all_unknown();
            }
        }
        fib.handle_results(clock(), &self.refusals);
        match broken {
            true => Work::Broken,
            false if fib.is_settled() => Work::Done,
            false => Work::More,
        }
    }

    fn all_unknown(&mut self) {
        self.refusals = (0..self.writes.len()).map(|at| (at, Refusal::Unknown)).collect();
    }

    fn judge(&mut self, results: &Results) {
        for failure in &results.failures {
            let Ok(at) = usize::try_from(failure.cookie.0) else { continue };
            let refusal = match failure.error {
                Errno::EEXIST => Refusal::Exists,
                Errno::ENOENT | Errno::ESRCH => Refusal::Missing,
                error => {
                    let text = failure.text.as_deref().unwrap_or_default();
                    tracing::debug!(%error, text, write = ?self.writes.get(at), "the kernel refuses");
                    Refusal::Errno(error as i32)
                }
            };
            self.refusals.push((at, refusal));
        }
        for cookie in &results.unknown {
            if let Ok(at) = usize::try_from(cookie.0) {
                self.refusals.push((at, Refusal::Unknown));
            }
        }
        self.refusals.sort_unstable_by_key(|(at, _)| *at);
    }

    /// Reads everything that is there.
    pub(super) fn dump(&mut self, fib: &mut FibSync, clock: &dyn Fn() -> Timestamp) -> Work {
        fib.begin_dump(clock());
        let (end, work) = match self.read(fib) {
            Ok(Dumped::Complete) => (DumpEnd::Complete, Work::Done),
            Ok(Dumped::Interrupted) => (DumpEnd::Interrupted, Work::Done),
            Err(error) => {
                tracing::warn!(%error, "the kernel's tables cannot be read; the sockets are opened again");
                (DumpEnd::Interrupted, Work::Broken)
            }
        };
        fib.end_dump(clock(), end);
        work
    }

    fn read(&mut self, fib: &mut FibSync) -> Result<Dumped, DumpError> {
        let own = convert::own_numbers(fib.settings());
        let mut whole = Dumped::Complete;
        let mut note = |dumped: Dumped| {
            if dumped == Dumped::Interrupted {
                whole = Dumped::Interrupted;
            }
        };
        note(self.dump.links(|link| fib.handle_dumped(KernelEvent::Link(convert::link(link))))?);
        note(self.dump.addresses(|address| {
            if let Some(address) = convert::address(&address) {
                fib.handle_dumped(KernelEvent::Address(address));
            }
        })?);
        match self.dump.nexthops(|object| fib.handle_dumped(KernelEvent::Object(convert::object(object)))) {
            Ok(dumped) => note(dumped),
            Err(DumpError::Refused { error: Errno::EOPNOTSUPP, .. }) => {}
            Err(error) => return Err(error),
        }
        let table = fib.settings().table;
        let tables = [Some(MAIN_TABLE), Some(table).filter(|table| *table != MAIN_TABLE)];
        for family in [Family::Ipv4, Family::Ipv6] {
            for table in tables.into_iter().flatten() {
                note(self.dump.routes(&RouteFilter::table(family, Table(table)), |heard| {
                    if let Some(route) = convert::route(heard, &own) {
                        fib.handle_dumped(KernelEvent::Route(route, crate::route::Placed::Added));
                    }
                })?);
            }
        }
        Ok(whole)
    }
}

enum Refused {
    Cannot(heddle_netlink::EncodeError),
    Broken,
}

fn queue(socket: &mut RequestSocket, cookie: Cookie, write: &Write) -> Result<(), Refused> {
    let missing = Refused::Cannot(heddle_netlink::EncodeError::NoLeg);
    let queued = match write {
        Write::Route(kind, spec) => {
            let route = convert::route_request(spec).ok_or(missing)?;
            match kind {
                WriteKind::Create => socket.add(cookie, &route),
                WriteKind::Replace => socket.replace(cookie, &route),
                WriteKind::Delete => socket.delete(cookie, &route),
            }
        }
        Write::Object(WriteKind::Delete, object) => socket.delete_nexthop(cookie, heddle_netlink::NexthopId(object.id)),
        Write::Object(kind @ (WriteKind::Create | WriteKind::Replace), object) => {
            let object = convert::object_request(object).ok_or(missing)?;
            match kind {
                WriteKind::Create => socket.add_nexthop(cookie, &object),
                WriteKind::Replace | WriteKind::Delete => socket.replace_nexthop(cookie, &object),
            }
        }
    };
    queued.map_err(|error| match error {
        QueueError::Encode(error) => Refused::Cannot(error),
        QueueError::Send(error) => {
            tracing::error!(%error, "the sockets to the kernel are opened again");
            Refused::Broken
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read and comes of it where there are so many reads' worth of reports.
    fn heard(patience: Patience, there: usize, last: Work) -> (usize, Work) {
        let mut reads = 0;
        let work = listen_long(patience, || {
            reads += 1;
            if reads > there { last } else { Work::More }
        });
        (reads, work)
    }

    /// Reports that never end, each read in time, so that none is lost: who has read as many as there can have been at first has
    /// heard all that he has to.
    #[test]
    fn an_endless_stream_of_reports_keeps_nobody_from_writing() {
        assert_eq!(heard(Patience::All, usize::MAX, Work::More), (READS, Work::Done));
        assert_eq!(heard(Patience::All, 3, Work::Done), (4, Work::Done));
        assert_eq!(heard(Patience::All, 3, Work::Broken), (4, Work::Broken));
    }

    /// Another thread that writes a route in passing does not read for the table's own.
    #[test]
    fn in_passing_little_is_read() {
        assert_eq!(heard(Patience::Little, usize::MAX, Work::More), (1, Work::More));
        assert_eq!(heard(Patience::Little, 0, Work::Done), (1, Work::Done));
        assert_eq!(heard(Patience::Little, 0, Work::Broken), (1, Work::Broken));
    }
}
