//! A simulated network of speakers in virtual time: state machines, codec and RIBs joined by byte pipes that delay, cut
//! messages into pieces, fill up, are reset and swallow what is sent. From a seed.
//!
//! Claims: whatever happened meanwhile, once the network is sound every speaker holds exactly the routes that a small
//! reference model (`reference.rs`: synchronous rounds over full knowledge, structs instead of octets) says, loops kept
//! out by the reason that belongs to them, and prefers the same ones.
//!
//! `HEDDLE_SIM_SEEDS=N` runs the first N seeds, `HEDDLE_SIM_SEED=S` only that one.

mod net;
mod node;
mod reference;
mod topology;

use net::Net;
use topology::Topology;

/// A small generator of numbers, so that a seed means the same everywhere (xorshift64*).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Less than `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("an index")
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Virtual seconds of faults and changes.
const TROUBLE: u64 = 120;
/// Virtual seconds that a sound network gets at most until nothing changes any more.
const PATIENCE: u64 = 3600;

/// What happened on the way, so that it is known whether trouble was real.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) sessions: usize,
    pub(crate) lost: usize,
    pub(crate) kept_stale: usize,
    pub(crate) cut_messages: usize,
    pub(crate) detached: usize,
    pub(crate) refreshes: usize,
    pub(crate) as_loops: usize,
    pub(crate) originator_loops: usize,
    pub(crate) cluster_loops: usize,
    pub(crate) rejected: usize,
    /// Seeds whose topology has no single outcome.
    pub(crate) open: usize,
}

impl Seen {
    fn fields(&mut self) -> [&mut usize; 11] {
        let Self { sessions, lost, kept_stale, cut_messages, detached, .. } = self;
        let Self { refreshes, as_loops, originator_loops, cluster_loops, rejected, open, .. } = self;
        [
            sessions,
            lost,
            kept_stale,
            cut_messages,
            detached,
            refreshes,
            as_loops,
            originator_loops,
            cluster_loops,
            rejected,
            open,
        ]
    }

    fn add(&mut self, mut other: Self) {
        self.fields().into_iter().zip(other.fields()).for_each(|(sum, one)| *sum += *one);
    }
}

fn run(seed: u64) -> Seen {
    let mut random = Random::new(seed);
    let topology = Topology::random(&mut random);
    let mut net = Net::new(&topology, random);
    net.start();
    net.trouble(TROUBLE);
    net.calm(PATIENCE);
    match reference::converge(&topology.changed(net.present())) {
        Some(expected) => net.check(&expected, seed),
        None => net.seen.open = 1,
    }
    net.seen
}

#[test]
fn converges_to_the_reference() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("HEDDLE_SIM_SEED") {
        println!("{:?}", run(seed));
        return;
    }
    let seeds = number("HEDDLE_SIM_SEEDS").unwrap_or(SEEDS);
    let mut seen = Seen::default();
    for seed in 0..seeds {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(one) => seen.add(one),
            Err(panic) => {
                eprintln!("seed {seed} failed; HEDDLE_SIM_SEED={seed} runs it alone");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{seen:?}");
    assert!(seen.open <= usize::try_from(seeds / 100 + 1).expect("few"), "hardly anything was compared: {seen:?}");
    if seeds >= SEEDS {
        // One outcome each is what is wished for; and who has a route from its originator prefers that, so that an
        // ORIGINATOR_ID comes home on the way only.
        (seen.open, seen.originator_loops) = (1, 1);
        assert!(seen.fields().into_iter().all(|count| *count > 0), "something never happened: {seen:?}");
    }
}

/// How many seeds a plain run takes.
const SEEDS: u64 = 80;
