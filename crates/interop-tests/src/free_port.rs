//! TCP ports of the loopback interface that a server can be told to use, also once more after a restart.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Below the range from which the kernel takes ports for connections, so that none of these gets a port while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on, and that this process got from here only now.
///
/// # Panics
/// When all are taken.
#[must_use]
pub fn free_port() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Test programs that run at the same time begin at different places.
    let width = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(97) % width;
    let all =
        (0..width).filter_map(|step| u16::try_from((first + step) % width).ok()).map(|offset| PORTS.start + offset);
    for port in all {
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.insert(port);
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_twice() {
        assert_ne!(free_port(), free_port());
    }
}
