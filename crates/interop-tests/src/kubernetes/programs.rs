//! Where the programs are, and where their data is while they run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::require::strict;

const PREFIX: &str = "heddle-kubernetes-";

/// The directory of `kube-apiserver` and `etcd`: `HEDDLE_KUBERNETES_BIN`, or where `scripts/kubernetes` put them. They are built now, with
/// what that prints on standard error, if nothing may be skipped (`CI=true`) or `HEDDLE_KUBERNETES_BUILD` is set.
///
/// # Errors
/// Why there are none.
pub fn programs() -> Result<PathBuf, String> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAMS.get_or_init(find).clone()
}

fn find() -> Result<PathBuf, String> {
    if let Some(directory) = std::env::var_os("HEDDLE_KUBERNETES_BIN") {
        return Ok(PathBuf::from(directory));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kubernetes");
    let build = strict() || std::env::var_os("HEDDLE_KUBERNETES_BUILD").is_some();
    let mut command = Command::new(&script);
    if build {
        command.stderr(Stdio::inherit());
    } else {
        command.arg("--find");
    }
    let output = command.output().map_err(|error| format!("{}: {error}", script.display()))?;
    if output.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(if said.is_empty() { format!("{}: {}", script.display(), output.status) } else { said })
}

/// A directory for one cluster. Those of test programs that were killed are removed.
pub(super) fn directory() -> TempDir {
    static SWEEP: OnceLock<()> = OnceLock::new();
    SWEEP.get_or_init(remove_leftovers);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary directory")
}

fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((pid, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')) else { continue };
        if pid.parse::<u32>().is_ok() && !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A number that differs for different texts (FNV-1a), for names of files.
pub(super) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}
