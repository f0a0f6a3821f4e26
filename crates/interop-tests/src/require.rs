//! What a test needs of the machine, and what happens where it is missing.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

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
}

impl Need {
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
            Need::Kubectl | Need::Helm => (&[], ""),
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
            Need::Bird | Need::Frr | Need::Gobgp | Need::Openbgpd | Need::Exabgp | Need::Bgpdump => None,
        }
    }
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
