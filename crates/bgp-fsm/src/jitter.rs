//! Jitter of timers (RFC 4271 §10): a factor between 0.75 and 1, drawn anew each time the timer is set, from a
//! generator that is part of the peer's state.

use std::time::Duration;

/// SplitMix64: small, seeded, good enough to keep peers from marching in step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `d` times a random factor of [0.75, 1] (RFC 4271 §10).
    pub(crate) fn apply(&mut self, d: Duration) -> Duration {
        let share = u32::try_from(self.next() % 257).unwrap_or(0);
        d - (d / 1024).saturating_mul(share)
    }
}

#[cfg(test)]
impl Jitter {
    /// A number below `n`; for simulations.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4271 §10: uniformly between 0.75 and 1, not always the same.
    #[test]
    fn a_quarter_less_at_most() {
        let mut jitter = Jitter::new(7);
        let full = Duration::from_secs(120);
        let drawn: Vec<_> = (0..1000).map(|_| jitter.apply(full)).collect();
        assert!(drawn.iter().all(|d| (Duration::from_secs(90)..=full).contains(d)));
        assert!(
            drawn.iter().any(|d| *d < Duration::from_secs(95)) && drawn.iter().any(|d| *d > Duration::from_secs(115))
        );
    }

    #[test]
    fn the_seed_decides() {
        let mut draws = [1, 1, 2].map(|seed| Jitter::new(seed).apply(Duration::from_secs(120)));
        assert_eq!(draws[0], draws[1]);
        draws.sort();
        assert_ne!(draws[0], draws[2]);
    }
}
