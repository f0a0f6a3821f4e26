//! The route reflector: a configuration file in, a running speaker out.
//!
//! SIGHUP reads the file anew and applies the difference; a file that is not valid leaves the running configuration as
//! it is. SIGTERM and SIGINT end it: where graceful restart was negotiated, so that peers keep its routes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use heddle_config::{Config, LogFormat};
use heddle_speaker::{Role, Speaker, StartOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

/// What the command line says.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Run a BGP route reflector")]
pub struct Args {
    /// Configuration file (TOML); `heddle config example` prints one
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Path of the API socket; overrides `api.socket` of the file
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Runs until it is told to stop. Exit code 0 after a stop, 1 when it could not start.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let config = match read(args) {
        Ok(config) => config,
        Err(text) => {
            eprint!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let set_level = init_log(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            error!(error = %e, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(args, config, &set_level))
}

/// The RIB has a thread of its own; the rest of the machine is for sessions.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).max(1))
}

fn read(args: &Args) -> Result<Config, String> {
    let file = args.config.display().to_string();
    let text = fs::read_to_string(&args.config)
        .map_err(|e| format!("cannot read the configuration {file}: {e}; name a file with --config\n"))?;
    let mut config = heddle_speaker::read_config(&text, &file).map_err(|errors| format!("{errors}\n"))?;
    if let Some(socket) = &args.socket {
        config.api.socket.clone_from(socket);
    }
    Ok(config)
}

/// Sets the log level of the running process.
type SetLevel = Box<dyn Fn(&str)>;

/// Begins to log; the level can be changed later, unless `RUST_LOG` gives it.
fn init_log(config: &Config) -> SetLevel {
    let from_environment = std::env::var("RUST_LOG").ok();
    let filter =
        parse_level(from_environment.as_deref().unwrap_or(&config.log.level)).unwrap_or_else(|| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    // A second initialisation, in one process, keeps the first.
    let set: SetLevel = match config.log.format {
        LogFormat::Text => {
            let builder =
                builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Box::new(move |level| {
                let _ = parse_level(level).map(|f| handle.reload(f));
            })
        }
        LogFormat::Json => {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Box::new(move |level| {
                let _ = parse_level(level).map(|f| handle.reload(f));
            })
        }
    };
    if from_environment.is_some() { Box::new(|_| {}) } else { set }
}

fn parse_level(level: &str) -> Option<EnvFilter> {
    EnvFilter::try_new(level).inspect_err(|e| eprintln!("log.level {level:?} is not applied: {e}")).ok()
}

async fn serve(args: &Args, config: Config, set_level: &SetLevel) -> ExitCode {
    let signals = (stream(SignalKind::terminate()), stream(SignalKind::interrupt()), stream(SignalKind::hangup()));
    let (Some(mut term), Some(mut int), Some(mut hup)) = signals else { return ExitCode::FAILURE };
    let options = StartOptions {
        role: Role::RouteReflector,
        file: Some(args.config.clone()),
        socket: args.socket.clone(),
        forwarding: None,
    };
    let speaker = match Speaker::start(config, options).await {
        Ok(speaker) => speaker,
        Err(e) => {
            // Whatever the log level is: this has to be seen.
            eprintln!("cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let mut applied = speaker.applied();
    notify(&[sd_notify::NotifyState::Ready]);
    info!(config = %args.config.display(), "the route reflector runs");
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => reload(args, &speaker, &args.config).await,
            Ok(()) = applied.changed() => set_level(&applied.borrow_and_update().log.level),
        }
    }
    notify(&[sd_notify::NotifyState::Stopping]);
    info!("stopping");
    speaker.stop().await;
    ExitCode::SUCCESS
}

async fn reload(args: &Args, speaker: &Speaker, file: &Path) {
    notify(&[sd_notify::NotifyState::Reloading, now()]);
    match read(args) {
        Err(text) => {
            warn!(config = %file.display(), "the configuration was not applied, the running one goes on:\n{text}")
        }
        Ok(config) => {
            if let Err(e) = speaker.apply(config).await {
                warn!(config = %file.display(), "the configuration was not applied, the running one goes on: {e}");
            }
        }
    }
    notify(&[sd_notify::NotifyState::Ready]);
}

/// systemd wants to know when a reload began (Type=notify-reload).
fn now() -> sd_notify::NotifyState<'static> {
    sd_notify::NotifyState::monotonic_usec_now().unwrap_or(sd_notify::NotifyState::Status("reloading"))
}

fn stream(kind: SignalKind) -> Option<Signal> {
    signal(kind).map_err(|e| error!(error = %e, "cannot handle signals")).ok()
}

fn notify(state: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(state);
}
