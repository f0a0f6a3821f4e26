//! Summaries of samples.

use std::time::Duration;

/// Samples of one measure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Adds a time, in milliseconds.
    pub(crate) fn push_millis(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1e3);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that at least this share of all are not above (nearest rank); none of no samples.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let below = sorted.len().saturating_sub(1);
        let rank = (1..=sorted.len()).find(|rank| reaches(*rank, sorted.len(), share))?;
        sorted.get(rank.saturating_sub(1).min(below)).copied()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        self.percentile(0.5)
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.0.iter().copied().min_by(f64::total_cmp)
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.0.iter().copied().max_by(f64::total_cmp)
    }
}

fn reaches(rank: usize, count: usize, share: f64) -> bool {
    let number = |value: usize| u32::try_from(value).map_or(f64::INFINITY, f64::from);
    number(rank) >= share * number(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), None);
        for value in [5.0, 1.0, 4.0, 2.0, 3.0] {
            samples.push(value);
        }
        assert_eq!((samples.median(), samples.percentile(0.99)), (Some(3.0), Some(5.0)));
        assert_eq!((samples.min(), samples.max(), samples.percentile(0.2)), (Some(1.0), Some(5.0), Some(1.0)));
        samples.push(6.0);
        assert_eq!(samples.median(), Some(3.0));
    }
}
