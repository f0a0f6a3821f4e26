//! From best paths to the kernel's forwarding table: next-hop resolution, desired state, plan, writer.

pub mod counters;
pub mod engine;
pub mod glob;
pub mod input;
mod kernel_view;
mod lengths;
mod local;
mod plan;
mod resolver;
pub mod route;
pub mod runner;
pub mod settings;
#[cfg(test)]
mod sim;
pub mod status;
pub mod sysctl;
mod table;

pub use counters::Counters;
pub use engine::FibSync;
pub use input::{Best, BestPath, LocalKind, LocalRoute, NextHop, NextHopState, Output, Source, Usage};
pub use resolver::Unresolved;
pub use runner::{BestPathSource, Complete, More, News, Runner, StartError, Waker};
pub use settings::Settings;
