//! The main task: from events of the datastore to what runs.

use std::sync::Arc;
use std::time::Duration;

use heddle_admin::{AdminServer, BindError};
use heddle_config::Config;
use heddle_config_gen::{EndpointStatus, Generated, NodeContext, RouterIdSource, generate};
use heddle_datastore::{Datastore, EndpointStatusReport, EndpointStatuses, FileSource, StatusDir, StatusDirError};
use heddle_resources::Snapshot;
use heddle_resources::value::InterfaceAddress;
use heddle_speaker::daemon::{Asked, Notice, SetLevel, Signals, notify};
use heddle_speaker::{Role, Speaker, StartOptions};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::Args;
use crate::args::RouterId;
use crate::drain::Drained;
use crate::forwarding::ForwardingTable;
use crate::node_status::StatusWriter;
use crate::state::{DrainRequest, NodeState};
use crate::waiting::Waiting;
use heddle_admin::types::DrainStep;

/// How long routes are the last choice before they are withdrawn.
const LOWERED: Duration = Duration::from_secs(5);
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
    /// The status directory.
    #[error(transparent)]
    StatusDir(#[from] StatusDirError),
    /// The speaker.
    #[error(transparent)]
    Speaker(#[from] heddle_speaker::StartError),
    /// The forwarding table.
    #[error(transparent)]
    Forwarding(#[from] heddle_fib_sync::StartError),
}

/// Runs until a signal ends it.
pub(crate) async fn serve(args: &Args, set_level: &SetLevel) -> Result<(), RunError> {
    let mut signals = Signals::listen().ok_or(RunError::Signals)?;
    let status_dir = args.status_dir.as_deref().map(|dir| StatusDir::open(dir, Some(&args.datastore))).transpose()?;
    let datastore = Datastore::start(FileSource::of(&args.datastore));
    let mut watch = datastore.subscribe();
    let endpoints = EndpointStatuses::follow(EndpointStatuses::folder(&args.endpoint_status));
    let mut workloads = endpoints.subscribe();
    let statuses = status_dir.map(|dir| {
        let writer = StatusWriter::new(args.node.as_str().into(), dir, args.socket.clone(), datastore.subscribe());
        tokio::spawn(writer.run())
    });
    let (requests, mut asked) = mpsc::channel(REQUESTS);
    let state = Arc::new(NodeState::new(args.node.as_str().into(), datastore, requests));
    let mut node = Node::new(args, Arc::clone(&state), set_level)?;
    notify(Notice::Ready);
    info!(node = %args.node, datastore = %args.datastore.display(), "the node peer runs");
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Asked::Stop => break,
                // The datastore is followed as it is; there is nothing else to read.
                Asked::Reload => {}
            },
            event = watch.next() => match event {
                Some(event) => node.snapshot(Arc::clone(event.snapshot())).await?,
                None => {
                    error!("the datastore has ended; what runs goes on");
                    watch_ended(&mut signals).await;
                    break;
                }
            },
            report = next_report(&mut workloads) => node.workloads(&report).await?,
            Some(request) = asked.recv() => node.drain(request).await,
            () = node.next_step() => node.withdraw().await,
        }
    }
    if let Some(statuses) = statuses {
        statuses.abort();
    }
    notify(Notice::Stopping);
    info!("stopping; the routes stay in the kernel");
    node.stop().await;
    Ok(())
}

async fn watch_ended(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
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

/// A local workload, as configurations are made of it.
fn endpoint(status: &heddle_resources::EndpointStatus) -> EndpointStatus {
    let nets = status.ipv4.iter().chain(&status.ipv6);
    EndpointStatus {
        interface: Arc::clone(&status.interface),
        addresses: nets.filter_map(|n| InterfaceAddress::new(n.address(), n.length())).collect(),
        bgp_peer: status.bgp_peer.clone(),
    }
}

/// What runs.
struct Node<'a> {
    args: &'a Args,
    state: Arc<NodeState>,
    set_level: &'a SetLevel,
    context: NodeContext,
    snapshot: Option<Arc<Snapshot>>,
    workloads_known: bool,
    drained: Drained,
    withdraw_at: Option<tokio::time::Instant>,
    phase: Phase,
}

enum Phase {
    /// There is no configuration yet.
    Waiting { stop: oneshot::Sender<()>, server: JoinHandle<()> },
    /// Sessions run.
    Running { speaker: Speaker, table: Arc<ForwardingTable> },
    /// Between the two.
    Changing,
}

impl<'a> Node<'a> {
    fn new(args: &'a Args, state: Arc<NodeState>, set_level: &'a SetLevel) -> Result<Self, RunError> {
        let mut context = NodeContext::new(args.node.as_str());
        context.router_id = args.router_id.map(|id| match id {
            RouterId::Hash => RouterIdSource::NodeName,
            RouterId::Given(id) => RouterIdSource::Given(id),
        });
        context.secrets_namespace = args.secrets_namespace.as_str().into();
        let server = AdminServer::bind(&args.socket)?;
        let (stop, stopped) = oneshot::channel();
        let backend = Arc::new(Waiting::new(Arc::clone(&state) as Arc<dyn heddle_admin::Node>));
        let server = tokio::spawn(server.serve(backend, async {
            let _ = stopped.await;
        }));
        let phase = Phase::Waiting { stop, server };
        let (snapshot, drained, withdraw_at) = (None, Drained::No, None);
        Ok(Self { args, state, set_level, context, snapshot, workloads_known: false, drained, withdraw_at, phase })
    }

