//! Waiting for a condition: the one place of the suite that sleeps, but for what measures times.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// The time that a test gives a condition unless it has reason for another: far more than it needs on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls `condition` until it is `Ok` and returns what it brought.
///
/// `Err` means "not yet" and says what was seen instead.
///
/// # Panics
/// When `timeout` has passed, with `what` and what was seen last.
#[track_caller]
pub fn wait_for<T>(what: &str, timeout: Duration, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let timeout = shortened(timeout);
    let start = Instant::now();
    let mut pause = Duration::from_millis(10);
    loop {
        let seen = match condition() {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        if start.elapsed() >= timeout {
            panic!("waited {} s for: {what}\nlast seen: {seen}", timeout.as_secs());
        }
        sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(200));
    }
}

/// `Ok(())` if `condition` holds, otherwise `Err` with what `seen` says: the usual end of a condition.
///
/// # Errors
/// What `seen` returns, when `condition` is false.
pub fn ensure(condition: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(seen()) }
}

/// `HEDDLE_INTEROP_PATIENCE` (seconds) bounds every wait, for whoever works on a case that fails.
fn shortened(timeout: Duration) -> Duration {
    let limit = std::env::var("HEDDLE_INTEROP_PATIENCE").ok().and_then(|text| text.parse().ok());
    limit.map_or(timeout, |seconds| timeout.min(Duration::from_secs(seconds)))
}
