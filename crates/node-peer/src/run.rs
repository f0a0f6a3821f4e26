//! The main task: from events of the datastore to what runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use heddle_admin::{Access, AdminServer, BindError};
use heddle_bgp_core::Prefix;
use heddle_config::Config;
use heddle_config_gen::{Generated, NodeContext, generate};
use heddle_datastore::{
    Datastore, EndpointStatusReport, EndpointStatuses, EtcdError, FileSource, KubernetesError, NodeWriter, StatusDir,
    StatusDirError,
};
use heddle_resources::Snapshot;
use heddle_speaker::daemon::{Asked, Confined, Notice, SetLevel, Signals, notify};
use heddle_speaker::{FirstSession, Role, Speaker, StartOptions};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::Args;
use crate::ContextArgs;
use crate::address::{AddressArgs, WishError};
use crate::bird_ctl::BirdCtl;
use crate::context::endpoints;
use crate::drain::Drained;
use crate::forwarding::ForwardingTable;
use crate::held_services::{self, HeldServices};
use crate::identity::{Around, Identity, Settled, Steward, farewell};
use crate::node_status::{StatusPlace, StatusWriter};
use crate::place::DatastorePlace;
use crate::state::{DrainRequest, News, NodeState, Runs};
use crate::sysctls;
use crate::waiting::Waiting;
use heddle_admin::types::DrainStep;

/// How long routes are the last choice before they are withdrawn.
const LOWERED: Duration = Duration::from_secs(5);
/// How soon what could not be applied is tried again: an address to listen on may come to its interface later.
const RETRY: Duration = Duration::from_secs(5);
/// Requests of the API that may wait.
const REQUESTS: usize = 4;

