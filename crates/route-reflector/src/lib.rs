//! The route reflector: a configuration file in, a running speaker out.
//!
//! SIGHUP reads the file anew and applies the difference; a file that is not valid leaves the running configuration as
//! it is. SIGTERM and SIGINT end it: where graceful restart was negotiated, so that peers keep its routes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use heddle_config::Config;
use heddle_confinement::{Needs, Programs, Routes, folder_of_socket, folders};
use heddle_speaker::daemon::{self, Asked, Confined, Notice, SetLevel, Signals, notify};
use heddle_speaker::{Role, Speaker, StartOptions};
use tracing::{error, info, warn};

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
    let set_level = daemon::init_log(&config.log);
    let confined = daemon::confine(&config.confinement, &needs(args, &config));
    match daemon::runtime() {
        Ok(runtime) => runtime.block_on(serve(args, config, confined, &set_level)),
        Err(e) => {
            error!(error = %e, "cannot start the runtime");
            ExitCode::FAILURE
        }
    }
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

/// What it goes on to need: its file and the keys that this names, in the folders where they are, for a later one takes
/// their place; and the folder of its socket.
fn needs(args: &Args, config: &Config) -> Needs {
    let groups = config.peer_groups.iter().map(|g| &g.settings);
    let ranges = config.listen_ranges.iter().map(|r| &*r.settings);
    let all = config.peers.iter().map(|p| &*p.settings).chain(groups).chain(ranges);
    let keys = all.flat_map(|settings| {
        let ao = settings.tcp_ao.iter().map(|key| key.file.as_path());
        settings.password_file.as_deref().into_iter().chain(ao)
    });
    let reads = [args.config.as_path()].into_iter().chain(keys).flat_map(folders).collect();
    let writes = folder_of_socket(&config.api.socket).into_iter().collect();
    Needs { routes: Routes::Untouched, programs: Programs::Unused, reads, writes }
}

async fn serve(args: &Args, config: Config, confined: Confined, set_level: &SetLevel) -> ExitCode {
    let Some(mut signals) = Signals::listen() else { return ExitCode::FAILURE };
    warn_of_forwarding(&config);
    let options = StartOptions {
        role: Role::RouteReflector,
        file: Some(args.config.clone()),
        socket: args.socket.clone(),
        forwarding: None,
        node: None,
        confined,
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
    notify(Notice::Ready);
    info!(config = %args.config.display(), "the route reflector runs");
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => break,
                Asked::Reload => reload(args, &speaker, &args.config).await,
            },
            Ok(()) = applied.changed() => set_level(&applied.borrow_and_update().log.level),
        }
    }
    notify(Notice::Stopping);
    info!("stopping");
    speaker.stop().await;
    ExitCode::SUCCESS
}

/// What a file says about the kernel's forwarding table is for a speaker that forwards.
fn warn_of_forwarding(config: &Config) {
    if config.fib.is_some() {
        warn!("a route reflector forwards nothing: [fib] has no effect here; a node peer is what forwards");
    }
}

async fn reload(args: &Args, speaker: &Speaker, file: &Path) {
    notify(Notice::Reloading);
    match read(args) {
        Err(text) => {
            warn!(config = %file.display(), "the configuration was not applied, the running one goes on");
            text.lines().for_each(|line| warn!("{line}"));
        }
        Ok(config) => {
            warn_of_forwarding(&config);
            if let Err(e) = speaker.apply(config).await {
                warn!(config = %file.display(), "the configuration was not applied, the running one goes on: {e}");
            }
        }
    }
    notify(Notice::Ready);
}
