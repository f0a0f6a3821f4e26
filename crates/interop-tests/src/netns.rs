//! Network namespaces by name, removed when the guard drops.
//!
//! Names carry the process id of the test run, so that runs do not meet and what a killed run left behind is recognized
//! and removed by the next one.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "hdl";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A network namespace with `lo` up, that this process made.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes a namespace with a name that no other has; `role` is a part of it, for whoever looks with `ip netns`.
    #[must_use]
    pub fn new(role: &str) -> Self {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(remove_leftovers);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{number}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let netns = Self { name };
        // No duplicate address detection on anything made later, link-local addresses included: they are usable at once.
        netns.run(
            "sysctl",
            &[
                "-q",
                "-w",
                "net.ipv6.conf.default.accept_dad=0",
                "net.ipv6.conf.all.accept_dad=0",
                "net.ipv6.conf.default.router_solicitations=0",
            ],
        );
        ip(&["-n", &netns.name, "link", "set", "lo", "up"]);
        netns
    }

    /// The name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside and dies with the thread that started it.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "setpriv", "--pdeathsig", "KILL", "--", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program inside to its end and returns its standard output.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).args(args);
        output(command)
    }

    /// Runs `ip ARGS` inside.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn ip(&self, args: &[&str]) {
        ip(&[&["-n", &self.name], args].concat());
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let removed = Command::new("ip").args(["netns", "del", &self.name]).status();
        if !removed.as_ref().is_ok_and(|status| status.success()) {
            eprintln!("namespace {} could not be removed: {removed:?}", self.name);
        }
    }
}

/// Runs `ip ARGS`.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn ip(args: &[&str]) {
    let mut command = Command::new("ip");
    command.args(args);
    output(command);
}

/// Runs a command to its end and returns its standard output.
///
/// # Panics
/// When it cannot be started or fails, with its standard error.
#[track_caller]
pub fn output(mut command: Command) -> String {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?} could not be started: {error}"),
    };
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Removes the namespaces of runs whose process is gone.
fn remove_leftovers() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('-');
        if parts.next() != Some(PREFIX) {
            continue;
        }
        let Some(pid) = parts.next().and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = Command::new("ip").args(["netns", "del", &name]).status();
        }
    }
}
