//! Breaking things, and healing them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Fabric, FabricError, build};
use crate::host::lock;
use crate::process::Process;

/// What to break or heal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A link between two hosts.
    Link {
        /// Both ends, `A-B`.
        ends: String,
    },
    /// A process.
    Kill {
        /// Its host.
        host: String,
        /// Which; that which speaks BGP where none is named.
        process: Option<String>,
    },
    /// A process, which stays, and does nothing.
    Freeze {
        /// Its host.
        host: String,
        /// Which.
        process: Option<String>,
    },
    /// Everything that is broken on a host, or with `all` everywhere.
    Host {
        /// The host.
        host: String,
    },
}

/// A target that is not there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TargetError {
    /// No such link.
    #[error("there is no link {0:?}; links are {1}")]
    NoLink(String, String),
    /// No such host.
    #[error("there is no host {0:?}; `heddle lab status` lists them")]
    NoHost(String),
    /// Words that say nothing.
    #[error("{0:?} is nothing that can be broken: say `link A-B`, `kill HOST [PROCESS]` or `freeze HOST [PROCESS]`")]
    Words(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let process = |word: Option<&&str>| word.map(|word| (*word).to_owned());
        match words.as_slice() {
            ["link", ends] => Ok(Self::Link { ends: (*ends).to_owned() }),
            ["kill", host] | ["kill", host, _] => {
                Ok(Self::Kill { host: (*host).to_owned(), process: process(words.get(2)) })
            }
            ["freeze", host] | ["freeze", host, _] => {
                Ok(Self::Freeze { host: (*host).to_owned(), process: process(words.get(2)) })
            }
            [host] => Ok(Self::Host { host: (*host).to_owned() }),
            _ => Err(TargetError::Words(text.to_owned())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, host, process) = match self {
            Self::Link { ends } => return write!(f, "link {ends}"),
            Self::Host { host } => return f.write_str(host),
            Self::Kill { host, process } => ("kill", host, process),
            Self::Freeze { host, process } => ("freeze", host, process),
        };
        write!(f, "{verb} {host}")?;
        process.as_ref().map_or(Ok(()), |process| write!(f, " {process}"))
    }
}

impl Fabric {
    /// Breaks something.
    ///
    /// # Errors
    /// When it is not there, or cannot be broken.
    pub fn break_down(&self, target: &Target) -> Result<(), FabricError> {
        match target {
            Target::Link { ends } => {
                let index = self.find_link(ends)?;
                self.switch_link(index, Carrier::Off)
            }
            Target::Kill { host, process } => self.process(self.known(host)?, process.as_deref(), Process::kill),
            Target::Freeze { host, process } => self.process(self.known(host)?, process.as_deref(), Process::freeze),
            Target::Host { host } => Err(TargetError::Words(host.clone()).into()),
        }
    }

    /// Heals something: a link, all of a host, or `all`.
    ///
    /// # Errors
    /// When it is not there, or cannot be healed.
    pub fn heal(&self, target: &Target) -> Result<(), FabricError> {
        match target {
            Target::Link { ends } => {
                let index = self.find_link(ends)?;
                self.switch_link(index, Carrier::On)
            }
            Target::Host { host } if host == "all" => {
                let names: Vec<String> = self.hosts.keys().cloned().collect();
                names.iter().try_for_each(|name| self.heal_host(name))
            }
            Target::Host { host } | Target::Kill { host, .. } | Target::Freeze { host, .. } => {
                self.heal_host(self.known(host)?)
            }
        }
    }

    /// The links that are down, as `A-B`.
    #[must_use]
    pub fn broken_links(&self) -> Vec<String> {
        let broken = lock(&self.broken);
        broken.iter().filter_map(|index| self.plan.links.get(*index)).map(name_of).collect()
    }

    fn heal_host(&self, name: &str) -> Result<(), FabricError> {
        let broken: Vec<usize> = lock(&self.broken).clone();
        for index in broken {
            let touches = |link: &crate::plan::Link| link.lower.host == name || link.upper.host == name;
            if self.plan.links.get(index).is_some_and(touches) {
                self.switch_link(index, Carrier::On)?;
            }
        }
        self.revive(name)?;
        Ok(())
    }

    fn known<'a>(&self, host: &'a str) -> Result<&'a str, TargetError> {
        if self.hosts.contains_key(host) { Ok(host) } else { Err(TargetError::NoHost(host.to_owned())) }
    }

    /// `A-B`, in either order.
    fn find_link(&self, ends: &str) -> Result<usize, TargetError> {
        let reversed = |link: &crate::plan::Link| format!("{}-{}", link.upper.host, link.lower.host);
        let found = self.plan.links.iter().position(|link| name_of(link) == ends || reversed(link) == ends);
        let all = || self.plan.links.iter().map(name_of).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| TargetError::NoLink(ends.to_owned(), all()))
    }

    /// Switches the upper end of a link; the lower one loses its carrier, or has it again.
    fn switch_link(&self, index: usize, carrier: Carrier) -> Result<(), FabricError> {
        let Some(link) = self.plan.links.get(index) else { return Ok(()) };
        let (upper, lower) = (self.host(&link.upper.host)?, self.host(&link.lower.host)?);
        let interface = upper.link(&link.upper.interface)?;
        match carrier {
            Carrier::Off => {
                upper.kernel(|control| control.set_down(interface))?;
                let mut broken = lock(&self.broken);
                if !broken.contains(&index) {
                    broken.push(index);
                }
            }
            Carrier::On => {
                upper.kernel(|control| control.set_up(interface))?;
                lock(&self.broken).retain(|other| *other != index);
                build::write_routes(&self.plan, upper)?;
                build::write_routes(&self.plan, lower)?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Carrier {
    On,
    Off,
}

fn name_of(link: &crate::plan::Link) -> String {
    format!("{}-{}", link.lower.host, link.upper.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_targets() {
        let kill = Target::Kill { host: "node1".to_owned(), process: None };
        let freeze = Target::Freeze { host: "tor1".to_owned(), process: Some("zebra".to_owned()) };
        let cases = [
            ("link node1-tor1", Target::Link { ends: "node1-tor1".to_owned() }),
            ("kill node1", kill),
            ("freeze tor1 zebra", freeze),
            ("all", Target::Host { host: "all".to_owned() }),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), Ok(expected.clone()));
            assert_eq!(expected.to_string(), text);
        }
        for text in ["", "kill", "link a b", "kill a b c"] {
            assert!(matches!(text.parse::<Target>(), Err(TargetError::Words(_)) | Ok(Target::Host { .. })), "{text}");
        }
    }
}
