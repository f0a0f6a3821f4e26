//! What a process takes of the machine, as the kernel counts it.

use std::fs;
use std::time::Duration;

/// A process that runs.
#[derive(Clone, Copy, Debug)]
pub struct Usage(pub u32);

impl Usage {
    /// The CPU time of all its threads so far.
    ///
    /// # Panics
    /// When the process is gone, or the kernel does not count.
    #[track_caller]
    #[must_use]
    pub fn cpu_time(self) -> Duration {
        let all: u64 = fs::read_dir(format!("/proc/{}/task", self.0))
            .unwrap_or_else(|error| panic!("process {} runs: {error}", self.0))
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .sum();
        assert!(all > 0, "the kernel counts");
        Duration::from_nanos(all)
    }

    /// A field of what the kernel says of its memory, such as `VmRSS`, in octets.
    ///
    /// # Panics
    /// When the process is gone, or the kernel has no such field.
    #[track_caller]
    #[must_use]
    pub fn memory(self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0));
        let status = status.unwrap_or_else(|error| panic!("process {} runs: {error}", self.0));
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes.unwrap_or_else(|| panic!("process {}: no {field} in\n{status}", self.0)) << 10
    }

    /// How many calls have read a file so far, one of `/proc` for instance.
    ///
    /// # Panics
    /// When the process is gone, or the kernel does not count.
    #[track_caller]
    #[must_use]
    pub fn file_reads(self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/io", self.0));
        let text = text.unwrap_or_else(|error| panic!("process {} runs: {error}", self.0));
        let number = text.lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok());
        number.unwrap_or_else(|| panic!("the kernel counts: {text}"))
    }

    /// How many descriptors it has open.
    ///
    /// # Panics
    /// When the process is gone.
    #[track_caller]
    #[must_use]
    pub fn descriptors(self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.0));
        open.unwrap_or_else(|error| panic!("process {} runs: {error}", self.0)).count()
    }

    /// How many TCP connections were begun in its network namespace.
    ///
    /// # Panics
    /// When the process is gone, or the kernel does not count.
    #[track_caller]
    #[must_use]
    pub fn connections_begun(self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/net/snmp", self.0));
        let text = text.unwrap_or_else(|error| panic!("process {} runs: {error}", self.0));
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let mut both = names.split_whitespace().zip(numbers.split_whitespace());
        let found = both.find_map(|(name, number)| (name == "ActiveOpens").then(|| number.parse().ok())?);
        found.unwrap_or_else(|| panic!("the kernel counts: {text}"))
    }
}
