//! Room in the kernel's tables of neighbours.
//!
//! All namespaces of a machine share one table a family, and the default of 1024 entries is full with a few fabrics: then
//! handshakes wait for retransmissions, and what is measured is the table.

use std::fs;

const ROOM: [(&str, u32); 3] = [("gc_thresh1", 8192), ("gc_thresh2", 16_384), ("gc_thresh3", 32_768)];

/// Room in the tables of neighbours, until it drops.
#[derive(Debug)]
pub(crate) struct Room(Vec<(String, String)>);

impl Room {
    /// Makes room where there is less, and where that is allowed.
    pub(crate) fn make() -> Self {
        let mut before = Vec::new();
        // The highest first: a lower limit is never above a higher one.
        for (name, wanted) in ROOM.into_iter().rev() {
            for family in ["ipv4", "ipv6"] {
                let path = format!("/proc/sys/net/{family}/neigh/default/{name}");
                let Ok(found) = fs::read_to_string(&path) else { continue };
                let less = found.trim().parse::<u32>().is_ok_and(|found| found < wanted);
                if less && fs::write(&path, wanted.to_string()).is_ok() {
                    before.push((path, found));
                }
            }
        }
        Self(before)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for (path, value) in self.0.iter().rev() {
            let _ = fs::write(path, value.trim());
        }
    }
}
