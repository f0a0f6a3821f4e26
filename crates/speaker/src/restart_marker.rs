//! The marker of a running instance: whether a start is a *re*start in the sense of RFC 4724 §4.1, and who remembers us.
//!
//! The R bit may be set only by a speaker that was running before and whose peers may still keep its routes. The marker
//! is a file beside the API socket that names the boot and the peers with a session for graceful restart; it stays when
//! the speaker is killed or stops with graceful restart, and goes when it stops for good. A marker of another boot does
//! not count: the kernel forgot everything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use heddle_config::PeerAddress;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Whether an instance was running before in this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The first start of this boot, or the one before stopped for good.
    Fresh,
    /// An instance was running and did not stop for good.
    Restart,
}

/// What the marker of the instance before said.
#[derive(Debug)]
pub(crate) struct Before {
    /// Whether there was one.
    pub start: Start,
    /// The peers that may keep our routes.
    pub peers: BTreeSet<PeerAddress>,
}

/// The marker file of this instance.
#[derive(Debug)]
pub(crate) struct RestartMarker {
    path: PathBuf,
    boot: String,
    peers: Mutex<Option<BTreeSet<PeerAddress>>>,
}

impl RestartMarker {
    /// Reads the marker beside `socket`.
    #[must_use]
    pub(crate) fn read(socket: &Path) -> (Self, Before) {
        let path = socket.with_extension("running");
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut lines = text.lines();
        let same_boot = !boot.is_empty() && lines.next() == Some(boot.as_str());
        let before = if same_boot {
            Before { start: Start::Restart, peers: lines.filter_map(|l| l.parse().ok()).collect() }
        } else {
            Before { start: Start::Fresh, peers: BTreeSet::new() }
        };
        let marker = Self { path, boot, peers: Mutex::new(Some(before.peers.clone())) };
        (marker, before)
    }

    /// This instance runs: the next start is a restart.
    ///
    /// # Errors
    /// The file cannot be written: the speaker runs without, and its next start will not be taken for a restart.
    pub(crate) fn set(&self) -> io::Result<()> {
        match &*self.peers.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(peers) => self.write(peers),
            None => Ok(()),
        }
    }

    /// A peer with graceful restart has a session.
    pub(crate) fn peer_up(&self, peer: &PeerAddress) {
        self.change(|peers| peers.insert(peer.clone()));
    }

    /// A peer has no session any more, and keeps nothing of ours.
    pub(crate) fn peer_down(&self, peer: &PeerAddress) {
        self.change(|peers| peers.remove(peer));
    }

    /// What happens from now on is the end of the instance and changes nothing.
    pub(crate) fn freeze(&self) {
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Removes the marker: this instance stops for good.
    pub(crate) fn clear(&self) {
        let _ = fs::remove_file(&self.path);
    }

    fn change(&self, f: impl FnOnce(&mut BTreeSet<PeerAddress>) -> bool) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peers) = peers.as_mut()
            && f(peers)
        {
            // Without it the next start is taken for a fresh one, or waits for a peer in vain: no reason to stop.
            let _ = self.write(peers);
        }
    }

    fn write(&self, peers: &BTreeSet<PeerAddress>) -> io::Result<()> {
        let lines = peers.iter().map(|p| format!("{p}\n"));
        let text = std::iter::once(format!("{}\n", self.boot)).chain(lines).collect::<String>();
        let new = self.path.with_extension("running.new");
        fs::write(&new, text)?;
        fs::rename(new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(socket: &Path) -> (RestartMarker, Before) {
        let (marker, before) = RestartMarker::read(socket);
        marker.set().expect("writable");
        (marker, before)
    }

    #[test]
    fn a_second_start_is_a_restart_until_the_marker_is_cleared_or_of_another_boot() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let socket = dir.path().join("rr.sock");
        let (marker, before) = start(&socket);
        assert_eq!(before.start, Start::Fresh);
        assert_eq!(start(&socket).1.start, Start::Restart);
        marker.clear();
        assert_eq!(RestartMarker::read(&socket).1.start, Start::Fresh);
        assert_eq!(start(&socket).1.start, Start::Fresh, "an instance that did not come to run leaves no marker");
        fs::write(socket.with_extension("running"), "another boot\n192.0.2.1\n").expect("writable");
        let (_, before) = start(&socket);
        assert_eq!((before.start, before.peers.len()), (Start::Fresh, 0));
    }

    #[test]
    fn the_next_instance_knows_the_peers_of_the_one_before() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let socket = dir.path().join("rr.sock");
        let peer = |text: &str| text.parse::<PeerAddress>().expect("an address");
        let (marker, _) = start(&socket);
        marker.peer_up(&peer("192.0.2.1"));
        marker.peer_up(&peer("fe80::1%eth0"));
        marker.peer_up(&peer("192.0.2.2"));
        marker.peer_down(&peer("192.0.2.2"));
        marker.freeze();
        marker.peer_down(&peer("192.0.2.1"));
        let (_, before) = start(&socket);
        assert_eq!(before.peers, BTreeSet::from([peer("192.0.2.1"), peer("fe80::1%eth0")]));
    }
}