    /// The local workloads have changed. Nothing runs before they are known.
    async fn workloads(&mut self, report: &EndpointStatusReport) -> Result<(), RunError> {
        for fault in report.faults.iter() {
            warn!("{fault}");
        }
        self.context.endpoints = report.statuses.iter().map(endpoint).collect();
        self.workloads_known = true;
        self.apply().await
    }

    /// The datastore has changed.
    async fn snapshot(&mut self, snapshot: Arc<Snapshot>) -> Result<(), RunError> {
        self.snapshot = Some(snapshot);
        self.apply().await
    }

    /// Brings what runs to what the datastore says.
    async fn apply(&mut self) -> Result<(), RunError> {
        let Some(snapshot) = self.snapshot.as_ref().filter(|_| self.workloads_known) else { return Ok(()) };
        let generated = generate(snapshot, &self.context);
        self.state.generated(&generated);
        self.say(&generated);
        let Some(config) = generated.config else { return Ok(()) };
        let config = self.finish(config);
        match std::mem::replace(&mut self.phase, Phase::Changing) {
            Phase::Running { speaker, table } => {
                self.change(&speaker, &table, config).await;
                self.phase = Phase::Running { speaker, table };
            }
            Phase::Waiting { stop, server } => {
                let _ = stop.send(());
                let _ = server.await;
                self.phase = self.start(config).await?;
            }
            Phase::Changing => {}
        }
        Ok(())
    }

    /// What the command line adds.
    fn finish(&self, mut config: Config) -> Config {
        config.api.socket.clone_from(&self.args.socket);
        config.api.metrics = self.args.metrics;
        let fib = config.fib.get_or_insert_default();
        fib.protocol = self.args.protocol;
        fib.table = self.args.table;
        fib.adopt_protocols.clone_from(&self.args.adopt_protocols);
        fib.learn_protocols.clone_from(&self.args.learn_protocols);
        fib.nexthop_objects = self.args.nexthop_objects;
        fib.manage_sysctls = self.args.manage_sysctls;
        self.drained.apply(&mut config);
        config
    }

    async fn start(&self, config: Config) -> Result<Phase, RunError> {
        (self.set_level)(&config.log.level);
        let table = Arc::new(ForwardingTable::start(&config).await?);
        let forwarding = table.forwarding(&config).await;
        let told = forwarding.local_routes.clone();
        let options = StartOptions {
            role: Role::NodePeer,
            file: None,
            socket: None,
            forwarding: Some(forwarding),
            node: Some(Arc::clone(&self.state) as Arc<dyn heddle_admin::Node>),
        };
        let mut speaker = Speaker::start(config, options).await?;
        if let Some(tables) = speaker.take_tables() {
            table.attach(tables, &told);
        }
        self.state.forwards_by(Arc::clone(&table));
        info!("sessions begin");
        Ok(Phase::Running { speaker, table })
    }

    async fn change(&self, speaker: &Speaker, table: &ForwardingTable, config: Config) {
        (self.set_level)(&config.log.level);
        match speaker.apply(config.clone()).await {
            Ok(_) => {
                table.configure(&config);
                self.state.problem(None);
            }
            Err(e) => {
                warn!("what the datastore says was not applied, the running configuration goes on: {e}");
                self.state.problem(Some(format!("the newest state of the datastore is not in force: {e}")));
            }
        }
    }

    fn say(&self, generated: &Generated) {
        for warning in &generated.warnings {
            warn!("{warning}");
        }
        if let Some(waiting) = &generated.waiting {
            match self.phase {
                Phase::Running { .. } => warn!("{waiting}; what runs goes on"),
                Phase::Waiting { .. } | Phase::Changing => info!("{waiting}"),
            }
        }
    }

    async fn drain(&mut self, (step, reply): DrainRequest) {
        match (step, self.drained) {
            (DrainStep::Undo, _) => self.set_drained(Drained::No).await,
            (DrainStep::Drain, Drained::No) => {
                self.set_drained(Drained::Lowered).await;
                self.withdraw_at = Some(tokio::time::Instant::now() + LOWERED);
            }
            (DrainStep::Drain, Drained::Lowered | Drained::Withdrawn) => {}
        }
        let _ = reply.send(self.drained);
    }

    async fn withdraw(&mut self) {
        self.set_drained(Drained::Withdrawn).await;
    }

    async fn set_drained(&mut self, drained: Drained) {
        self.withdraw_at = None;
        self.drained = drained;
        self.state.drained(drained);
        info!(state = drained.as_str(), "drain");
        if let Err(e) = self.apply().await {
            error!("{e}");
        }
    }

    /// Completes when drained routes are to be withdrawn.
    async fn next_step(&self) {
        match self.withdraw_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    async fn stop(self) {
        match self.phase {
            Phase::Running { speaker, table } => {
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
