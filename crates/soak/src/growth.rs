//! What the processes hold, over time, and whether it grows.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

/// Resident memory that the later part of a run may have more than the earlier one, beside a share: allocators keep
/// pages, and the journal of a busy moment is one of them.
const MORE_MIB: f64 = 4.0;
const MORE_SHARE: f64 = 0.15;
/// Descriptors, threads and tasks that it may have more: somebody may just be asking.
const MORE_THINGS: f64 = 2.0;
/// With fewer samples nothing is said about growth.
const LEAST: usize = 9;

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Held {
    /// Resident memory, in MiB.
    pub(crate) rss: f64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
    /// Threads.
    pub(crate) threads: usize,
    /// Asynchronous tasks, as the program tells.
    pub(crate) tasks: usize,
}

impl Held {
    /// Of a process; nothing of one that has ended.
    pub(crate) fn by(pid: u32, tasks: usize) -> Self {
        let entries = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).map_or(0, Iterator::count);
        Self { rss: rss(pid), descriptors: entries("fd"), threads: entries("task"), tasks }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            rss: self.rss + other.rss,
            descriptors: self.descriptors + other.descriptors,
            threads: self.threads + other.threads,
            tasks: self.tasks + other.tasks,
        }
    }
}

/// Samples of processes, each taken in a quiet moment: minutes since the beginning, and what it held.
#[derive(Debug, Default)]
pub(crate) struct Record {
    of: BTreeMap<(String, u32), Vec<(f64, Held)>>,
}

/// What became of a process that lived from the beginning to the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Growth {
    pub(crate) host: String,
    pub(crate) samples: usize,
    /// The median of the earlier third, without the first samples, and that of the last third.
    pub(crate) earlier: Held,
    pub(crate) later: Held,
    /// Of a straight line through all samples of resident memory, in KiB a minute.
    pub(crate) slope: f64,
    /// What it holds too much of.
    pub(crate) grows: Vec<String>,
}

impl Record {
    pub(crate) fn note(&mut self, host: &str, pid: u32, minutes: f64, held: Held) {
        self.of.entry((host.to_owned(), pid)).or_default().push((minutes, held));
    }

    /// Of those processes that have as many samples as the run has.
    pub(crate) fn growth(&self) -> Vec<Growth> {
        let most = self.of.values().map(Vec::len).max().unwrap_or_default();
        let whole = self.of.iter().filter(|(_, samples)| samples.len() == most);
        whole.map(|((host, _), samples)| growth(host, samples)).collect()
    }
}

fn growth(host: &str, samples: &[(f64, Held)]) -> Growth {
    // In the beginning everything grows: buffers and tables get their sizes.
    let settled = samples.get(samples.len() / 5..).unwrap_or_default();
    let third = settled.len().div_ceil(3);
    let (earlier, later) = (typical(settled.get(..third)), typical(settled.get(settled.len() - third..)));
    let mut grows = Vec::new();
    if samples.len() >= LEAST {
        if later.rss > earlier.rss * (1.0 + MORE_SHARE) + MORE_MIB {
            grows.push(format!("resident memory from {:.1} to {:.1} MiB", earlier.rss, later.rss));
        }
        let things = [
            ("descriptors", earlier.descriptors, later.descriptors),
            ("threads", earlier.threads, later.threads),
            ("tasks", earlier.tasks, later.tasks),
        ];
        for (what, before, after) in things {
            if number(after) > number(before) + MORE_THINGS {
                grows.push(format!("{what} from {before} to {after}"));
            }
        }
    }
    Growth { host: host.to_owned(), samples: samples.len(), earlier, later, slope: slope(settled), grows }
}

fn typical(samples: Option<&[(f64, Held)]>) -> Held {
    let samples = samples.unwrap_or_default();
    let things = |value: fn(&Held) -> usize| {
        let mut all: Vec<usize> = samples.iter().map(|(_, held)| value(held)).collect();
        all.sort_unstable();
        all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    };
    let rss: Vec<f64> = samples.iter().map(|(_, held)| held.rss).collect();
    let rss = median(&rss).unwrap_or_default();
    Held {
        rss,
        descriptors: things(|held| held.descriptors),
        threads: things(|held| held.threads),
        tasks: things(|held| held.tasks),
    }
}

/// The sample that half of all are not above.
pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// `VmRSS:  1234 kB` of a process, in MiB.
fn rss(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: Option<f64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kibibytes.unwrap_or_default() / 1024.0
}

/// By least squares.
fn slope(samples: &[(f64, Held)]) -> f64 {
    let count = number(samples.len());
    let mean = |value: fn(&(f64, Held)) -> f64| samples.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|(minutes, _)| *minutes), mean(|(_, held)| held.rss));
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (minutes, held) in samples {
        covariance += (minutes - x) * (held.rss - y);
        variance += (minutes - x) * (minutes - x);
    }
    if variance > 0.0 { covariance / variance * 1024.0 } else { 0.0 }
}

fn number(value: usize) -> f64 {
    u32::try_from(value).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(held: impl Fn(u32) -> Held) -> Growth {
        let mut record = Record::default();
        for minute in 0..20 {
            record.note("node1", 1, f64::from(minute), held(minute));
            if minute > 10 {
                record.note("node2", 2, f64::from(minute), Held::default());
            }
        }
        let [growth] = <[Growth; 1]>::try_from(record.growth()).expect("one lived all the time");
        growth
    }

    #[test]
    fn what_is_steady_does_not_grow() {
        let growth = run(|minute| Held {
            rss: if minute < 3 { 10.0 } else { 30.0 + f64::from(minute % 2) },
            descriptors: 40,
            threads: 4 + usize::from(minute == 19),
            tasks: 50 + usize::try_from(minute % 2).expect("small"),
        });
        assert_eq!((growth.host.as_str(), growth.samples), ("node1", 20));
        assert!(growth.grows.is_empty(), "{growth:?}");
    }

    #[test]
    fn what_leaks_grows() {
        let growth = run(|minute| Held {
            rss: 30.0 + f64::from(minute),
            descriptors: 40 + usize::try_from(minute).expect("small"),
            threads: 4 + usize::try_from(minute / 3).expect("small"),
            tasks: 50 + usize::try_from(minute).expect("small"),
        });
        assert_eq!(growth.grows.len(), 4, "{growth:?}");
        assert!((growth.slope - 1024.0).abs() < 1e-6, "{growth:?}");
    }

    #[test]
    fn this_process_holds_something() {
        let held = Held::by(std::process::id(), 0);
        assert!(held.rss > 0.0 && held.descriptors > 2 && held.threads > 0, "{held:?}");
        assert_eq!(Held::by(u32::MAX, 0), Held::default());
    }
}
