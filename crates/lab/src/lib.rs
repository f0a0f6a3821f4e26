//! Fabrics of many hosts in network namespaces on one machine.
//!
//! A [`topology::Topology`] says what there is, [`plan::Plan`] works out addresses, links and sessions, and
//! [`fabric::Fabric`] makes it real: a namespace a host, a veth a cable, the real `heddle` program on each node and reflector,
//! FRR, BIRD or ours on each top-of-rack switch, pods with Calico's wiring. Everything goes through netlink; no `ip` is run.
//!
//! ```no_run
//! use heddle_lab::fabric::{Fabric, Options, Patience};
//! use heddle_lab::topology::Topology;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options { program: "/usr/bin/heddle".into(), directory: "/run/heddle-lab/test".into() };
//! let fabric = Fabric::up(&Topology::full_mesh(8), &options)?;
//! let patience = Patience { limit: std::time::Duration::from_secs(60), interrupted: &|| false };
//! let convergence = fabric.await_convergence(patience, &mut |_| {})?;
//! assert!(convergence.is_complete());
//! let prober = fabric.probe(&fabric.probe_pairs())?;
//! fabric.break_down(&"kill node1".parse()?)?;
//! fabric.heal(&"node1".parse()?)?;
//! assert!(prober.finish().iter().all(|flow| flow.lost == 0));
//! fabric.down();
//! # Ok(())
//! # }
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`topology`], [`plan`], [`addressing`] | what is built; pure |
//! | [`datastore`], [`reflector`], [`tor`], [`calico_bird`] | the files that are generated; pure but for the writing |
//! | [`namespace`], [`host`], [`pod`], [`process`] | what is made |
//! | [`fabric`] | all of it, running |
//! | [`ping`], [`prober`] | whether packets arrive |
//! | [`neighbours`] | room for them in the kernel's tables |
//! | [`command`] | `heddle lab` |

pub mod addressing;
pub mod calico_bird;
pub mod command;
mod daemons;
pub mod datastore;
pub mod fabric;
#[cfg(test)]
mod golden;
mod groups;
pub mod host;
pub mod namespace;
pub mod neighbours;
pub mod ping;
pub mod plan;
pub mod pod;
pub mod prober;
pub mod process;
pub mod reflector;
mod report;
mod rootless;
mod state;
pub mod topology;
pub mod tor;
