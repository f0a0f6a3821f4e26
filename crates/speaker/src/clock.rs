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
        let ago = self.now().since(t);
        SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}
