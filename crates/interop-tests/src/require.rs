//! What a test needs of the machine, and what happens where it is missing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use crate::kubernetes::program;

/// Something that must be there before a test can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Network namespaces, veth pairs and bridges: root and iproute2.
    Namespaces,
    /// BIRD 2 (`bird`).
    Bird,
    /// FRR's `bgpd`.
    Frr,
    /// GoBGP (`gobgpd`, `gobgp`).
    Gobgp,
    /// OpenBGPD (`bgpd`, `bgpctl`).
    Openbgpd,
    /// ExaBGP.
    Exabgp,
    /// `bgpdump`, which prints MRT files.
    Bgpdump,
    /// The API server of Kubernetes and etcd, which `scripts/kubernetes` builds.
    Kubernetes,
    /// `kubectl`, which the same builds.
    Kubectl,
    /// `helm`, which the same builds.
    Helm,
    /// `heddle` without a C library beside it: `HEDDLE_STATIC_BIN`, which `scripts/static-build` builds.
    StaticProgram,
    /// A program that may open [`Need::DESCRIPTORS`] files if it asks for it.
    Descriptors,
}

impl Need {
    /// As many have the machines that allow the fewest: the kernel's own hard limit, where nobody says otherwise.
    pub const DESCRIPTORS: u64 = 4096;

    /// The files without which it does not work, and the Debian package that brings them.
    fn files(self) -> (&'static [&'static str], &'static str) {
        match self {
            Need::Namespaces => (&["/usr/bin/setpriv"], "iproute2 and util-linux"),
            Need::Bird => (&["/usr/sbin/bird"], "bird2"),
            Need::Frr => (&["/usr/lib/frr/bgpd"], "frr"),
            Need::Gobgp => (&["/usr/bin/gobgpd", "/usr/bin/gobgp"], "gobgpd"),
            Need::Openbgpd => (&["/usr/sbin/bgpd", "/usr/sbin/bgpctl"], "openbgpd"),
            Need::Exabgp => (&["/usr/sbin/exabgp"], "exabgp"),
            Need::Bgpdump => (&["/usr/bin/bgpdump"], "bgpdump"),
            Need::Kubernetes => (&["/usr/bin/setpriv"], "util-linux"),
            Need::Kubectl | Need::Helm | Need::Descriptors => (&[], ""),
            Need::StaticProgram => (&["/usr/bin/nsenter", "/usr/sbin/capsh"], "util-linux, libcap2-bin"),
        }
    }

    /// Why it is not usable here, or `None` when it is.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let (files, package) = self.files();
        if let Some(file) = files.iter().find(|file| !Path::new(file).exists()) {
            return Some(format!("{file} is not installed (Debian package {package})"));
        }
        match self {
            Need::Namespaces => namespaces_refused().clone(),
            Need::Kubernetes => ["kube-apiserver", "etcd"].into_iter().find_map(|name| program(name).err()),
            Need::Kubectl => program("kubectl").err(),
            Need::Helm => program("helm").err(),
            Need::StaticProgram => static_program().err(),
            Need::Descriptors => too_few_descriptors(&fs::read_to_string("/proc/self/limits").unwrap_or_default()),
            Need::Bird | Need::Frr | Need::Gobgp | Need::Openbgpd | Need::Exabgp | Need::Bgpdump => None,
        }
    }
}

/// Why the limits of a process (`/proc/PID/limits`: the soft one, and the hard one, up to which it may raise that) are too low.
fn too_few_descriptors(limits: &str) -> Option<String> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let hard = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("of an unknown number of");
    let enough = hard == "unlimited" || hard.parse::<u64>().is_ok_and(|hard| hard >= Need::DESCRIPTORS);
    let needed = Need::DESCRIPTORS;
    (!enough).then(|| format!("{needed} open files are needed, and the hard limit is {hard} (`ulimit -H -n`)"))
}

/// The program that needs no file beside itself.
///
/// # Errors
/// Why there is none, and what builds it.
pub fn static_program() -> Result<PathBuf, String> {
    let file = env::var_os("HEDDLE_STATIC_BIN").map(PathBuf::from);
    let file =
        file.ok_or("HEDDLE_STATIC_BIN is not set; scripts/static-build FILE dev builds a program to name there")?;
    if file.exists() { Ok(file) } else { Err(format!("HEDDLE_STATIC_BIN: {} is not there", file.display())) }
}

/// Tries a namespace once for the whole run.
fn namespaces_refused() -> &'static Option<String> {
    static REFUSED: OnceLock<Option<String>> = OnceLock::new();
    REFUSED.get_or_init(|| match Command::new("unshare").args(["--net", "ip", "link", "set", "lo", "up"]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "network namespaces cannot be made, run as root ({})",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Some(format!("unshare and ip (Debian packages util-linux and iproute2) do not run: {error}")),
    })
}

/// A full Internet table, MRT: 577,703 prefixes in the end.
#[must_use]
pub fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/internet-2015.mrt.gz")
}

/// Says that a test, or a part of one, is skipped, and why. `./test` repeats these lines at its end. What a test that passes prints is not
/// shown, this is.
///
/// # Panics
/// With `CI=true` nothing may be skipped.
#[track_caller]
pub fn skip(name: &str, why: &str) {
    assert!(!strict(), "{name} is needed, and CI skips nothing: {why}");
    tell_skipped(name, why);
}

/// Says what is skipped although CI may do so: no machine has all of it.
pub fn tell_skipped(name: &str, why: &str) {
    // Unlike `eprintln!`, this is not taken by the test's own output. Without standard error nobody is there to be told.
    let _ = writeln!(std::io::stderr(), "{name} is skipped: {why}");
}

/// Whether a missing need fails the run (`CI=true`) or skips the test.
#[must_use]
pub fn strict() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hard_limit_of_open_files_counts() {
        let limits = |soft: &str, hard: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max processes             99                   99                   processes \n\
                 Max open files            {soft:<21}{hard:<21}files     \n"
            )
        };
        for (hard, enough) in [("4096", true), ("1048576", true), ("unlimited", true), ("4095", false), ("1024", false)]
        {
            assert_eq!(too_few_descriptors(&limits("1024", hard)).is_none(), enough, "{hard}");
        }
        assert!(too_few_descriptors("").is_some());
    }
}
