//! A groups file with root in `frrvty`.
//!
//! FRR's daemons look that group up, and refuse to run as a user that is not in it. As the user `frr` they could not write into
//! the lab's directory, and in a user namespace there is no such user. So a mount namespace covers `/etc/group` with a copy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// The file.
const GROUPS: &str = "/etc/group";
/// FRR's group.
const VTY: &str = "frrvty:";

/// Writes the copy into `directory`; `None` where FRR asks for nothing, because the group is not there.
pub(crate) fn write(directory: &Path) -> io::Result<Option<PathBuf>> {
    let groups = fs::read_to_string(GROUPS)?;
    if !groups.lines().any(|line| line.starts_with(VTY)) {
        return Ok(None);
    }
    let copy = directory.join("group");
    fs::write(&copy, with_root(&groups))?;
    Ok(Some(copy))
}

/// Covers the groups file with a copy, for the calling thread and whatever it starts.
pub(crate) fn cover(copy: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    // What is mounted here must not be seen elsewhere.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some(copy), GROUPS, none, MsFlags::MS_BIND, none)?;
    Ok(())
}

fn with_root(groups: &str) -> String {
    let line = |line: &str| match line.strip_prefix(VTY) {
        Some(rest) if rest.ends_with(':') => format!("{line}root\n"),
        Some(rest) if !rest.split([':', ',']).any(|member| member == "root") => format!("{line},root\n"),
        Some(_) | None => format!("{line}\n"),
    };
    groups.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::with_root;

    #[test]
    fn root_comes_into_the_group_once() {
        assert_eq!(with_root("a:x:1:\nfrrvty:x:108:frr\n"), "a:x:1:\nfrrvty:x:108:frr,root\n");
        assert_eq!(with_root("frrvty:x:108:\n"), "frrvty:x:108:root\n");
        assert_eq!(with_root("frrvty:x:108:frr,root\n"), "frrvty:x:108:frr,root\n");
    }
}
