//! What a case is: who is there, what they send, what everybody must have then.

use std::sync::Arc;
use std::time::Duration;

use heddle_bgp_core::Family;

use super::configs::policy_community;
use super::daemon::{Client, Daemon, Shape};
use super::generator::{Goal, Phase};
use super::index::Index;
use super::session::AddPath;
use super::target::{ClientNumber, Passage, Target, updates};
use super::walk::{PathIds, Reflection, prefixes};
use super::world::{ROUTER_ID, client_address, client_id, daemon_address};

/// A case with its sizes.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) title: String,
    pub(crate) index: Arc<Index>,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) hold_time: u16,
    pub(crate) phases: Vec<Phase>,
    pub(crate) drive: Drive,
}

/// What is done with the sessions.
#[derive(Clone, Debug)]
pub(crate) enum Drive {
    /// One phase after the other.
    Phases,
    /// One route at a time; with a load, all phases go on meanwhile, again and again.
    Latency(Probing),
    /// Changes at a rate.
    Churn(Probing),
    /// The last client stops reading for so long while the first phase runs.
    Stall(Duration),
}

/// Single routes whose way is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probing {
    /// Who sends them.
    pub(crate) sender: ClientNumber,
    /// The destinations: from this number on, so many.
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// How many routes are timed.
    pub(crate) samples: u32,
    /// Changes a second; none: one after the other.
    pub(crate) rate: Option<u32>,
    pub(crate) load: Load,
}

/// Whether there is something else to do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Idle,
    Phases,
}

/// A client's particulars.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientPlan {
    pub(crate) add_path: AddPath,
    pub(crate) policy: Option<u16>,
    pub(crate) receive_buffer: Option<usize>,
}

impl Scenario {
    pub(crate) fn family(&self) -> Family {
        self.index.family()
    }

    /// What the daemons are configured for.
    pub(crate) fn shape(&self) -> Shape {
        let family = self.family();
        let clients = self.clients.iter().zip(0..).map(|(plan, number)| Client {
            address: client_address(family, ClientNumber(number)),
            add_path: plan.add_path,
            policy: plan.policy,
        });
        Shape { family, local: daemon_address(family), clients: clients.collect() }
    }

    /// The community that a client gets from this daemon on all routes.
    pub(crate) fn community(&self, daemon: Daemon, client: ClientNumber) -> Option<u32> {
        if daemon == Daemon::Floor {
            return None;
        }
        self.clients.get(usize::from(client.0)).and_then(|plan| plan.policy).map(policy_community)
    }

    /// The phases as this daemon has to pass them on.
    pub(crate) fn phases(&self, daemon: Daemon) -> Vec<Phase> {
        let copied = |phase: &Phase| {
            let mut target = Target::empty(self.index.count());
            for (client, octets) in &phase.sends {
                target.apply(&self.index, *client, Passage::Copied, octets);
            }
            Phase { target: Arc::new(target), ..phase.clone() }
        };
        match daemon {
            Daemon::Floor => self.phases.iter().map(copied).collect(),
            Daemon::Heddle | Daemon::Bird | Daemon::Frr | Daemon::Openbgpd | Daemon::Gobgp => self.phases.clone(),
        }
    }

    /// What ends a phase with this daemon.
    pub(crate) fn goal(daemon: Daemon, phase: &Phase, clients: usize) -> Goal {
        if daemon != Daemon::Floor || !phase.target.is_contested() {
            return Goal::Tables;
        }
        let mut own = vec![0; clients];
        for (client, octets) in &phase.sends {
            let count = heard(octets);
            if let Some(own) = own.get_mut(usize::from(client.0)) {
                *own += count;
            }
        }
        let all: u64 = own.iter().sum();
        Goal::Heard(own.into_iter().map(|own| all - own).collect())
    }
}

/// Prefixes in UPDATEs, advertised or withdrawn.
fn heard(messages: &[u8]) -> u64 {
    let count = |packed| prefixes(packed, PathIds::Absent, |_, _| {}).unwrap_or_default();
    updates(messages).flat_map(|update| [update.withdrawn, update.advertised]).flatten().map(count).sum()
}

/// What becomes of a client's routes on their way through a daemon.
pub(crate) fn passage(daemon: Daemon, client: ClientNumber) -> Passage {
    match daemon {
        Daemon::Floor => Passage::Copied,
        Daemon::Heddle | Daemon::Bird | Daemon::Frr | Daemon::Openbgpd | Daemon::Gobgp => {
            Passage::Reflected(reflection(client))
        }
    }
}

/// What a reflector does to the routes of a client.
pub(crate) fn reflection(client: ClientNumber) -> Reflection {
    Reflection { originator: client_id(client), cluster: ROUTER_ID }
}
