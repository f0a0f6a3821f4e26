//! What the figures were measured on.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use serde::Serialize;

use crate::contender::{Contender, Setup};

/// The machine and the programs.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Machine {
    /// Cores.
    pub(crate) cores: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// What each contender says that it is.
    pub(crate) versions: Vec<String>,
}

/// Describes the machine and the contenders.
pub(crate) fn describe(setup: &Setup) -> Machine {
    let version = |contender: &Contender| match contender {
        Contender::Heddle => first_line(Command::new(&setup.heddle).arg("--version")),
        Contender::Bird => first_line(Command::new(heddle_lab::tor::bird::PROGRAM).arg("--version")),
        Contender::Frr => first_line(Command::new(heddle_lab::tor::frr::BGPD).arg("--version")),
    };
    Machine {
        cores: available_parallelism().map_or(1, usize::from),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        versions: setup.contenders.iter().map(version).collect(),
    }
}

/// The load average of the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// Cores, kernel, load average before the case: in words.
pub(crate) fn conditions(load: f64) -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, generator included; Linux {}, load average {load:.1}", kernel.trim())
}

/// BIRD says its version on standard error.
fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return "unknown".to_owned() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}