/// Why the node cannot run.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    /// Signals cannot be handled.
    #[error("signals cannot be handled")]
    Signals,
    /// The API socket.
    #[error(transparent)]
    Api(#[from] BindError),
    /// The API server cannot be asked.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// What the node's addresses should be.
    #[error(transparent)]
    Addresses(#[from] WishError),
    /// etcd cannot be asked.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// The speaker.
    #[error(transparent)]
    Speaker(#[from] heddle_speaker::StartError),
    /// The forwarding table.
    #[error(transparent)]
    Forwarding(#[from] heddle_fib_sync::StartError),
    /// The thread of the forwarding table.
    #[error("the thread of the forwarding table has failed; the routes stay in the kernel")]
    ForwardingEnded,
}

/// What is done while the process may still do everything.
pub(crate) struct Prepared {
    /// Where status is written.
    pub(crate) status_dir: Option<StatusDir>,
    /// What the process took away from itself after that.
    pub(crate) confined: Confined,
}

/// The status directory, made where it does not exist.
pub(crate) fn status_dir(args: &Args) -> Result<Option<StatusDir>, StatusDirError> {
    args.status_dir.as_deref().map(|dir| StatusDir::open(dir, args.datastore.folder())).transpose()
}

/// Runs until a signal ends it.
pub(crate) async fn serve(
    args: &Args,
    context: &ContextArgs,
    addresses: &AddressArgs,
    prepared: Prepared,
    set_level: &SetLevel,
) -> Result<(), RunError> {
    let Prepared { status_dir, confined } = prepared;
    let mut signals = Signals::listen().ok_or(RunError::Signals)?;
    let (datastore, writer) = match &args.datastore {
        // Manifests have the addresses themselves.
        DatastorePlace::Folder(folder) => (Datastore::start(FileSource::of(folder)), None),
        DatastorePlace::Kubernetes => {
            let wishes = addresses.wishes()?;
            let source = context.kubernetes.source(&args.node, context).await?;
            let writer = Arc::new(NodeWriter::Kubernetes(source.writer()));
            (Datastore::start(source), Some((writer, wishes)))
        }
        DatastorePlace::Etcd => {
            let wishes = addresses.wishes()?;
            let source = context.etcd.source(&args.node)?;
            let writer = Arc::new(NodeWriter::Etcd(Box::new(source.writer())));
            (Datastore::start(source), Some((writer, wishes)))
        }
    };
    let mut watch = datastore.subscribe();
    let followed_endpoints = EndpointStatuses::follow(context.endpoint_folder());
    let mut workloads = followed_endpoints.subscribe();
    let (told, mut identity) = watch::channel(Identity::default());
    let (requests, mut asked) = mpsc::channel(REQUESTS);
    let name: Arc<str> = args.node.as_str().into();
    let state = Arc::new(NodeState::new(Arc::clone(&name), datastore, requests, confined.clone(), identity.clone()));
    let (writer, wishes) = writer.unzip();
    let place = StatusPlace::of(status_dir, writer.clone());
    let statuses = place.map(|place| {
        let (socket, state) = (args.socket.clone(), Arc::clone(&state));
        tokio::spawn(StatusWriter::new(Arc::clone(&name), place, socket, state).run())
    });
    let access = if args.socket_group_access { Access::Group } else { Access::Owner };
    let bird_ctl = args
        .bird_ctl
        .as_deref()
        .map(|folder| tokio::spawn(BirdCtl::new(folder, access, &args.socket, Arc::clone(&state)).run()));
    let steward = writer.clone().zip(wishes).map(|(writer, wishes)| {
        let (watch, runs, conflicts) = (state.watch(), state.runs(), state.conflicts());
        let remarks = remarks(&writer, &context.context(&args.node)).into_iter().collect();
        let around = Around { watch, runs, conflicts, told, remarks };
        tokio::spawn(Steward::new(name, writer, wishes, around).run())
    });
    let mut node = Node::new(args, context.context(&args.node), Arc::clone(&state), confined, set_level)?;
    if steward.is_some() {
        node.identity = Some(identity.clone());
    }
    notify(Notice::Ready);
    info!(node = %args.node, datastore = %args.datastore, "the node peer runs");
    let mut followed = true;
    let mut failed = None;
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Asked::Stop => break,
                // The datastore is followed as it is; there is nothing else to read.
                Asked::Reload => {}
            },
            event = watch.next(), if followed => match event {
                Some(event) => node.snapshot(Arc::clone(event.snapshot())).await?,
                None => {
                    error!("the datastore has ended; what runs goes on");
                    followed = false;
                }
            },
            report = next_report(&mut workloads) => node.workloads(&report).await?,
            Ok(()) = identity.changed(), if steward.is_some() => {
                let settled = identity.borrow_and_update().settled;
                node.settled(settled).await?;
            }
            Some(request) = asked.recv() => node.drain(request).await,
            step = node.next_step() => node.step(step).await?,
            () = node.first_session() => node.held_services = node.held_services.heard(Instant::now()),
            () = node.forwarding_written() => node.release_services(Release::Written).await?,
            () = node.forwarding_ended() => {
                // Sessions that nobody forwards for are worse than none: peers keep their routes until the restart.
                failed = Some(RunError::ForwardingEnded);
                break;
            }
        }
    }
    for task in [statuses, steward, bird_ctl].into_iter().flatten() {
        task.abort();
    }
    notify(Notice::Stopping);
    info!("stopping; the routes stay in the kernel");
    let ran = *state.runs().borrow() == Runs::Yes;
    node.stop().await;
    if let Some(cluster) = writer.as_ref().and_then(|writer| writer.cluster()).filter(|_| ran) {
        farewell(cluster).await;
    }
    failed.map_or(Ok(()), Err)
}

/// What is asked for and not done, wherever the Node is looked after.
fn remarks(writer: &NodeWriter, context: &NodeContext) -> Option<String> {
    let (None, Some(node)) = (writer.cluster(), &context.kubernetes_node) else { return None };
    Some(format!(
        "CALICO_K8S_NODE_REF: with etcd nothing is written into Node {node} of Kubernetes, nor its name into spec.orchRefs; see to its \
         condition NetworkUnavailable, or use --datastore kubernetes"
    ))
}

/// The next report of the folder of endpoints. Cancel-safe.
async fn next_report(reports: &mut watch::Receiver<EndpointStatusReport>) -> EndpointStatusReport {
    while reports.changed().await.is_ok() {
        let report = reports.borrow_and_update().clone();
        if report.known {
            return report;
        }
    }
    // It has ended, with the runtime.
    std::future::pending().await
}

