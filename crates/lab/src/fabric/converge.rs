//! How long it takes until everybody knows everything.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::{Fabric, FabricError, Interrupted};
use crate::host::lock;
use crate::ping::Ping;
use crate::plan::Role;
use crate::topology::NodeProgram;

/// Between two looks at least; also as long as the look took, so that looking takes no more than half of a processor from
/// those that are looked at.
const PAUSE: Duration = Duration::from_millis(10);
/// How long to wait for sessions that no packet needs.
const SESSIONS: Duration = Duration::from_secs(10);
/// What a ping may take while a fabric comes up.
const PING: Duration = Duration::from_millis(300);

/// How long to wait, and whether to go on.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// At most so long.
    pub limit: Duration,
    /// Ends the waiting.
    pub interrupted: Interrupted<'a>,
}

impl std::fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patience").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// How a fabric came up, counted from the start of its first process.
#[derive(Clone, Debug, Default)]
pub struct Convergence {
    /// When every node had a route to every other node's blocks in its kernel.
    pub routes: Option<Duration>,
    /// When every pod had an answer from every other, in both families.
    pub pings: Option<Duration>,
    /// When every session of every host was established.
    pub sessions: Option<Duration>,
    /// Routes that were missing at the end, by node.
    pub missing: BTreeMap<String, Vec<IpNetwork>>,
    /// The last round of pings.
    pub matrix: Vec<Ping>,
}

impl Convergence {
    /// Whether it did.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.routes.is_some() && self.pings.is_some()
    }
}

impl Fabric {
    /// Waits until the fabric has converged, telling how much of it is there (of routes, then of pings).
    ///
    /// # Errors
    /// When routes cannot be read, or somebody interrupts. That it takes too long is no error: the result says what is missing.
    pub fn await_convergence(
        &self,
        patience: Patience<'_>,
        progress: &mut dyn FnMut(super::Step),
    ) -> Result<Convergence, FabricError> {
        let started = lock(&self.started).unwrap_or_else(Instant::now);
        let deadline = Instant::now() + patience.limit;
        let mut result = Convergence::default();
        let mut wanted = self.wanted_routes();
        let total = wanted.values().map(Vec::len).sum();
        loop {
            let look = Instant::now();
            for (node, blocks) in &mut wanted {
                let known = self.host(node)?.destinations()?;
                blocks.retain(|block| !known.contains(block));
            }
            wanted.retain(|_, blocks| !blocks.is_empty());
            let missing: usize = wanted.values().map(Vec::len).sum();
            progress(super::Step { what: "block routes", done: total - missing, total });
            if missing == 0 {
                result.routes = Some(started.elapsed());
                break;
            }
            if !go_on(patience, deadline, look)? {
                break;
            }
        }
        result.missing = wanted;
        loop {
            let look = Instant::now();
            result.matrix = self.ping_matrix(PING);
            let answered = result.matrix.iter().filter(|ping| ping.answer.is_some()).count();
            progress(super::Step { what: "pings", done: answered, total: result.matrix.len() });
            if answered == result.matrix.len() {
                result.pings = Some(started.elapsed());
                break;
            }
            if !go_on(patience, deadline, look)? {
                break;
            }
        }
        // What packets do not need may take longer; for it there is less patience.
        let deadline = deadline.min(Instant::now() + SESSIONS);
        while result.pings.is_some() {
            let look = Instant::now();
            let states: Vec<bool> = self.session_states();
            let established = states.iter().filter(|established| **established).count();
            progress(super::Step { what: "sessions", done: established, total: states.len() });
            if established == states.len() {
                result.sessions = Some(started.elapsed());
                break;
            }
            if !go_on(patience, deadline, look)? {
                break;
            }
        }
        Ok(result)
    }

    /// Of every end of a session, whether it is established; a daemon that does not answer counts as one that is not.
    fn session_states(&self) -> Vec<bool> {
        let of = |host: &crate::host::Host| match self.sessions(host.name()) {
            Ok(sessions) => sessions.iter().map(super::SessionView::is_established).collect(),
            Err(_) => vec![false],
        };
        self.hosts().flat_map(of).collect()
    }

    /// Which routes each node has to have: the blocks of all others.
    fn wanted_routes(&self) -> BTreeMap<String, Vec<IpNetwork>> {
        let nodes: Vec<_> = self.plan.nodes().collect();
        let mut wanted = BTreeMap::new();
        for node in &nodes {
            if matches!(node.role, Role::Node { program: NodeProgram::Nothing, .. }) {
                continue;
            }
            let others = nodes.iter().filter(|other| other.name != node.name);
            let blocks = others.filter_map(|other| other.blocks()).flat_map(|pair| pair.networks());
            wanted.insert(node.name.clone(), blocks.collect());
        }
        wanted
    }
}

fn go_on(patience: Patience<'_>, deadline: Instant, look: Instant) -> Result<bool, FabricError> {
    if (patience.interrupted)() {
        return Err(FabricError::Interrupted);
    }
    sleep(PAUSE.max(look.elapsed()));
    Ok(Instant::now() < deadline)
}
