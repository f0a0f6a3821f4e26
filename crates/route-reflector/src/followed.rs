//! A reflector whose peers are the nodes that the datastore sends to it (`docs/kubernetes.md`).
//!
//! Nothing runs before the datastore is in sync once: then also the API socket is there, which probes ask. Losing the
//! datastore afterwards changes nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use heddle_config::{Config, Log};
use heddle_config_gen::{Generated, ReflectorContext, generate_reflector};
use heddle_confinement::{Needs, Routes, folder_of_socket};
use heddle_datastore::{Datastore, EtcdError, FileSource, KubernetesError, KubernetesOptions};
use heddle_node_peer::DatastorePlace;
use heddle_resources::Snapshot;
use heddle_speaker::daemon::{self, Asked, Confined, Notice, SetLevel, Signals, notify};
use heddle_speaker::{Role, Speaker, StartError, StartOptions};
use thiserror::Error;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::Args;

/// The exit code for a command line that is wrong, as that of the parser of command lines.
const WRONG_USAGE: u8 = 2;
/// How soon what could not be applied is tried again: an address to listen on may come to its interface later.
const RETRY: Duration = Duration::from_secs(5);

/// Runs until it is told to stop.
pub(crate) fn run(args: &Args, place: &DatastorePlace) -> ExitCode {
    let context = match args.followed.context() {
        Ok(context) => context,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    let set_level = daemon::init_log(&Log::default());
    daemon::open_many_files();
    let confined = daemon::confine(&args.followed.confinement(), &needs(args, place));
    let runtime = match daemon::runtime() {
        Ok(runtime) => runtime,
        Err(e) => {
            error!(error = %e, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let Some(signals) = Signals::listen() else { return ExitCode::FAILURE };
        let datastore = match datastore(args, place, &context).await {
            Ok(datastore) => datastore,
            Err(e) => {
                eprintln!("cannot start: {e}");
                return ExitCode::FAILURE;
            }
        };
        info!(name = %context.name, datastore = %place, "the route reflector runs");
        let mut reflector = Reflector::new(args, context, confined, &set_level);
        match reflector.serve(signals, &datastore).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                // Whatever the log level is: this has to be seen.
                eprintln!("cannot start: {e}");
                ExitCode::FAILURE
            }
        }
    })
}

/// Why the datastore cannot be followed.
#[derive(Debug, Error)]
enum DatastoreError {
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    #[error(transparent)]
    Etcd(#[from] EtcdError),
}

async fn datastore(
    args: &Args,
    place: &DatastorePlace,
    context: &ReflectorContext,
) -> Result<Datastore, DatastoreError> {
    Ok(match place {
        // It reads what a node of this name would: that of all nodes, and no blocks.
        DatastorePlace::Etcd => Datastore::start(args.followed.etcd.source(&context.name)?),
        DatastorePlace::Folder(folder) => Datastore::start(FileSource::of(folder)),
        DatastorePlace::Kubernetes => {
            let options = KubernetesOptions {
                secrets_namespace: Arc::clone(&context.secrets_namespace),
                reflector: context.addresses.clone(),
                ..KubernetesOptions::of(Arc::clone(&context.name))
            };
            Datastore::start(args.followed.kubernetes.connect(options).await?)
        }
    })
}

/// What the process goes on to need when it confines itself.
fn needs(args: &Args, place: &DatastorePlace) -> Needs {
    let (reads, programs) = place.needs(&args.followed.kubernetes, &args.followed.etcd);
    let writes = folder_of_socket(&socket(args)).into_iter().collect();
    Needs { routes: Routes::Untouched, programs, reads, writes }
}

fn socket(args: &Args) -> PathBuf {
    args.socket.clone().unwrap_or_else(|| heddle_config::Api::default().socket)
}

/// What runs.
struct Reflector<'a> {
    args: &'a Args,
    context: ReflectorContext,
    confined: Confined,
    set_level: &'a SetLevel,
    /// Warnings that were said.
    said: BTreeSet<String>,
    /// What is wanted and not in force, and when it is tried again.
    waits: Option<(Instant, Config)>,
    speaker: Option<Speaker>,
}

impl<'a> Reflector<'a> {
    fn new(args: &'a Args, context: ReflectorContext, confined: Confined, set_level: &'a SetLevel) -> Self {
        Self { args, context, confined, set_level, said: BTreeSet::new(), waits: None, speaker: None }
    }

    async fn serve(&mut self, mut signals: Signals, datastore: &Datastore) -> Result<(), StartError> {
        let mut watch = datastore.subscribe();
        let mut followed = true;
        loop {
            let retry = self.waits.as_ref().map(|(at, _)| *at);
            tokio::select! {
                signal = signals.next() => match signal {
                    Asked::Stop => break,
                    // The datastore is followed as it is; there is nothing else to read.
                    Asked::Reload => {}
                },
                event = watch.next(), if followed => match event {
                    Some(event) => self.snapshot(event.snapshot()).await?,
                    None => {
                        error!("the datastore has ended; what runs goes on");
                        followed = false;
                    }
                },
                () = tokio::time::sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {
                    if let Some((_, config)) = self.waits.take() {
                        self.bring(config).await?;
                    }
                }
            }
        }
        notify(Notice::Stopping);
        info!("stopping");
        if let Some(speaker) = self.speaker.take() {
            speaker.stop().await;
        }
        Ok(())
    }

    /// The datastore has changed.
    async fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StartError> {
        let Generated { config, warnings, .. } = generate_reflector(snapshot, &self.context);
        let now: BTreeSet<String> = warnings.iter().map(ToString::to_string).collect();
        for warning in now.difference(&self.said) {
            warn!("{warning}");
        }
        self.said = now;
        let Some(mut config) = config else { return Ok(()) };
        config.api.socket = socket(self.args);
        config.api.metrics = self.args.followed.metrics;
        config.confinement = self.args.followed.confinement();
        self.bring(config).await
    }

    /// Brings what runs to what is wanted.
    async fn bring(&mut self, config: Config) -> Result<(), StartError> {
        self.waits = None;
        (self.set_level)(&config.log.level);
        let Some(speaker) = &self.speaker else {
            let options = StartOptions {
                role: Role::RouteReflector,
                file: None,
                socket: None,
                forwarding: None,
                node: None,
                confined: self.confined.clone(),
            };
            self.speaker = Some(Speaker::start(config, options).await?);
            notify(Notice::Ready);
            info!("sessions begin");
            return Ok(());
        };
        if **speaker.applied().borrow() == config {
            return Ok(());
        }
        if let Err(e) = speaker.apply(config.clone()).await {
            warn!("what the datastore says was not applied, the running configuration goes on: {e}");
            self.waits = Some((Instant::now() + RETRY, config));
        }
        Ok(())
    }
}