/// What runs.
struct Node<'a> {
    args: &'a Args,
    state: Arc<NodeState>,
    confined: Confined,
    set_level: &'a SetLevel,
    context: NodeContext,
    snapshot: Option<Arc<Snapshot>>,
    workloads_known: bool,
    /// Who looks after the Node, where somebody does: whether it is as it should be, so that the sessions that are begun are those that stay.
    identity: Option<watch::Receiver<Identity>>,
    /// What was known of that last.
    settled: Settled,
    /// Of what the last configuration was made: when it is wanted again it is made again, and not kept in the meantime.
    wanted: Option<(Arc<Snapshot>, NodeContext)>,
    /// Warnings that were said.
    said: BTreeSet<String>,
    drained: Drained,
    withdraw_at: Option<Instant>,
    held_services: HeldServices,
    /// When what could not be applied is tried again.
    retry_at: Option<Instant>,
    phase: Phase,
}

/// What comes with time.
#[derive(Clone, Copy)]
enum Step {
    /// Drained routes are withdrawn.
    Withdraw,
    /// What could not be applied is tried again.
    Retry,
    /// Addresses of services are held back no longer.
    Release,
}

/// Why addresses of services are held back no longer.
#[derive(Clone, Copy)]
enum Release {
    /// The forwarding table is written.
    Written,
    /// Their time is over.
    Late,
}

enum Phase {
    /// There is no configuration yet.
    Waiting { stop: oneshot::Sender<()>, server: JoinHandle<()> },
    /// Sessions run.
    Running { speaker: Speaker, table: Arc<ForwardingTable>, sysctls: JoinHandle<()> },
    /// Between the two.
    Changing,
}

impl<'a> Node<'a> {
    fn new(
        args: &'a Args,
        context: NodeContext,
        state: Arc<NodeState>,
        confined: Confined,
        set_level: &'a SetLevel,
    ) -> Result<Self, RunError> {
        let access = if args.socket_group_access { Access::Group } else { Access::Owner };
        let server = AdminServer::bind(&args.socket, access)?;
        let (stop, stopped) = oneshot::channel();
        let backend = Arc::new(Waiting::new(Arc::clone(&state) as Arc<dyn heddle_admin::Node>));
        let server = tokio::spawn(server.serve(backend, async {
            let _ = stopped.await;
        }));
        let phase = Phase::Waiting { stop, server };
        Ok(Self {
            args,
            state,
            confined,
            set_level,
            context,
            snapshot: None,
            workloads_known: false,
            identity: None,
            settled: Settled::NotYet,
            wanted: None,
            said: BTreeSet::new(),
            drained: Drained::No,
            withdraw_at: None,
            held_services: HeldServices::No,
            retry_at: None,
            phase,
        })
    }

    /// The local workloads have changed. Nothing runs before they are known.
    async fn workloads(&mut self, report: &EndpointStatusReport) -> Result<(), RunError> {
        for fault in report.faults.iter() {
            warn!("{fault}");
        }
        self.context.endpoints = endpoints(report);
        self.workloads_known = true;
        self.apply().await
    }

    /// The Node was looked at.
    async fn settled(&mut self, settled: Settled) -> Result<(), RunError> {
        if self.settled == settled {
            return Ok(());
        }
        self.settled = settled;
        self.apply().await
    }

    /// The datastore has changed.
    async fn snapshot(&mut self, snapshot: Arc<Snapshot>) -> Result<(), RunError> {
        self.snapshot = Some(snapshot);
        self.apply().await
    }

    /// Brings what runs to what the datastore says.
    async fn apply(&mut self) -> Result<(), RunError> {
        let Some(snapshot) = self.snapshot.clone().filter(|_| self.workloads_known) else { return Ok(()) };
        let generated = generate(&snapshot, &self.context);
        let runs = match self.phase {
            Phase::Running { .. } => Runs::Yes,
            Phase::Waiting { .. } | Phase::Changing => Runs::NotYet,
        };
        // As it is now: what is in the snapshot may be younger than what was heard of this last.
        self.settled = self.identity.as_ref().map_or(Settled::Yes, |identity| identity.borrow().settled);
        // A Node that is not there yet is waited for first.
        if self.settled == Settled::NotYet && generated.config.is_some() {
            if runs == Runs::NotYet {
                self.state.unsettled();
            }
            return Ok(());
        }
        self.state.generated(&generated, runs);
        self.say(&generated);
        let Some(config) = generated.config else { return Ok(()) };
        self.wanted = Some((snapshot, self.context.clone()));
        self.bring(config, &generated.services).await
    }

