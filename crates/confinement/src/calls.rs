//! System calls (seccomp(2)): those that a router never makes are refused.
//!
//! A list of what is refused, not of what is allowed. What the C library, the runtime and the allocator call changes with their
//! versions and the kernel's; a list of what is allowed would one day end a router, or cut a session, that did nothing wrong.
//! A refused call fails with EPERM, as if a privilege were missing, and ends nothing.
//!
//! On the list is what leads from code that runs in our place to more than our place: programs, other processes, other
//! identities, namespaces, mounts, modules, and parts of the kernel that are large and that we do not use. The arguments are
//! looked at where a call does both: `socket` is left with the families that we use, `clone` without namespaces, `mmap`
//! and `mprotect` without memory that can be executed after it was written.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::{Programs, State};

/// What starts a program.
const PROGRAMS: &[c_long] = &[libc::SYS_execve, libc::SYS_execveat];

/// What no daemon of ours, and no program that it may start, has to call.
const REFUSED: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Namespaces and mounts.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Files around their folders; files that are devices.
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_mknodat,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    // Identities.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_personality,
    // The kernel itself, and parts of it with a history.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_remap_file_pages,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    // The machine's time and name.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

/// What only this architecture has.
#[cfg(target_arch = "x86_64")]
const OF_ARCHITECTURE: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_mknod,
    libc::SYS_uselib,
    libc::SYS_nfsservctl,
    libc::SYS__sysctl,
    libc::SYS_sysfs,
    libc::SYS_ustat,
    libc::SYS_lookup_dcookie,
];
#[cfg(not(target_arch = "x86_64"))]
const OF_ARCHITECTURE: &[c_long] = &[libc::SYS_nfsservctl, libc::SYS_lookup_dcookie];

/// The bit of the second set of numbers that x86-64 has for the same calls (x32), and the numbers that only this set has.
#[cfg(target_arch = "x86_64")]
const SECOND_SET: (i64, std::ops::Range<i64>) = (0x4000_0000, 512..548);

/// `CLONE_NEW…`: a process in a namespace of its own.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The families of sockets that are used: peers, the API, routes.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// What is done with each call: nothing but refuse it, or if one of the rules holds.
type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// Refuses what is not needed, to all threads.
pub(crate) fn restrict(programs: Programs) -> State {
    let applied = filters(programs)
        .map_err(Error::Backend)
        .and_then(|(filters, count)| filters.iter().try_for_each(apply).map(|()| count));
    match applied {
        Ok(count) => State::InForce(format!("{count} system calls refused, {}", of(programs))),
        Err(Error::Seccomp(error)) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => {
            State::Missing("the kernel has no seccomp filters: the process may make all system calls".to_owned())
        }
        Err(error) => State::Failed(error.to_string()),
    }
}

fn apply(filter: &BpfProgram) -> Result<(), Error> {
    seccompiler::apply_filter_all_threads(filter)
}

fn of(programs: Programs) -> &'static str {
    match programs {
        Programs::Started => "none of those that start programs",
        Programs::Unused => "also those that start programs",
    }
}

/// The filters, and how many calls they refuse altogether.
fn filters(programs: Programs) -> Result<(Vec<BpfProgram>, usize), BackendError> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return Err(BackendError::EmptyRule) };
    let mut calls = Calls::new();
    let alone: &[&[c_long]] = match programs {
        Programs::Started => &[REFUSED, OF_ARCHITECTURE],
        Programs::Unused => &[REFUSED, OF_ARCHITECTURE, PROGRAMS],
    };
    for call in alone.iter().copied().flatten() {
        calls.insert(*call, Vec::new());
    }
    let count = alone.iter().map(|list| list.len()).sum();
    calls.insert(libc::SYS_socket, sockets()?);
    calls.insert(libc::SYS_clone, namespaces()?);
    if programs == Programs::Unused {
        // Interpreters of other languages make code as they go.
        calls.insert(libc::SYS_mmap, writable_code()?);
        let code = || rule(vec![has(2, libc::PROT_EXEC)?]);
        calls.insert(libc::SYS_mprotect, vec![code()?]);
        calls.insert(libc::SYS_pkey_mprotect, vec![code()?]);
    }
    add_second_set(&mut calls);
    // Its arguments are in memory, where a filter does not see them; who hears that there is no such call takes `clone`.
    let unseen = Calls::from([(libc::SYS_clone3, Vec::new())]);
    let make = |calls, error: libc::c_int| -> Result<BpfProgram, BackendError> {
        let refuse = SeccompAction::Errno(error.unsigned_abs());
        SeccompFilter::new(calls, SeccompAction::Allow, refuse, arch)?.try_into()
    };
    Ok((vec![make(calls, libc::EPERM)?, make(unseen, libc::ENOSYS)?], count))
}

/// The same calls by their other numbers.
#[cfg(target_arch = "x86_64")]
fn add_second_set(calls: &mut Calls) {
    let (bit, own) = SECOND_SET;
    let same: Vec<_> = calls.iter().map(|(call, rules)| (call | bit, rules.clone())).collect();
    calls.extend(same);
    calls.extend(own.map(|call| (call | bit, Vec::new())));
}

#[cfg(not(target_arch = "x86_64"))]
fn add_second_set(_calls: &mut Calls) {}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

fn is(argument: u8, operator: SeccompCmpOp, value: libc::c_int) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value.unsigned_abs().into())
}

/// Whether an argument has this bit.
fn has(argument: u8, bit: libc::c_int) -> Result<SeccompCondition, BackendError> {
    is(argument, SeccompCmpOp::MaskedEq(bit.unsigned_abs().into()), bit)
}

/// Sockets of other families; netlink but for routes and links.
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let others = FAMILIES.iter().map(|family| is(0, SeccompCmpOp::Ne, *family)).collect::<Result<_, _>>()?;
    let netlink = vec![is(0, SeccompCmpOp::Eq, libc::AF_NETLINK)?, is(2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE)?];
    Ok(vec![rule(others)?, rule(netlink)?])
}

fn namespaces() -> Result<Vec<SeccompRule>, BackendError> {
    NAMESPACES.iter().map(|flag| rule(vec![has(0, *flag)?])).collect()
}

/// Memory that is mapped to be written and executed.
fn writable_code() -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![rule(vec![has(2, libc::PROT_WRITE)?, has(2, libc::PROT_EXEC)?])?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiled here, and put in force by the tests of the program: there is no way back from it.
    #[test]
    fn the_filters_compile_and_know_programs() {
        let length = |programs| filters(programs).map(|(filters, count)| (filters.len(), count)).expect("they compile");
        let (with, without) = (length(Programs::Started), length(Programs::Unused));
        assert_eq!((with.0, without.0), (2, 2));
        assert_eq!(without.1, with.1 + PROGRAMS.len());
    }
}
