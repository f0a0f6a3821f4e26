//! Room in the kernel's tables of neighbours.
//!
//! All namespaces of a machine share one table a family (`arp_cache`, `ndisc_cache`), and the default of 1,024 entries
//! (`net.ipv4.neigh.default.gc_thresh3`) is full with a few fabrics: then packets are lost that no router has lost, and
//! handshakes wait for retransmissions. Tests and measurements make room first, together: several that run at once share it,
//! the last to end puts back what was there before the first, and what a killed one left raised is put back by the next.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

const ROOM: [(&str, u32); 3] = [("gc_thresh1", 8192), ("gc_thresh2", 16_384), ("gc_thresh3", 32_768)];

/// What the limits were before, a line for each: `path value`. Locked shared by all who need the room.
const RECORD: &str = "/run/heddle-neighbours";

/// How often a record is looked at that others are just done with.
const TRIES: usize = 100;

/// Room in the tables of neighbours, until it drops.
#[derive(Debug)]
pub struct Room(Option<File>);

impl Room {
    /// Makes room where there is less, and where that is allowed.
    #[must_use]
    pub fn make() -> Self {
        let limits = ["ipv4", "ipv6"].map(|family| format!("/proc/sys/net/{family}/neigh/default"));
        Self::of(limits.each_ref().map(Path::new).as_slice(), Path::new(RECORD))
    }

    /// The same for folders of limits and a record.
    fn of(folders: &[&Path], record: &Path) -> Self {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let Ok(mut file) = options.open(record) else { return Self(None) };
        for _ in 0..TRIES {
            if file.try_lock().is_ok() && raise(folders, &mut file).is_err() {
                return Self(None);
            }
            let shared = file.lock_shared().is_ok();
            if shared && file.metadata().is_ok_and(|about| about.len() > 0) {
                return Self(Some(file));
            }
        }
        Self(None)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let Some(mut file) = self.0.take() else { return };
        // Others who need the room hold the lock, too.
        if file.try_lock().is_err() {
            return;
        }
        let mut text = String::new();
        if file.rewind().and_then(|()| file.read_to_string(&mut text)).is_ok() {
            // The lowest first: a higher limit is never below a lower one.
            for (path, value) in text.lines().rev().filter_map(|line| line.split_once(' ')) {
                let _ = fs::write(path, value);
            }
        }
        let _ = file.set_len(0);
    }
}

/// Raises what is too low, and records what it was unless somebody else's record stands there.
fn raise(folders: &[&Path], file: &mut File) -> std::io::Result<()> {
    let mut before = String::new();
    // The highest first: a lower limit is never above a higher one.
    for (name, wanted) in ROOM.into_iter().rev() {
        for folder in folders {
            let path = folder.join(name);
            let Ok(found) = fs::read_to_string(&path) else { continue };
            let less = found.trim().parse::<u32>().is_ok_and(|found| found < wanted);
            before.push_str(&format!("{} {}\n", path.display(), found.trim()));
            if less {
                let _ = fs::write(&path, wanted.to_string());
            }
        }
    }
    if file.metadata()?.len() == 0 {
        file.rewind()?;
        file.write_all(before.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of limits as the kernel has them, and the name of a record.
    fn limits(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::Builder::new().prefix(name).tempdir().expect("a folder");
        for (name, value) in [("gc_thresh1", "128\n"), ("gc_thresh2", "512\n"), ("gc_thresh3", "1024\n")] {
            fs::write(folder.path().join(name), value).expect("a limit");
        }
        let record = folder.path().join("record");
        (folder, record)
    }

    fn highest(folder: &Path) -> String {
        fs::read_to_string(folder.join("gc_thresh3")).expect("a limit").trim().to_owned()
    }

    #[test]
    fn the_last_one_puts_back_what_was_there_before_the_first() {
        let (folder, record) = limits("room");
        let first = Room::of(&[folder.path()], &record);
        assert_eq!(highest(folder.path()), "32768");
        let second = Room::of(&[folder.path()], &record);
        drop(first);
        assert_eq!(highest(folder.path()), "32768");
        drop(second);
        assert_eq!(highest(folder.path()), "1024");
        assert_eq!(fs::read_to_string(folder.path().join("gc_thresh1")).expect("a limit"), "128");
    }

    #[test]
    fn what_a_killed_one_left_is_put_back_by_the_next() {
        let (folder, record) = limits("room");
        let Room(file) = &mut Room::of(&[folder.path()], &record);
        // Its descriptors go, its code does not run.
        drop(file.take());
        assert_eq!(highest(folder.path()), "32768");
        drop(Room::of(&[folder.path()], &record));
        assert_eq!(highest(folder.path()), "1024");
    }

    #[test]
    fn higher_limits_stay() {
        let (folder, record) = limits("room");
        fs::write(folder.path().join("gc_thresh3"), "100000").expect("a limit");
        let room = Room::of(&[folder.path()], &record);
        assert_eq!(highest(folder.path()), "100000");
        drop(room);
        assert_eq!(highest(folder.path()), "100000");
    }
}