    /// Brings what runs to what was wanted last.
    async fn bring_again(&mut self) -> Result<(), RunError> {
        let Some((snapshot, context)) = &self.wanted else { return Ok(()) };
        let generated = generate(snapshot, context);
        let Some(config) = generated.config else { return Ok(()) };
        self.bring(config, &generated.services).await
    }

    /// Brings what runs to what is wanted.
    async fn bring(&mut self, config: Config, services: &BTreeSet<Prefix>) -> Result<(), RunError> {
        let mut config = self.finish(config);
        match std::mem::replace(&mut self.phase, Phase::Changing) {
            Phase::Running { speaker, table, sysctls } => {
                let held = self.held_services.apply(&mut config, services);
                let _ = self.state.held_services(held_services::problem(held));
                let applied = self.change(&speaker, &table, config).await;
                self.retry_at = if applied { None } else { Some(Instant::now() + RETRY) };
                self.phase = Phase::Running { speaker, table, sysctls };
            }
            Phase::Waiting { stop, server } => {
                let _ = stop.send(());
                let _ = server.await;
                self.phase = self.start(config, services).await?;
            }
            Phase::Changing => {}
        }
        Ok(())
    }

    /// What the command line adds.
    fn finish(&self, mut config: Config) -> Config {
        config.api.socket.clone_from(&self.args.socket);
        config.api.metrics = self.args.metrics;
        config.api.group_access = self.args.socket_group_access;
        config.confinement = self.args.confinement();
        let fib = config.fib.get_or_insert_default();
        fib.protocol = self.args.protocol;
        fib.workload_protocol = fib.workload_protocol.filter(|number| *number != fib.protocol);
        fib.table = self.args.table;
        fib.adopt_protocols.clone_from(&self.args.adopt_protocols);
        fib.learn_protocols.clone_from(&self.args.learn_protocols);
        fib.nexthop_objects = self.args.nexthop_objects;
        fib.manage_sysctls = self.args.manage_sysctls;
        self.drained.apply(&mut config);
        config
    }

    async fn start(&mut self, mut config: Config, services: &BTreeSet<Prefix>) -> Result<Phase, RunError> {
        (self.set_level)(&config.log.level);
        let table = Arc::new(ForwardingTable::start(&config).await?);
        self.held_services = HeldServices::at_start(&self.args.socket, table.found());
        let held = self.held_services.apply(&mut config, services);
        if self.state.held_services(held_services::problem(held)) == News::Yes {
            info!(prefixes = held, "addresses of services wait until the forwarding table is written");
        }
        let forwarding = table.forwarding(&config, self.held_services.time_from()).await;
        let told = forwarding.local_routes.clone();
        let options = StartOptions {
            role: Role::NodePeer,
            file: None,
            socket: None,
            forwarding: Some(forwarding),
            node: Some(Arc::clone(&self.state) as Arc<dyn heddle_admin::Node>),
            confined: self.confined.clone(),
        };
        let mut speaker = Speaker::start(config, options).await?;
        if let Some(tables) = speaker.take_tables() {
            table.attach(tables, told);
        }
        self.state.forwards_by(Arc::clone(&table));
        let sysctls = tokio::spawn(sysctls::follow(Arc::clone(&table)));
        info!("sessions begin");
        Ok(Phase::Running { speaker, table, sysctls })
    }

    /// Says whether it is in force.
    async fn change(&self, speaker: &Speaker, table: &ForwardingTable, config: Config) -> bool {
        if **speaker.applied().borrow() == config {
            self.state.problem(None);
            return true;
        }
        (self.set_level)(&config.log.level);
        match speaker.apply(config.clone()).await {
            Ok(_) => {
                table.configure(&config);
                self.state.problem(None);
                true
            }
            Err(e) => {
                let problem = format!("the newest state of the datastore is not in force: {e}");
                if self.state.problem(Some(problem)) == News::Yes {
                    warn!("what the datastore says was not applied, the running configuration goes on: {e}");
                }
                false
            }
        }
    }

