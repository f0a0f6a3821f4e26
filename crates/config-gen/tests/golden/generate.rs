//! Candidates: the same ones in every run.

use std::collections::BTreeSet;

use heddle_bgp_core::Prefix;

use crate::candidate::{Candidate, From};
use crate::pools::Pools;

/// How many candidates are drawn at random beside the systematic ones.
const RANDOM: usize = 1000;

/// xorshift64*.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let n = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(n).expect("31 bits") % limit.max(1)
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).cloned()
    }
}

struct Lists {
    prefixes: Vec<Prefix>,
    local_prefs: Vec<u32>,
    metrics: Vec<u32>,
    communities: Vec<(u32, u32)>,
    large_communities: Vec<(u32, u32, u32)>,
    paths: Vec<Vec<u32>>,
    next_hops: Vec<std::net::IpAddr>,
}

/// Candidates from these sources: each prefix with each source, each prefix with one interface after another from the
/// kernel and from an internal peer, and [`RANDOM`] others.
pub fn candidates(pools: &Pools, sources: &[From]) -> Vec<Candidate> {
    let lists = Lists {
        prefixes: pools.prefixes.iter().copied().collect(),
        local_prefs: pools.local_prefs.iter().copied().collect(),
        metrics: pools.metrics.iter().copied().collect(),
        communities: pools.communities.iter().copied().collect(),
        large_communities: pools.large_communities.iter().copied().collect(),
        paths: pools.paths.iter().cloned().collect(),
        next_hops: pools.next_hops.iter().copied().collect(),
    };
    let mut out = Vec::new();
    for (i, net) in lists.prefixes.iter().enumerate() {
        for from in sources {
            out.push(plain(*net, *from, &lists));
            if matches!(from, From::Kernel | From::Internal) {
                let interface = pools.interfaces[i % pools.interfaces.len()].clone();
                out.push(legal(Candidate { interface, ..plain(*net, *from, &lists) }));
            }
        }
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..RANDOM {
        let from = numbers.pick(sources).expect("at least one source");
        let net = numbers.pick(&lists.prefixes).expect("unrelated ones at least");
        let mut c = plain(net, from, &lists);
        c.interface = numbers.pick(&pools.interfaces).flatten();
        c.metric = numbers.pick(&lists.metrics).filter(|_| numbers.below(3) > 0);
        c.local_pref = numbers.pick(&lists.local_prefs).unwrap_or(100);
        c.communities = some(&mut numbers, &lists.communities);
        c.large_communities = some(&mut numbers, &lists.large_communities);
        c.path = numbers.pick(&lists.paths).unwrap_or_default();
        c.next_hop = numbers.pick(&lists.next_hops);
        out.push(legal(c));
    }
    out
}

fn some<T: Clone + Ord>(numbers: &mut Numbers, of: &[T]) -> BTreeSet<T> {
    let count = numbers.below(4);
    (0..count).filter_map(|_| numbers.pick(of)).collect()
}

/// The most ordinary route of its source.
fn plain(net: Prefix, from: From, lists: &Lists) -> Candidate {
    Candidate {
        net,
        from,
        interface: (from == From::Kernel).then(|| "cali1234".to_owned()),
        metric: None,
        local_pref: 100,
        communities: BTreeSet::new(),
        large_communities: BTreeSet::new(),
        path: Vec::new(),
        next_hop: lists.next_hops.first().copied().filter(|_| from.is_learned()),
    }
}

/// Takes away what a route of its source cannot have.
fn legal(mut c: Candidate) -> Candidate {
    match c.from {
        From::External | From::Internal => {
            c.metric = None;
            if c.from == From::External && c.path.is_empty() {
                c.path = vec![64997];
            }
        }
        From::Static => (c.metric, c.interface, c.next_hop) = (None, None, None),
        From::Connected => {
            (c.metric, c.next_hop) = (None, None);
            c.interface.get_or_insert_with(|| "eth0".to_owned());
        }
        From::Kernel => {
            c.next_hop = None;
            c.interface.get_or_insert_with(|| "eth0".to_owned());
        }
    }
    if !c.from.is_learned() {
        (c.path, c.communities, c.large_communities) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    }
    c
}
