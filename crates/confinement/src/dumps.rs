//! Core dumps: the memory has the keys of all peers in it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::State;

/// No core dumps, and no looks into the memory but root's with `CAP_SYS_PTRACE` (prctl(2), `PR_SET_DUMPABLE`): a debugger, a
/// file of `/proc/PID` that shows memory or environment, is refused to other processes of the same user.
///
/// The limit alone is not enough: the kernel ignores it when cores go to a program (core(5)).
pub(crate) fn refuse() -> State {
    let limit = Rlimit { current: Some(0), maximum: Some(0) };
    let done = set_dumpable_behavior(DumpableBehavior::NotDumpable).and_then(|()| setrlimit(Resource::Core, limit));
    match done {
        Ok(()) => State::InForce("no core dumps, no debuggers but root's".to_owned()),
        Err(error) => State::Failed(error.to_string()),
    }
}