    /// Says what was not said of the state before.
    fn say(&mut self, generated: &Generated) {
        let mut now: BTreeSet<String> = generated.warnings.iter().map(ToString::to_string).collect();
        for warning in now.difference(&self.said) {
            warn!("{warning}");
        }
        if let Some(waiting) = generated.waiting.as_ref().map(ToString::to_string) {
            match self.phase {
                _ if self.said.contains(&waiting) => {}
                Phase::Running { .. } => warn!("{waiting}; what runs goes on"),
                Phase::Waiting { .. } | Phase::Changing => info!("{waiting}"),
            }
            now.insert(waiting);
        }
        self.said = now;
    }

    async fn drain(&mut self, (step, reply): DrainRequest) {
        match (step, self.drained) {
            (DrainStep::Undo, _) => self.set_drained(Drained::No).await,
            (DrainStep::Drain, Drained::No) => {
                self.set_drained(Drained::Lowered).await;
                self.withdraw_at = Some(Instant::now() + LOWERED);
            }
            (DrainStep::Drain, Drained::Lowered | Drained::Withdrawn) => {}
        }
        let _ = reply.send(self.drained);
    }

    async fn step(&mut self, step: Step) -> Result<(), RunError> {
        match step {
            Step::Withdraw => {
                self.set_drained(Drained::Withdrawn).await;
                Ok(())
            }
            Step::Retry => {
                self.retry_at = None;
                self.bring_again().await
            }
            Step::Release => self.release_services(Release::Late).await,
        }
    }

    async fn release_services(&mut self, release: Release) -> Result<(), RunError> {
        self.held_services.release(&self.args.socket);
        if self.state.held_services(None) == News::Yes {
            match release {
                Release::Written => info!("the forwarding table is written: addresses of services are advertised"),
                Release::Late => warn!(
                    seconds = HeldServices::AT_MOST.as_secs(),
                    "the forwarding table is not written in time: addresses of services are advertised all the same; \
                     heddle show fib --diff says what is missing"
                ),
            }
        }
        self.bring_again().await
    }

    async fn set_drained(&mut self, drained: Drained) {
        self.withdraw_at = None;
        self.drained = drained;
        self.state.drained(drained);
        info!(state = drained.as_str(), "drain");
        // Also when the resources come to nothing now: it is what runs that is drained.
        if let Err(e) = self.bring_again().await {
            error!("{e}");
        }
    }

    /// Completes when time asks for something.
    async fn next_step(&self) -> Step {
        let withdraw = self.withdraw_at.map(|at| (at, Step::Withdraw));
        let retry = self.retry_at.map(|at| (at, Step::Retry));
        let release = self.held_services.deadline().map(|at| (at, Step::Release));
        match [withdraw, retry, release].into_iter().flatten().min_by_key(|(at, _)| *at) {
            Some((at, step)) => {
                tokio::time::sleep_until(at).await;
                step
            }
            None => std::future::pending().await,
        }
    }

    /// Completes when addresses of services need be held back no longer.
    async fn forwarding_written(&self) {
        match (&self.phase, self.held_services) {
            (Phase::Running { table, .. }, HeldServices::NobodyHears | HeldServices::Until(_)) => table.written().await,
            (Phase::Running { .. }, HeldServices::No) | (Phase::Waiting { .. } | Phase::Changing, _) => {
                std::future::pending().await
            }
        }
    }

    /// Completes when addresses of services are held back and somebody hears what is advertised.
    async fn first_session(&self) {
        match (&self.phase, self.held_services) {
            (Phase::Running { speaker, .. }, HeldServices::NobodyHears) => {
                // The sender is the speaker's, which is ours.
                let _ = speaker.first_session().wait_for(|first| *first == FirstSession::Established).await;
            }
            (Phase::Running { .. }, HeldServices::Until(_) | HeldServices::No)
            | (Phase::Waiting { .. } | Phase::Changing, _) => std::future::pending().await,
        }
    }

    /// Completes when nobody writes routes any more.
    async fn forwarding_ended(&self) {
        match &self.phase {
            Phase::Running { table, .. } => table.ended().await,
            Phase::Waiting { .. } | Phase::Changing => std::future::pending().await,
        }
    }

    async fn stop(self) {
        match self.phase {
            Phase::Running { speaker, table, sysctls } => {
                sysctls.abort();
                speaker.stop().await;
                drop(table);
            }
            Phase::Waiting { stop, server } => {
                let _ = stop.send(());
                let _ = server.await;
            }
            Phase::Changing => {}
        }
    }
}
