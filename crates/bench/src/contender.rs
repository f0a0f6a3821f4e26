//! Who is measured.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Error, bail};
use heddle_lab::fabric::Fabric;
use heddle_lab::topology::{CalicoRelease, NodeProgram};
use serde::Serialize;

use crate::args::{Args, Case};
use crate::configuration;

/// A program that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Contender {
    /// Ours.
    Heddle,
    /// BIRD 2, configured and started as Calico does.
    Bird,
    /// FRR's `bgpd` with `zebra`, where routes of one peer go into the kernel.
    Frr,
}

impl Contender {
    /// What runs on a node.
    pub(crate) const fn node_program(self) -> NodeProgram {
        match self {
            Self::Heddle => NodeProgram::Heddle,
            Self::Bird => NodeProgram::Bird(CalicoRelease::V333),
            Self::Frr => NodeProgram::Nothing,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Heddle => "heddle",
            Self::Bird => "bird",
            Self::Frr => "frr",
        }
    }

    /// Who takes part in a case, by default.
    const fn of(case: &Case) -> &'static [Self] {
        if let Case::Fill(_) = case { &Self::ALL } else { &[Self::Heddle, Self::Bird] }
    }

    pub(crate) const ALL: [Self; 3] = [Self::Heddle, Self::Bird, Self::Frr];

    /// The executable that has to be installed.
    fn is_installed(self) -> bool {
        match self {
            Self::Heddle => true,
            Self::Bird => Path::new(heddle_lab::tor::bird::PROGRAM).exists(),
            Self::Frr => {
                [heddle_lab::tor::frr::BGPD, heddle_lab::tor::frr::ZEBRA].map(Path::new).iter().all(|p| p.exists())
            }
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Heddle => "Heddle",
            Self::Bird => "BIRD",
            Self::Frr => "FRR",
        })
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|contender| contender.as_str() == word);
        found.ok_or_else(|| format!("there is no contender {word}; one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// The `heddle` executable.
pub(crate) fn heddle(args: &Args) -> anyhow::Result<PathBuf> {
    let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("heddle"));
    let heddle = args.heddle.clone().map_or_else(beside, Ok)?;
    heddle.canonicalize().with_context(|| {
        format!("there is no {}; build it (cargo build --release -p heddle) or name it with --heddle", heddle.display())
    })
}

/// What all cases of nodes need.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The `heddle` executable.
    pub(crate) heddle: PathBuf,
    /// Who is measured.
    pub(crate) contenders: Vec<Contender>,
    /// Where files go.
    directory: PathBuf,
    /// How they were configured.
    configurations: RefCell<BTreeMap<Contender, String>>,
}

impl Setup {
    pub(crate) fn new(args: &Args, directory: &Path) -> anyhow::Result<Self> {
        let heddle = heddle(args)?;
        let able = Contender::of(&args.case);
        let mut contenders = match args.contenders.as_slice() {
            [] => able.to_vec(),
            names => names.iter().map(|name| name.parse()).collect::<Result<_, String>>().map_err(Error::msg)?,
        };
        if let Some(unable) = contenders.iter().find(|contender| !able.contains(contender)) {
            bail!("{unable} has no part in this case");
        }
        contenders.retain(|contender| contender.is_installed());
        if contenders.is_empty() {
            bail!("none of the daemons to measure is installed");
        }
        Ok(Self { heddle, contenders, directory: directory.to_owned(), configurations: RefCell::default() })
    }

    /// Remembers how a contender is configured on a fabric that has been started: the first time.
    pub(crate) fn note(&self, contender: Contender, fabric: &Fabric) -> anyhow::Result<()> {
        if !self.configurations.borrow().contains_key(&contender) {
            let text = configuration::of(self, contender, fabric)?;
            self.configurations.borrow_mut().insert(contender, text);
        }
        Ok(())
    }

    /// What was remembered.
    pub(crate) fn configurations(&self) -> BTreeMap<Contender, String> {
        self.configurations.borrow().clone()
    }

    /// A directory of its own for each fabric.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}
