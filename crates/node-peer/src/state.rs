//! What a node knows about itself, and its part of the API.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heddle_admin::node::Later;
use heddle_admin::types::{
    ApiError, DatastoreReport, DrainReport, DrainStep, ErrorCode, FibPage, FibQuery, NodeReport, PeerName, WallTime,
};
use heddle_config_gen::{Generated, Subject, Warning};
use heddle_datastore::{Datastore, State as SourceState};
use heddle_fib_sync::LocalRoute;
use heddle_speaker::daemon::Confined;
use tokio::sync::{mpsc, oneshot, watch};

use crate::drain::Drained;
use crate::fib_report;
use crate::forwarding::ForwardingTable;
use crate::identity::Identity;
use crate::sysctls;
use crate::texts::Texts;

/// A node, for the API.
#[derive(Debug)]
pub(crate) struct NodeState {
    node: Arc<str>,
    datastore: Datastore,
    requests: mpsc::Sender<DrainRequest>,
    confined: Confined,
    inner: Mutex<Inner>,
    runs: watch::Sender<Runs>,
    conflicts: watch::Sender<BTreeSet<String>>,
    identity: watch::Receiver<Identity>,
}

/// How all peers are called: address, name and origin of each.
#[derive(Debug, Default)]
struct PeerNames(Texts);

impl PeerNames {
    fn of(generated: &Generated) -> Self {
        let mut names = Self::default();
        for peer in &generated.peers {
            match generated.origins.of(&Subject::Peer(peer.address.clone())).first() {
                Some(origin) => names.push(&peer.address, &peer.name, origin),
                None => names.push(&peer.address, &peer.name, &""),
            }
        }
        names.0.shrink();
        names
    }

    fn push(&mut self, address: &impl Display, name: &impl Display, origin: &impl Display) {
        self.0.push(address);
        self.0.push(name);
        self.0.push(origin);
    }

    fn list(&self) -> Vec<PeerName> {
        let mut texts = self.0.iter().map(str::to_owned);
        let next = || Some(PeerName { address: texts.next()?, name: texts.next()?, origin: texts.next()? });
        std::iter::from_fn(next).collect()
    }
}

/// Whether the node runs sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    Yes,
    NotYet,
}

/// Whether something is another than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Yes,
    No,
}

/// Asks for another step of draining.
pub(crate) type DrainRequest = (DrainStep, oneshot::Sender<Drained>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Option<String>,
    warnings: Vec<String>,
    peers: PeerNames,
    drained: Drained,
    forwarding: Option<Arc<ForwardingTable>>,
    problem: Option<String>,
    /// Addresses of services that are not advertised yet.
    held_services: Option<String>,
    /// Why the node's status is not written, by the object that asks for it.
    status_problems: BTreeMap<Arc<str>, String>,
}

impl NodeState {
    pub(crate) fn new(
        node: Arc<str>,
        datastore: Datastore,
        requests: mpsc::Sender<DrainRequest>,
        confined: Confined,
        identity: watch::Receiver<Identity>,
    ) -> Self {
        let waiting = Some("the datastore".to_owned());
        let inner = Mutex::new(Inner { waiting, ..Inner::default() });
        let (runs, conflicts) = (watch::Sender::new(Runs::NotYet), watch::Sender::default());
        Self { node, datastore, requests, confined, inner, runs, conflicts, identity }
    }

    /// Whether sessions run, for those who have to say so.
    pub(crate) fn runs(&self) -> watch::Receiver<Runs> {
        self.runs.subscribe()
    }

    /// Resources that contradict each other in what concerns this node.
    pub(crate) fn conflicts(&self) -> watch::Receiver<BTreeSet<String>> {
        self.conflicts.subscribe()
    }

    /// A source of resources, of which others may want to know as well.
    pub(crate) fn watch(&self) -> heddle_datastore::Watch {
        self.datastore.subscribe()
    }

    fn publish_conflicts(&self, generated: &Generated) {
        let now: BTreeSet<String> = generated.warnings.iter().filter_map(|warning| self.conflict(warning)).collect();
        self.conflicts.send_if_modified(|told| {
            let is_other = *told != now;
            *told = now;
            is_other
        });
    }

