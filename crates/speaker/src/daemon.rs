//! What every daemon around a speaker does: log, confinement, runtime, signals, the service manager.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use heddle_admin::types::ConfinementState;
use heddle_config::{Confinement, Log, LogFormat};
use heddle_confinement::{Needs, State};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::log_lines::{Form, Lines};

/// Sets the log level of the running process.
pub type SetLevel = Box<dyn Fn(&str) + Send + Sync>;

/// Begins to log to the standard error; the level can be changed later, unless `RUST_LOG` gives it.
pub fn init_log(log: &Log) -> SetLevel {
    let from_environment = std::env::var("RUST_LOG").ok();
    let filter =
        parse_level(from_environment.as_deref().unwrap_or(&log.level)).unwrap_or_else(|| EnvFilter::new("info"));
    // A log that nobody reads any more loses its lines: to say so would be written to the same place, and fail.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).log_internal_errors(false);
    // A second initialisation, in one process, keeps the first.
    let set: SetLevel = match log.format {
        LogFormat::Text => {
            // The formatter's own colours stand between the texts of others, where they cannot be told from those of others.
            let form = if wants_colours() { Form::Coloured } else { Form::Plain };
            let builder = builder.with_ansi(false).with_writer(move || Lines::new(std::io::stderr(), form));
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Box::new(move |level| {
                let _ = parse_level(level).map(|f| handle.reload(f));
            })
        }
        LogFormat::Json => {
            let builder = builder.json().with_writer(|| Lines::new(std::io::stderr(), Form::Json));
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Box::new(move |level| {
                let _ = parse_level(level).map(|f| handle.reload(f));
            })
        }
    };
    log_panics();
    if from_environment.is_some() { Box::new(|_| {}) } else { set }
}

/// On a terminal, unless `NO_COLOR` is set (no-color.org).
fn wants_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !refused
}

/// Logs a panic in one line, with where it was and whose work it was: its message may have text of a peer in it. The log has
/// to be there.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map_or_else(String::new, ToString::to_string);
        let thread = std::thread::current();
        error!(at, thread = thread.name(), message = crate::peer::failure::message(panic.payload()), "panic");
        let backtrace = std::backtrace::Backtrace::capture();
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            let _ = writeln!(std::io::stderr(), "{backtrace}");
        }
    }));
}

fn parse_level(level: &str) -> Option<EnvFilter> {
    let parsed = EnvFilter::try_new(level);
    if let Err(e) = &parsed {
        let _ = writeln!(std::io::stderr(), "log.level {level:?} is not applied: {e}");
    }
    parsed.ok()
}

/// Memory of a daemon whose threads hardly ever work at the same time: one arena serves all of them. To be called before any
/// other of this module.
pub fn share_memory() {
    // Without it the daemon is larger by a few megabytes, and works as well.
    let _ = heddle_socket_options::memory::one_arena();
}

/// Open files that are enough for a node of a large cluster: a session has one.
const MANY_FILES: u64 = 4096;

/// As many open files as the process may have: many a container begins with 1,024, and a mesh of a thousand nodes, in both families, has twice as
/// many sessions. Where there are none left nothing can be read or written either. To be called before [`confine`].
pub fn open_many_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        Ok(hard)
    });
    match raised {
        Ok(most) if most < MANY_FILES => warn!(
            "at most {most} open files, of which each session needs one: raise the limit (LimitNOFILE, ulimit -n)"
        ),
        Ok(_) => {}
        Err(error) => warn!(%error, "the limit of open files stays as it was"),
    }
}

/// What the process took away from itself.
#[derive(Clone, Debug, Default)]
pub struct Confined(Arc<[ConfinementState]>);

impl Confined {
    /// For the API.
    #[must_use]
    pub fn report(&self) -> Vec<ConfinementState> {
        self.0.to_vec()
    }
}

/// Takes from the process what it does not need, and says in the log what that was, and what is left to it. To be called before
/// [`runtime`], while there is one thread.
#[must_use]
pub fn confine(wanted: &Confinement, needs: &Needs) -> Confined {
    let parts = heddle_confinement::confine(wanted, needs);
    let in_force: Vec<&str> =
        parts.iter().filter(|(_, s)| matches!(s, State::InForce(_))).map(|(_, s)| s.detail()).collect();
    if !in_force.is_empty() {
        info!("confined: {}", in_force.join("; "));
    }
    for (part, state) in &parts {
        match state {
            State::InForce(_) => {}
            State::Off => warn!("not confined: {part} is turned off"),
            State::Missing(why) => warn!("not confined: {part}: {why}"),
            State::Failed(why) => warn!("not confined: {part} was refused: {why}"),
        }
    }
    let told = parts.into_iter().map(|(part, state)| ConfinementState {
        part: part.to_string(),
        state: state.as_str().to_owned(),
        detail: state.detail().to_owned(),
    });
    Confined(told.collect())
}

/// A runtime. The RIB has a thread of its own; the rest of the machine is for sessions.
///
/// # Errors
/// The system refuses threads or file descriptors.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).max(1));
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()
}

/// The signals that a daemon listens to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT: end.
    Stop,
    /// SIGHUP: read the configuration anew.
    Reload,
}

impl Signals {
    /// Begins to listen; none when the system refuses, which is logged.
    #[must_use]
    pub fn listen() -> Option<Self> {
        let stream = |kind| signal(kind).map_err(|e| error!(error = %e, "cannot handle signals")).ok();
        Some(Self {
            terminate: stream(SignalKind::terminate())?,
            interrupt: stream(SignalKind::interrupt())?,
            hangup: stream(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// What the service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The daemon runs.
    Ready,
    /// It reads its configuration anew.
    Reloading,
    /// It ends.
    Stopping,
}

/// Tells systemd, where it runs.
pub fn notify(notice: Notice) {
    use sd_notify::NotifyState;
    // Without systemd there is nobody to tell.
    let _ = match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Notice::Reloading => sd_notify::notify(&[NotifyState::Reloading, now()]),
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
}

/// systemd wants to know when a reload began (Type=notify-reload).
fn now() -> sd_notify::NotifyState<'static> {
    sd_notify::NotifyState::monotonic_usec_now().unwrap_or(sd_notify::NotifyState::Status("reloading"))
}
