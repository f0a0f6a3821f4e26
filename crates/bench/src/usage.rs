//! CPU time and memory of processes, from `/proc`.

use std::fs;
use std::time::Duration;

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// CPU time of all its threads.
    pub(crate) cpu: Duration,
    /// Resident memory now, in MiB.
    pub(crate) rss: f64,
    /// Resident memory at its highest, in MiB.
    pub(crate) peak: f64,
}

/// Of one process; nothing of one that has ended.
pub(crate) fn of(pid: u32) -> Usage {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Usage { cpu: cpu(pid), rss: mib(&status, "VmRSS:"), peak: mib(&status, "VmHWM:") }
}

/// Of several together.
pub(crate) fn of_all(pids: &[u32]) -> Usage {
    pids.iter().map(|pid| of(*pid)).fold(Usage::default(), |sum, one| Usage {
        cpu: sum.cpu + one.cpu,
        rss: sum.rss + one.rss,
        peak: sum.peak + one.peak,
    })
}

/// The scheduler's own count, to the nanosecond, of the threads that live; `/proc/PID/stat` counts ticks of 10 ms, in which
/// an idle daemon never shows.
fn cpu(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// `Name:  1234 kB` in `/proc/PID/status`.
fn mib(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes: Option<f64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kibibytes.unwrap_or_default() / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let before = of(std::process::id());
        while of(std::process::id()).cpu <= before.cpu {}
        assert!(before.rss > 0.0 && before.peak >= before.rss);
        assert_eq!(of(u32::MAX), Usage::default());
    }
}