    /// What is told of a warning if it is a conflict of this node's: once for two peerings, however many peers both ask for.
    fn conflict(&self, warning: &Warning) -> Option<String> {
        match warning {
            Warning::DuplicatePeer { used, ignored, .. } => Some(format!(
                "{used} and {ignored} both ask for sessions with the same peers; those of {used} count (first by name)"
            )),
            Warning::SharedRouterId { nodes, .. } => {
                (nodes.0 == self.node || nodes.1 == self.node).then(|| warning.to_string())
            }
            // Who looks after the addresses tells of them.
            Warning::SharedAddress { .. }
            | Warning::MissingPassword { .. }
            | Warning::LengthWithEquality { .. }
            | Warning::LongPrepend { .. }
            | Warning::UnknownFilter { .. }
            | Warning::NoPeerAs { .. }
            | Warning::UnusableAddress { .. }
            | Warning::LongKeepalive { .. }
            | Warning::LongRestartTime { .. }
            | Warning::UnknownWorkloadPeer { .. }
            | Warning::OtherReflectorAs { .. }
            | Warning::UnusedReflector { .. }
            | Warning::ReflectorTakenForNode { .. } => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the node's resources make of it.
    pub(crate) fn generated(&self, generated: &Generated, runs: Runs) {
        let waiting = generated.waiting.as_ref();
        if let (Runs::Yes, Some(waiting)) = (runs, waiting) {
            // Its peers are what they were.
            self.problem(Some(format!("{waiting}; what ran before goes on")));
            return;
        }
        self.publish_conflicts(generated);
        let peers = PeerNames::of(generated);
        let mut inner = self.lock();
        inner.peers = peers;
        inner.warnings = generated.warnings.iter().map(ToString::to_string).collect();
        inner.waiting = waiting.map(|w| w.to_string().trim_start_matches("waiting for ").to_owned());
    }

    /// The Node is looked at before anything is begun.
    pub(crate) fn unsettled(&self) {
        self.lock().waiting = Some("its addresses to be in its Node".to_owned());
    }

    /// Something that keeps what the resources say from being in force; none: nothing.
    pub(crate) fn problem(&self, problem: Option<String>) -> News {
        let mut inner = self.lock();
        if inner.problem == problem {
            return News::No;
        }
        inner.problem = problem;
        News::Yes
    }

    /// What is held back of services; none: nothing.
    pub(crate) fn held_services(&self, held: Option<String>) -> News {
        let before = std::mem::replace(&mut self.lock().held_services, held.clone());
        if before == held { News::No } else { News::Yes }
    }

    /// Why the node's status is not written where this object asks for it; none: it is, or is not asked for any more.
    pub(crate) fn status_problem(&self, name: &Arc<str>, problem: Option<String>) -> News {
        let mut inner = self.lock();
        let before = match problem.clone() {
            Some(problem) => inner.status_problems.insert(Arc::clone(name), problem),
            None => inner.status_problems.remove(name),
        };
        if before == problem { News::No } else { News::Yes }
    }

    pub(crate) fn drained(&self, drained: Drained) {
        self.lock().drained = drained;
    }

    pub(crate) fn forwards_by(&self, table: Arc<ForwardingTable>) {
        self.lock().forwarding = Some(table);
        self.runs.send_replace(Runs::Yes);
    }

    /// The routes that the node originates because its kernel has them.
    pub(crate) fn local_routes(&self) -> Vec<LocalRoute> {
        let forwarding = self.lock().forwarding.clone();
        forwarding.map(|table| table.local_routes()).unwrap_or_default()
    }

    fn datastore_report(&self) -> DatastoreReport {
        let status = self.datastore.status();
        let state = match &status.state {
            SourceState::Waiting(_) => "connecting",
            SourceState::InSync => "in_sync",
            SourceState::Lost(_) => "lost",
        };
        DatastoreReport {
            source: status.source.to_string(),
            state: state.to_owned(),
            since: Some(WallTime::from(status.since)),
            last_error: status.last_error.as_ref().map(|(_, e)| e.to_string()),
            objects: status
                .objects
                .iter()
                .map(|(k, n)| (k.to_string(), u64::try_from(*n).unwrap_or(u64::MAX)))
                .collect(),
            invalid: status.faults().map(ToString::to_string).collect(),
            changes: status.version,
        }
    }

    async fn whole_report(&self) -> NodeReport {
        let forwarding = self.lock().forwarding.clone();
        let (fib, sysctls) = match &forwarding {
            Some(table) => (table.look(|fib| fib_report::numbers(fib)).await, sysctls::report(table).await),
            None => (None, Vec::new()),
        };
        let datastore = self.datastore_report();
        let status = self.datastore.status();
        let Identity { addresses, problems, .. } = self.identity.borrow().clone();
        let inner = self.lock();
        let waiting = match (&status.state, &inner.waiting) {
            (SourceState::Waiting(what), Some(_)) => Some(what.to_string()),
            (_, waiting) => waiting.clone(),
        };
        NodeReport {
            node: self.node.to_string(),
            waiting_for: waiting,
            drained: inner.drained.as_str().to_owned(),
            datastore,
            addresses,
            warnings: inner
                .problem
                .iter()
                .chain(&inner.held_services)
                .chain(inner.status_problems.values())
                .chain(&problems)
                .chain(&inner.warnings)
                .cloned()
                .collect(),
            sysctls,
            peers: inner.peers.list(),
            fib,
            confinement: self.confined.report(),
        }
    }
}

fn unavailable(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Unavailable, message)
}

impl heddle_admin::Node for NodeState {
    fn report(&self) -> Later<'_, NodeReport> {
        Box::pin(async { Ok(self.whole_report().await) })
    }

