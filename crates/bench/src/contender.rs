//! Who is measured.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Error, bail};
use heddle_lab::topology::NodeProgram;
use serde::Serialize;

use crate::args::Args;

/// A program that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Contender {
    /// Ours.
    Heddle,
    /// BIRD 2, configured and started as Calico does.
    Bird,
}

impl Contender {
    /// What runs on a node.
    pub(crate) const fn node_program(self) -> NodeProgram {
        match self {
            Self::Heddle => NodeProgram::Heddle,
            Self::Bird => NodeProgram::Bird,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Heddle => "heddle",
            Self::Bird => "bird",
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Heddle => "Heddle",
            Self::Bird => "BIRD",
        })
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = [Self::Heddle, Self::Bird].into_iter().find(|contender| contender.as_str() == word);
        found.ok_or_else(|| format!("there is no contender {word} for this case; one of heddle, bird"))
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
}

impl Setup {
    pub(crate) fn new(args: &Args, directory: &Path) -> anyhow::Result<Self> {
        let heddle = heddle(args)?;
        let mut contenders = match args.contenders.as_slice() {
            [] => vec![Contender::Heddle, Contender::Bird],
            names => names.iter().map(|name| name.parse()).collect::<Result<_, String>>().map_err(Error::msg)?,
        };
        contenders.retain(|contender| match contender {
            Contender::Heddle => true,
            Contender::Bird => Path::new(heddle_lab::tor::bird::PROGRAM).exists(),
        });
        if contenders.is_empty() {
            bail!("none of the daemons to measure is installed");
        }
        Ok(Self { heddle, contenders, directory: directory.to_owned() })
    }

    /// A directory of its own for each fabric.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}
