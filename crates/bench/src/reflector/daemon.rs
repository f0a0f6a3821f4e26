//! The daemons that are compared: how each is configured as a reflector, and started.
//!
//! All get the same: their clients by address, all passive, because the generator connects; BGP Identifier and CLUSTER_ID; no
//! policy, no check of next hops where it can be turned off; everything else as it is by default.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use heddle_bgp_core::Family;
use heddle_lab::namespace::Namespace;
use serde::Serialize;

use super::configs;
use super::process::Process;
use super::session::AddPath;
use super::target::Echo;

/// A program that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Daemon {
    /// No reflector: what only copies octets.
    Floor,
    Heddle,
    Bird,
    Frr,
    Openbgpd,
    Gobgp,
}

impl Daemon {
    pub(crate) const ALL: [Self; 6] = [Self::Floor, Self::Heddle, Self::Bird, Self::Frr, Self::Openbgpd, Self::Gobgp];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Heddle => "heddle",
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::Openbgpd => "openbgpd",
            Self::Gobgp => "gobgp",
        }
    }

    /// The executable.
    pub(crate) fn program(self, heddle: &Path) -> anyhow::Result<PathBuf> {
        Ok(match self {
            Self::Floor => std::env::current_exe()?,
            Self::Heddle => heddle.to_owned(),
            Self::Bird => "/usr/sbin/bird".into(),
            Self::Frr => "/usr/lib/frr/bgpd".into(),
            Self::Openbgpd => "/usr/sbin/bgpd".into(),
            Self::Gobgp => "/usr/bin/gobgpd".into(),
        })
    }

    /// Its version, as far as it tells.
    pub(crate) fn version(self, heddle: &Path) -> anyhow::Result<String> {
        let argument = match self {
            Self::Floor => return Ok("heddle-bench floor".to_owned()),
            Self::Heddle | Self::Bird | Self::Gobgp | Self::Frr => "--version",
            Self::Openbgpd => "-V",
        };
        let output = std::process::Command::new(self.program(heddle)?).arg(argument).output()?;
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
    }

    /// The configuration, for these clients.
    pub(crate) fn config(self, shape: &Shape, directory: &Path) -> String {
        match self {
            Self::Floor => String::new(),
            Self::Heddle => configs::heddle(shape, directory),
            Self::Bird => configs::bird(shape),
            Self::Frr => configs::frr(shape),
            Self::Openbgpd => configs::openbgpd(shape, directory),
            Self::Gobgp => configs::gobgp(shape),
        }
    }

    /// Whether it can be configured as the case asks.
    pub(crate) fn can(self, shape: &Shape) -> bool {
        match self {
            Self::Floor | Self::Heddle | Self::Bird | Self::Frr | Self::Openbgpd => true,
            // It has export policies of single neighbours for route server clients only.
            Self::Gobgp => shape.clients.iter().all(|client| client.policy.is_none()),
        }
    }

    /// Whether it sends a client's routes back to it.
    pub(crate) fn echo(self) -> Echo {
        match self {
            Self::Frr => Echo::Allowed,
            Self::Floor | Self::Heddle | Self::Bird | Self::Openbgpd | Self::Gobgp => Echo::Never,
        }
    }

    /// How long it holds back UPDATEs after the last session has come up: it is waited for, so that no case measures it.
    pub(crate) fn hold_back(self, clients: usize) -> Duration {
        match self {
            // `bgp coalesce-time`: a second and 50 ms a peer, at most 10 s, begun anew by each peer.
            Self::Frr => Duration::from_millis(1000 + 50 * u64::try_from(clients).unwrap_or(180).min(180)),
            Self::Floor | Self::Heddle | Self::Bird | Self::Openbgpd | Self::Gobgp => Duration::ZERO,
        }
    }

    /// Starts it in a namespace, with its files in a directory of its own.
    pub(crate) fn start(
        self,
        namespace: &Namespace,
        shape: &Shape,
        directory: &Path,
        heddle: &Path,
    ) -> anyhow::Result<Process> {
        fs::create_dir_all(directory)?;
        let config = directory.join(format!("{}.conf", self.as_str()));
        fs::write(&config, self.config(shape, directory))
            .with_context(|| format!("cannot write {}", config.display()))?;
        let path = |file: &str| OsString::from(directory.join(file));
        let mut program = vec![OsString::from(self.program(heddle)?)];
        let arguments: Vec<OsString> = match self {
            Self::Floor => vec!["floor".into(), shape.local.to_string().into()],
            Self::Heddle => vec!["route-reflector".into(), "--config".into(), config.into()],
            Self::Bird => {
                vec!["-f".into(), "-c".into(), config.into(), "-s".into(), path("ctl"), "-P".into(), path("pid")]
            }
            Self::Frr => {
                let vty = OsString::from(directory);
                let fixed = ["-Z", "-S", "-n", "-P", "0", "-l"].map(OsString::from);
                let local = [shape.local.to_string().into(), "-f".into(), config.into(), "-i".into(), path("pid")];
                fixed.into_iter().chain(local).chain(["--vty_socket".into(), vty]).collect()
            }
            Self::Openbgpd => {
                // Its processes change their root to this directory.
                fs::create_dir_all("/run/openbgpd").context("cannot make /run/openbgpd")?;
                vec!["-d".into(), "-f".into(), config.into()]
            }
            Self::Gobgp => {
                vec![
                    "-p".into(),
                    "--pprof-disable".into(),
                    "--api-hosts".into(),
                    "127.0.0.1:50051".into(),
                    "-f".into(),
                    config.into(),
                ]
            }
        };
        program.extend(arguments);
        Process::start(namespace, &program, &directory.join("log"))
    }
}

/// What a daemon is configured for.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) family: Family,
    pub(crate) local: IpAddr,
    pub(crate) clients: Vec<Client>,
}

/// What a daemon has to know of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) add_path: AddPath,
    /// The number of its export policy, which adds a community.
    pub(crate) policy: Option<u16>,
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Floor => "floor",
            Self::Heddle => "Heddle",
            Self::Bird => "BIRD",
            Self::Frr => "FRR",
            Self::Openbgpd => "OpenBGPD",
            Self::Gobgp => "GoBGP",
        })
    }
}

impl FromStr for Daemon {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|daemon| daemon.as_str() == word);
        found
            .with_context(|| format!("there is no contender {word}; one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}