    fn fib(&self, query: FibQuery) -> Later<'_, FibPage> {
        Box::pin(async move {
            let forwarding = self.lock().forwarding.clone();
            let table = forwarding
                .ok_or_else(|| unavailable("the node forwards nothing yet; heddle show node says what it waits for"))?;
            let page = table.look(move |fib| fib_report::page(fib, &query)).await;
            page.ok_or_else(|| unavailable("the thread of the forwarding table has ended; restart the daemon"))
        })
    }

    fn drain(&self, step: DrainStep) -> Later<'_, DrainReport> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let stopping = || unavailable("the daemon is stopping");
            self.requests.send((step, reply)).await.map_err(|_| stopping())?;
            let drained = answer.await.map_err(|_| stopping())?;
            Ok(DrainReport { drained: drained.as_str().to_owned() })
        })
    }
}

#[cfg(test)]
mod tests {
    use heddle_admin::Node;
    use heddle_config_gen::{NodeContext, generate};
    use heddle_datastore::FileSource;

    use super::*;

    /// What is wrong with one object that asks for status is no news each time that another one is written.
    #[tokio::test]
    async fn each_object_that_asks_for_status_has_its_own_problem() {
        let state = state(tempfile::tempdir().expect("a temporary folder").path());
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let problem = || Some("not permitted".to_owned());
        assert_eq!(state.status_problem(&one, problem()), News::Yes);
        for _ in 0..3 {
            assert_eq!(state.status_problem(&other, None), News::No);
            assert_eq!(state.status_problem(&one, problem()), News::No);
        }
        let warned = || async { state.report().await.expect("a report").warnings.len() };
        assert_eq!(warned().await, 1);
        assert_eq!(state.status_problem(&one, None), News::Yes);
        assert_eq!(warned().await, 0);
    }

    fn state(folder: &std::path::Path) -> NodeState {
        let (requests, _asked) = mpsc::channel(1);
        let (_steward, identity) = watch::channel(Identity::default());
        NodeState::new("n1".into(), Datastore::start(FileSource::of(folder)), requests, Confined::default(), identity)
    }

    /// A Node resource that goes away stops nothing, and the report says so.
    #[tokio::test]
    async fn a_running_node_without_resource_runs_on_and_says_so() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let state = state(dir.path());
        let peers = vec![PeerName { address: "192.0.2.2".into(), ..PeerName::default() }];
        {
            let mut inner = state.lock();
            inner.waiting = None;
            inner.peers = PeerNames::default();
            let name = &peers[0];
            inner.peers.push(&name.address, &name.name, &name.origin);
        }
        let nothing = generate(&heddle_resources::Snapshot::default(), &NodeContext::new("n1"));
        state.generated(&nothing, Runs::Yes);
        let report = state.report().await.expect("a report");
        assert_eq!((report.waiting_for, report.peers), (None, peers));
        assert!(report.warnings.iter().any(|w| w.contains("n1") && w.contains("goes on")), "{:?}", report.warnings);
        state.generated(&nothing, Runs::NotYet);
        assert!(state.report().await.expect("a report").waiting_for.is_some());
    }
}
