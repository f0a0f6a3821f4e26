//! Namespaces without root: a user namespace of our own, in which we are it.
//!
//! The user namespace also has a mount namespace, with an empty `/run` of its own: daemons write there. The directory of the
//! lab shines through.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};
use thiserror::Error;

/// Neither root nor a user namespace.
#[derive(Debug, Error)]
#[error(
    "cannot {what}: {source}\nRun this as root, or allow user namespaces: \
     `sysctl user.max_user_namespaces` must not be 0, and where there are they, \
     `kernel.unprivileged_userns_clone` 1 and `kernel.apparmor_restrict_unprivileged_userns` 0"
)]
pub(crate) struct RootlessError {
    what: &'static str,
    source: io::Error,
}

fn failed<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> RootlessError {
    move |error| RootlessError { what, source: error.into() }
}

/// Whether network namespaces can be made as things are.
pub(crate) fn is_privileged() -> bool {
    geteuid().is_root() && heddle_netlink::namespace::create().is_ok()
}

/// Enters namespaces in which everything is allowed. No other thread may run yet.
pub(crate) fn enter(directory: &Path) -> Result<(), RootlessError> {
    let (user, group) = (geteuid(), getegid());
    let visible = File::open(directory).map_err(failed("open the lab's directory"))?;
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    unshare(flags).map_err(failed("make a user namespace"))?;
    let write = |file: &str, text: String| fs::write(file, text);
    write("/proc/self/setgroups", "deny".to_owned()).map_err(failed("map groups"))?;
    write("/proc/self/uid_map", format!("0 {user} 1")).map_err(failed("map users"))?;
    write("/proc/self/gid_map", format!("0 {group} 1")).map_err(failed("map groups"))?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(failed("make mounts private"))?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).map_err(failed("mount /run"))?;
    show_through(&visible, directory)
}

/// Where the directory of the lab is below `/run`, it is seen there again.
fn show_through(visible: &File, directory: &Path) -> Result<(), RootlessError> {
    if !directory.starts_with("/run") {
        return Ok(());
    }
    let none: Option<&str> = None;
    fs::create_dir_all(directory).map_err(failed("make the lab's directory"))?;
    let source = format!("/proc/self/fd/{}", visible.as_raw_fd());
    mount(Some(source.as_str()), directory, none, MsFlags::MS_BIND, none).map_err(failed("mount the lab's directory"))
}

/// Enters the namespaces of a lab: that of a host, and those of its user if the lab has one of its own.
pub(crate) fn join(supervisor: u32, network: &Path) -> Result<(), RootlessError> {
    let network = File::open(network).map_err(failed("open the host's namespace"))?;
    let identity = |path: String| fs::read_link(path).ok();
    if identity("/proc/self/ns/user".to_owned()) != identity(format!("/proc/{supervisor}/ns/user")) {
        let open = |kind: &str| File::open(format!("/proc/{supervisor}/ns/{kind}"));
        let user = open("user").map_err(failed("open the lab's user namespace"))?;
        let mounts = open("mnt").map_err(failed("open the lab's mount namespace"))?;
        setns(user, CloneFlags::CLONE_NEWUSER).map_err(failed("enter the lab's user namespace"))?;
        setns(mounts, CloneFlags::CLONE_NEWNS).map_err(failed("enter the lab's mount namespace"))?;
    }
    setns(network, CloneFlags::CLONE_NEWNET).map_err(failed("enter the host's namespace"))
}
