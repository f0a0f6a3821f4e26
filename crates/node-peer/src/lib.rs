//! The node peer: follows the datastore, speaks BGP for its node, and keeps the kernel's forwarding table in step.
//!
//! ```text
//! datastore ──► config-gen ──► speaker (sessions, RIB) ◄──► forwarding table's thread ◄──► kernel
//! ```
//!
//! One task follows the datastore: every change of it becomes a configuration, and the speaker changes over by the
//! difference. Nothing is done before the datastore is in sync; losing it changes nothing. When the process ends the
//! routes stay in the kernel, and where graceful restart was negotiated the peers keep the node's.

mod address;
mod args;
mod bird_ctl;
mod boot_mark;
mod confinement;
mod context;
mod drain;
mod fib_report;
mod forwarding;
mod held_services;
mod identity;
mod mapping;
mod node_status;
mod place;
mod run;
mod stand_in;
mod state;
mod sysctls;
mod texts;
mod waiting;

use std::process::ExitCode;

use heddle_config::Log;
use heddle_speaker::daemon;
use tracing::error;

pub use address::AddressArgs;
pub use args::{Args, DEFAULT_SOCKET, confinement_part};
pub use context::{ContextArgs, endpoints};
pub use place::{DatastorePlace, EtcdArgs, KubernetesArgs, PlaceError};
pub use stand_in::stand_in;

/// The exit code for a command line that is wrong, as that of the parser of command lines.
const WRONG_USAGE: u8 = 2;

/// Runs until it is told to stop. Exit code 0 after a stop, 1 when it could not start, 2 when options do not go together.
#[must_use]
pub fn run(args: &Args, context: &ContextArgs, addresses: &AddressArgs) -> ExitCode {
    if let Err(problem) = args.check() {
        eprintln!("error: {problem}");
        return ExitCode::from(WRONG_USAGE);
    }
    daemon::share_memory();
    let set_level = daemon::init_log(&Log::default());
    let status_dir = match run::status_dir(args) {
        Ok(status_dir) => status_dir,
        Err(e) => {
            eprintln!("cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    // Programs cannot be started afterwards.
    let stand_ins = args.bird_ctl.as_ref().map(|_| stand_in::StandIns::start());
    daemon::open_many_files();
    let confined = daemon::confine(&args.confinement(), &confinement::needs(args, context));
    let runtime = match daemon::runtime() {
        Ok(runtime) => runtime,
        Err(e) => {
            error!(error = %e, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let prepared = run::Prepared { status_dir, confined };
    let ended = runtime.block_on(run::serve(args, context, addresses, prepared, &set_level));
    drop(stand_ins);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // Whatever the log level is: this has to be seen.
            eprintln!("cannot start: {e}");
            ExitCode::FAILURE
        }
    }
}
