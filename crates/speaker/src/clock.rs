//! The clock of the process: monotonic time for the sans-IO crates, wall time for people.

use std::time::{Duration, Instant, SystemTime};

use heddle_bgp_core::Timestamp;

/// Counts from the start of the speaker. Jumps of the wall clock do not move it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// One whose origin lies a second back, so that no time is [`Timestamp::ZERO`].
    #[must_use]
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { origin: now.checked_sub(Duration::from_secs(1)).unwrap_or(now) }
    }

    /// Now.
    #[must_use]
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    /// The instant of a timestamp, for timers.
    #[must_use]
    pub(crate) fn instant(&self, t: Timestamp) -> Instant {
        self.origin.checked_add(t.since_origin()).unwrap_or_else(|| self.origin + Duration::from_secs(86_400 * 365))
    }

    /// The wall clock's time of a timestamp, judged by what both clocks say now.
    #[must_use]
    pub(crate) fn wall(&self, t: Timestamp) -> SystemTime {
        before(SystemTime::now(), self.now().since(t))
    }
}

/// The wall clock's time so long ago, when it says `now`; whatever it says, there is one.
fn before(now: SystemTime, ago: Duration) -> SystemTime {
    now.checked_sub(ago).filter(|t| *t >= SystemTime::UNIX_EPOCH).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use heddle_admin::types::WallTime;

    use super::*;

    const YEAR: Duration = Duration::from_secs(86_400 * 365);

    /// The wall clock may say anything, and another thing the next moment: times for people follow it, and nothing fails.
    #[test]
    fn the_wall_clock_may_jump() {
        let sane = SystemTime::UNIX_EPOCH + 56 * YEAR;
        let hour = Duration::from_secs(3600);
        for (now, expected) in [
            (sane, sane - hour),
            (sane + 10 * YEAR, sane + 10 * YEAR - hour),
            (sane - 10 * YEAR, sane - 10 * YEAR - hour),
            (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH),
            (SystemTime::UNIX_EPOCH - YEAR, SystemTime::UNIX_EPOCH),
            (SystemTime::UNIX_EPOCH + Duration::from_secs(1), SystemTime::UNIX_EPOCH),
        ] {
            assert_eq!(before(now, hour), expected);
            assert!(WallTime::from(before(now, hour)).to_string().ends_with('Z'), "the API can say it");
        }
        let _ = WallTime::from(sane + Duration::from_secs(u64::from(u32::MAX)) * 1000);
    }
}
