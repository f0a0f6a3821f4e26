//! The daemon's processes: started in its namespace, measured with all their children, stopped by their ids.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use heddle_lab::namespace::Namespace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::usage::{self, Usage};

/// How long a daemon that was told to end may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A daemon that runs.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program in a namespace. It is killed when the thread that called this ends.
    pub(crate) fn start(namespace: &Namespace, program: &[OsString], log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut net = OsString::from("--net=");
        net.push(namespace.path());
        let mut command = Command::new("nsenter");
        command.arg(net).args(["--", "setpriv", "--pdeathsig", "KILL", "--"]).args(program);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("cannot start nsenter (util-linux)")?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// The process and all that come from it.
    fn tree(&self) -> Vec<u32> {
        let mut all = vec![self.child.id()];
        let mut seen = 0;
        while let Some(pid) = all.get(seen).copied() {
            seen += 1;
            let threads = fs::read_dir(format!("/proc/{pid}/task"));
            for thread in threads.into_iter().flatten().flatten() {
                let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            }
        }
        all
    }

    /// What the whole tree has used.
    pub(crate) fn usage(&self) -> Usage {
        usage::of_all(&self.tree())
    }

    /// Why it is not there any more, in words; nothing while it runs.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("it ended ({status}): {}", self.last_words()))
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join(" | ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let signal = |pid: u32, signal| i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), signal));
        let tree = self.tree();
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = signal(self.child.id(), Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            // Children first, so that none is left without a parent by which it would be found.
            for pid in tree.iter().rev().filter(|pid| **pid != self.child.id()) {
                let _ = signal(*pid, Signal::SIGKILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
