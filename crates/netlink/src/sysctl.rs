//! Settings under `/proc/sys`, of the network namespace of the calling thread.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A setting cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct SysctlError {
    /// `read` or `write`.
    action: &'static str,
    /// The file.
    path: PathBuf,
    /// Why.
    source: io::Error,
}

impl SysctlError {
    /// Whether the kernel has no such setting, or the link that it is about is gone.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A setting, by its parts: `["net", "ipv4", "conf", "eth0.100", "rp_filter"]`. Parts are not split at dots, because names of
/// links may have some.
///
/// A part with a slash in it, or `..`, leads nowhere else: it is read as a name that no setting has.
fn path(parts: &[&str]) -> PathBuf {
    let mut path = PathBuf::from("/proc/sys");
    for part in parts {
        let plain = !part.is_empty() && *part != "." && *part != ".." && !part.contains('/');
        path.push(if plain { *part } else { "no-such-name" });
    }
    path
}

/// Reads a setting, without the line's end.
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub fn read(parts: &[&str]) -> Result<String, SysctlError> {
    let path = path(parts);
    match fs::read_to_string(&path) {
        Ok(value) => Ok(value.trim_end().to_owned()),
        Err(source) => Err(SysctlError { action: "read", path, source }),
    }
}

/// Writes a setting.
///
/// # Errors
///
/// When there is none, the kernel does not take the value, or privileges are missing.
pub fn write(parts: &[&str], value: &str) -> Result<(), SysctlError> {
    let path = path(parts);
    fs::write(&path, value).map_err(|source| SysctlError { action: "write", path, source })
}
