//! The route reflector: a configuration file in, a running speaker out; or a datastore in, from which it takes its peers.
//!
//! With a file, SIGHUP reads it anew and applies the difference; a file that is not valid leaves the running configuration as
//! it is. With a datastore every change of it is applied (`followed`). SIGTERM and SIGINT end it: where graceful restart was
//! negotiated, so that peers keep its routes.

mod args;
mod followed;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use heddle_config::Config;
use heddle_confinement::{Needs, Programs, Routes, folder_of_socket, folders};
use heddle_speaker::daemon::{self, Asked, Confined, Notice, SetLevel, Signals, notify};
use heddle_speaker::{Role, Speaker, StartOptions};
use tracing::{error, info, warn};

pub use args::{Args, Followed};

/// Runs until it is told to stop. Exit code 0 after a stop, 1 when it could not start.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match (&args.config, &args.followed.datastore) {
        (Some(file), _) => run_file(args, file),
        (None, Some(place)) => followed::run(args, place),
        // The parser of the command line asks for one of them.
        (None, None) => ExitCode::FAILURE,
    }
}

fn run_file(args: &Args, file: &Path) -> ExitCode {
    let config = match read(args, file) {
        Ok(config) => config,
        Err(text) => {
            eprint!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let set_level = daemon::init_log(&config.log);
    daemon::open_many_files();
    let confined = daemon::confine(&config.confinement, &needs(file, &config));
    match daemon::runtime() {
        Ok(runtime) => runtime.block_on(serve(args, file, config, confined, &set_level)),
        Err(e) => {
            error!(error = %e, "cannot start the runtime");
            ExitCode::FAILURE
        }
    }
}

fn read(args: &Args, path: &Path) -> Result<Config, String> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|e| format!("cannot read the configuration {file}: {e}; name a file with --config\n"))?;
    let mut config = heddle_speaker::read_config(&text, &file).map_err(|errors| format!("{errors}\n"))?;
    if let Some(socket) = &args.socket {
        config.api.socket.clone_from(socket);
    }
    Ok(config)
}

/// What it goes on to need: its file and the keys that this names, in the folders where they are, for a later one takes
/// their place; and the folder of its socket.
fn needs(file: &Path, config: &Config) -> Needs {
    let groups = config.peer_groups.iter().map(|g| &g.settings);
    let ranges = config.listen_ranges.iter().map(|r| &*r.settings);
    let all = config.peers.iter().map(|p| &*p.settings).chain(groups).chain(ranges);
    let keys = all.flat_map(|settings| {
        let ao = settings.tcp_ao.iter().map(|key| key.file.as_path());
        settings.password_file.as_deref().into_iter().chain(ao)
    });
    let reads = [file].into_iter().chain(keys).flat_map(folders).collect();
    let writes = folder_of_socket(&config.api.socket).into_iter().collect();
    Needs { routes: Routes::Untouched, programs: Programs::Unused, reads, writes }
}

async fn serve(args: &Args, file: &Path, config: Config, confined: Confined, set_level: &SetLevel) -> ExitCode {
    let Some(mut signals) = Signals::listen() else { return ExitCode::FAILURE };
    warn_of_forwarding(&config);
    let options = StartOptions {
        role: Role::RouteReflector,
        file: Some(file.to_owned()),
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
    info!(config = %file.display(), "the route reflector runs");
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => break,
                Asked::Reload => reload(args, &speaker, file).await,
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
    match read(args, file) {
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
