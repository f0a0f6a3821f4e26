//! Where the programs are, and where their data is while they run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

use crate::require::strict;

const PREFIX: &str = "heddle-kubernetes-";

/// A program of a control plane: in `HEDDLE_KUBERNETES_BIN`, or where `scripts/kubernetes` put it. It is built now, with what that prints
/// on standard error, if nothing may be skipped (`CI=true`) or `HEDDLE_KUBERNETES_BUILD` is set.
///
/// # Errors
/// Why there is none.
pub fn program(name: &str) -> Result<PathBuf, String> {
    static FOUND: Mutex<BTreeMap<String, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    found.entry(name.to_owned()).or_insert_with(|| find(name)).clone()
}

fn find(name: &str) -> Result<PathBuf, String> {
    if let Some(directory) = std::env::var_os("HEDDLE_KUBERNETES_BIN") {
        let program = PathBuf::from(directory).join(name);
        return if program.exists() { Ok(program) } else { Err(format!("{} is not there", program.display())) };
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kubernetes");
    let mut command = Command::new(&script);
    if strict() || std::env::var_os("HEDDLE_KUBERNETES_BUILD").is_some() {
        command.stderr(Stdio::inherit());
    } else {
        command.arg("--find");
    }
    let output = command.arg(name).output().map_err(|error| format!("{}: {error}", script.display()))?;
    if output.status.success() {
        return Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).join(name));
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
