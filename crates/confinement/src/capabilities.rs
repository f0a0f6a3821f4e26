//! Capabilities (capabilities(7)): those that the daemon uses stay, and there is no way to others.
//!
//! | capability | for what |
//! |---|---|
//! | `CAP_NET_BIND_SERVICE` | ports below 1024: an address to listen on may come with a later configuration |
//! | `CAP_NET_ADMIN` | a node's routes and sysctls of `net` |
//!
//! TCP MD5 keys, GTSM and addresses that the machine does not have yet need none. Root without the others is a user like others
//! where files are concerned: it reads what is its own, or everybody's.

use rustix::io::{Errno, Result};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use crate::{Routes, State};

/// Drops all others from the sets of the process, and forbids new ones.
pub(crate) fn drop_others(routes: Routes) -> State {
    match dropped(needed(routes)) {
        Ok(kept) => State::InForce(names(kept)),
        Err(error) => State::Failed(error.to_string()),
    }
}

fn needed(routes: Routes) -> CapabilitySet {
    match routes {
        Routes::Written => CapabilitySet::NET_BIND_SERVICE | CapabilitySet::NET_ADMIN,
        Routes::Untouched => CapabilitySet::NET_BIND_SERVICE,
    }
}

fn dropped(needed: CapabilitySet) -> Result<CapabilitySet> {
    // A program that is started gets no more than this, whatever its set-user-ID bit says.
    set_no_new_privs(true)?;
    shrink_bounding_set(needed)?;
    match clear_ambient_capability_set() {
        // Linux before 4.3 has no such set.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error),
    }
    let now = capabilities(None)?;
    // What nobody gave cannot be had: a daemon whose ports and routes need nothing may run without.
    let kept = now.permitted & needed;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(kept)
}

/// Takes the others out of the set that limits what programs can get. Without `CAP_SETPCAP` it stays: programs get nothing
/// all the same, for new privileges are forbidden.
fn shrink_bounding_set(needed: CapabilitySet) -> Result<()> {
    if !capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    // All 64 bits: a later kernel may have capabilities that have no name here. Beyond its last one it says EINVAL.
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !needed.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The names of those that are kept.
fn names(kept: CapabilitySet) -> String {
    let known =
        [(CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"), (CapabilitySet::NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE")];
    let names: Vec<&str> = known.iter().filter(|(one, _)| kept.contains(*one)).map(|(_, name)| *name).collect();
    if names.is_empty() { "none kept".to_owned() } else { format!("{} kept", names.join(" and ")) }
}
