//! The lab starts each process through a small launcher, which is this program.
//!
//! What the lab takes for the `heddle` program is a link to this one. As the launcher it starts the program that is measured
//! in its own place, so that the bench can be run against any build of it.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The link to the program that is measured, beside the one to this program.
const MEASURED: &str = "measured";

/// Becomes the program to start when this process is the lab's launcher: returns only when it is not, or on failure.
pub(crate) fn launched() -> Option<io::Error> {
    let mut arguments = std::env::args_os();
    let own = arguments.next()?;
    if arguments.next()? != "lab" || arguments.next()? != "launch" || arguments.next()? != "--parent" {
        return None;
    }
    let parent = arguments.next()?.to_str()?.parse().ok()?;
    let mut program: Vec<OsString> = arguments.skip(1).collect();
    if let Some(first) = program.first_mut().filter(|first| **first == own) {
        *first = Path::new(&own).with_file_name(MEASURED).into();
    }
    Some(heddle_lab::process::launch(parent, &program))
}

/// Makes the links in a directory; returns what the lab is given as the program.
pub(crate) fn prepare(directory: &Path, measured: &Path) -> io::Result<PathBuf> {
    let launcher = directory.join("launcher");
    symlink(std::env::current_exe()?, &launcher)?;
    symlink(measured, directory.join(MEASURED))?;
    Ok(launcher)
}
