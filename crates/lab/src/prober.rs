//! Loss, measured: UDP packets with a number in each, one a millisecond on each flow, and what of them arrived.
//!
//! At one packet a millisecond a lost packet is a millisecond of loss. A [`Prober`] has any number of one-way flows; one thread
//! sends for all of them and one receives.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use thiserror::Error;

use crate::namespace::{Namespace, NamespaceError};

/// Between two packets of a flow.
pub const INTERVAL: Duration = Duration::from_millis(1);
/// How long packets may be on their way when the sending has ended, on a machine that has much else to do.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// Octets that wait in a receiver's socket while its thread has no turn: seconds of packets.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Packets read from one socket before the next one's turn.
const TURN: usize = 64;

/// A prober could not be started.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// A socket.
    #[error("cannot probe from {from} to {to}: {source}")]
    Socket {
        /// Sender.
        from: IpAddr,
        /// Receiver.
        to: IpAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

/// Both ends of a flow.
#[derive(Debug)]
pub struct Endpoints<'a> {
    /// What it is called in reports.
    pub name: String,
    /// Where it is sent from.
    pub from: (&'a Namespace, IpAddr),
    /// Where it is received.
    pub to: (&'a Namespace, IpAddr),
}

/// What was counted on a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowReport {
    /// The flow.
    pub name: String,
    /// Packets sent, those included that the kernel refused to send for lack of a route.
    pub sent: u64,
    /// Packets that did not arrive.
    pub lost: u64,
    /// The longest run of packets of which none arrived, in milliseconds.
    pub longest_gap: u64,
    /// Packets that came twice.
    pub duplicates: u64,
}

/// Sends and counts until it is finished.
#[derive(Debug)]
pub struct Prober {
    flows: Arc<Vec<Flow>>,
    stop: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
    receiver: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Flow {
    name: String,
    out: UdpSocket,
    into: UdpSocket,
    sent: AtomicU64,
    arrived: Mutex<Arrivals>,
}

/// Which numbers arrived: a bit each.
#[derive(Clone, Debug, Default)]
struct Arrivals {
    bits: Vec<u64>,
    count: u64,
    duplicates: u64,
}

impl Arrivals {
    fn note(&mut self, number: u64) {
        let Ok(word) = usize::try_from(number / 64) else { return };
        // A number beyond a day's worth is none of ours.
        if word > 2_000_000 {
            return;
        }
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let Some(bits) = self.bits.get_mut(word) else { return };
        let bit = 1 << (number % 64);
        if *bits & bit == 0 {
            *bits |= bit;
            self.count += 1;
        } else {
            self.duplicates += 1;
        }
    }

    fn has(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.bits.get(word));
        word.is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }

    /// The longest run of numbers below `end` and from `start` on that are missing.
    fn longest_gap(&self, start: u64, end: u64) -> u64 {
        let (mut longest, mut current) = (0, 0);
        for number in start..end {
            current = if self.has(number) { 0 } else { current + 1 };
            longest = longest.max(current);
        }
        longest
    }

    fn lost(&self, start: u64, end: u64) -> u64 {
        u64::try_from((start..end).filter(|number| !self.has(*number)).count()).unwrap_or(u64::MAX)
    }
}

/// A moment of a prober: how far each flow had been sent.
#[derive(Clone, Debug)]
pub struct Mark(Vec<u64>);

impl Prober {
    /// Begins to send on all flows.
    ///
    /// # Errors
    /// When a socket or a thread cannot be made.
    pub fn start(flows: &[Endpoints<'_>]) -> Result<Self, ProbeError> {
        let flows = flows.iter().map(Flow::open).collect::<Result<Vec<_>, _>>()?;
        let mut prober = Self {
            flows: Arc::new(flows),
            stop: Arc::default(),
            stop_receiving: Arc::default(),
            sender: None,
            receiver: None,
        };
        let (flows, stop) = (Arc::clone(&prober.flows), Arc::clone(&prober.stop_receiving));
        let receive = move || receive(&flows, &stop);
        prober.receiver = Some(spawn("probe-receiver", receive)?);
        let (flows, stop) = (Arc::clone(&prober.flows), Arc::clone(&prober.stop));
        prober.sender = Some(spawn("probe-sender", move || send(&flows, &stop))?);
        Ok(prober)
    }

    /// Now, for [`Prober::since`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.flows.iter().map(|flow| flow.sent.load(Ordering::Acquire)).collect())
    }

    /// What was lost since a moment. Packets of the last `settling` are left out: they may be on their way.
    #[must_use]
    pub fn since(&self, mark: &Mark, settling: Duration) -> Vec<FlowReport> {
        let settling = u64::try_from(settling.as_millis() / INTERVAL.as_millis()).unwrap_or(u64::MAX);
        let report = |(flow, start): (&Flow, &u64)| flow.report(*start, settling);
        self.flows.iter().zip(&mark.0).map(report).collect()
    }

    /// Whether each flow had all of its last packets (`span` of them in time) arrive.
    #[must_use]
    pub fn is_whole(&self, span: Duration) -> bool {
        let settling = 50;
        let span = u64::try_from(span.as_millis() / INTERVAL.as_millis()).unwrap_or(u64::MAX);
        self.flows.iter().all(|flow| {
            let end = flow.sent.load(Ordering::Acquire).saturating_sub(settling);
            let start = end.saturating_sub(span);
            end > start && flow.arrivals().lost(start, end) == 0
        })
    }

    /// Stops sending, waits for what is on its way, and tells what was lost.
    #[must_use]
    pub fn finish(self) -> Vec<FlowReport> {
        let start = Mark(vec![0; self.flows.len()]);
        self.finish_since(&start)
    }

    /// As [`finish`](Self::finish), without what was lost before a moment.
    #[must_use]
    pub fn finish_since(mut self, mark: &Mark) -> Vec<FlowReport> {
        self.stop.store(true, Ordering::Release);
        join(self.sender.take());
        let deadline = Instant::now() + STRAGGLERS;
        let complete =
            |(flow, start): (&Flow, &u64)| flow.arrivals().lost(*start, flow.sent.load(Ordering::Acquire)) == 0;
        while Instant::now() < deadline && !self.flows.iter().zip(&mark.0).all(complete) {
            sleep(Duration::from_millis(5));
        }
        self.stop_receiving.store(true, Ordering::Release);
        join(self.receiver.take());
        self.since(mark, Duration::ZERO)
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.stop_receiving.store(true, Ordering::Release);
        join(self.sender.take());
        join(self.receiver.take());
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        let _ = thread.join();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ProbeError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(ProbeError::Thread)
}

impl Flow {
    fn open(ends: &Endpoints<'_>) -> Result<Self, ProbeError> {
        let (from, to) = (ends.from.1, ends.to.1);
        let failed = |source| ProbeError::Socket { from, to, source };
        let into = ends.to.0.run(|| UdpSocket::bind(SocketAddr::new(to, 0)))?.map_err(failed)?;
        // Not connected: an error that comes back for one packet must not fail the next.
        let out = ends.from.0.run(|| UdpSocket::bind(SocketAddr::new(from, 0)))?.map_err(failed)?;
        into.set_nonblocking(true).map_err(failed)?;
        // Beyond the system's limit where that is allowed, up to it otherwise.
        if setsockopt(&into, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            let _ = setsockopt(&into, sockopt::RcvBuf, &RECEIVE_BUFFER);
        }
        out.set_nonblocking(true).map_err(failed)?;
        Ok(Self { name: ends.name.clone(), out, into, sent: AtomicU64::new(0), arrived: Mutex::default() })
    }

    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, start: u64, settling: u64) -> FlowReport {
        let end = self.sent.load(Ordering::Acquire).saturating_sub(settling).max(start);
        let arrivals = self.arrivals().clone();
        FlowReport {
            name: self.name.clone(),
            sent: end - start,
            lost: arrivals.lost(start, end),
            longest_gap: arrivals.longest_gap(start, end),
            duplicates: arrivals.duplicates,
        }
    }

    /// Reads what is there.
    fn drain(&self) {
        let mut buffer = [0; 16];
        for _ in 0..TURN {
            match self.into.recv(&mut buffer) {
                Ok(8) => {
                    let number = buffer.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
                    number.into_iter().for_each(|number| self.arrivals().note(number));
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

fn send(flows: &[Flow], stop: &AtomicBool) {
    let targets: Vec<Option<SocketAddr>> = flows.iter().map(|flow| flow.into.local_addr().ok()).collect();
    let mut next = Instant::now();
    while !stop.load(Ordering::Acquire) {
        for (flow, target) in flows.iter().zip(&targets) {
            let number = flow.sent.load(Ordering::Relaxed);
            // No route, no neighbour, no room: the packet counts as sent, and as lost.
            if let Some(target) = target {
                let _ = flow.out.send_to(&number.to_be_bytes(), target);
            }
            flow.sent.store(number + 1, Ordering::Release);
        }
        next += INTERVAL;
        // Whoever was held up catches up: there is a packet for every millisecond.
        if let Some(pause) = next.checked_duration_since(Instant::now()) {
            sleep(pause);
        }
    }
}

fn receive(flows: &[Flow], stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let mut waiting: Vec<PollFd<'_>> =
            flows.iter().map(|flow| PollFd::new(flow.into.as_fd(), PollFlags::POLLIN)).collect();
        if poll(&mut waiting, PollTimeout::from(50u8)).is_err() {
            continue;
        }
        for (flow, ready) in flows.iter().zip(&waiting) {
            if ready.any().unwrap_or_default() {
                flow.drain();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_missing() {
        let mut arrivals = Arrivals::default();
        for number in [0, 1, 2, 5, 6, 6, 130] {
            arrivals.note(number);
        }
        assert_eq!((arrivals.count, arrivals.duplicates), (6, 1));
        assert_eq!(arrivals.lost(0, 7), 2);
        assert_eq!(arrivals.longest_gap(0, 7), 2);
        assert_eq!(arrivals.longest_gap(0, 131), 123);
        assert_eq!((arrivals.lost(5, 7), arrivals.longest_gap(5, 7)), (0, 0));
    }

    #[test]
    fn a_strange_number_is_no_memory_hog() {
        let mut arrivals = Arrivals::default();
        arrivals.note(u64::MAX);
        assert_eq!((arrivals.count, arrivals.bits.len()), (0, 0));
    }
}
