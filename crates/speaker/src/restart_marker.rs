//! The marker of a running instance: whether a start is a *re*start in the sense of RFC 4724 §4.1, and who remembers us.
//!
//! The R bit may be set only by a speaker that was running before and whose peers may still keep its routes. The marker
//! is a file beside the API socket that names the boot and the peers with a session for graceful restart; it stays when
//! the speaker is killed or stops with graceful restart, and goes when it stops for good. A marker of another boot does
//! not count: the kernel forgot everything.
//!
//! The file is a log: its first line is the boot, each further one a peer that has a session now, or after a `-` one that
//! has none any more. A change is one short write, however many peers there are; once the log is much longer than
//! the list, the list takes its place.
//!
//! Where the RIB failed on what a peer sent, the last line is `!`, how often in a row that happened, and the peer: the next
//! run holds it for a while. `~` in place of `!`: that was not in the run before, and only its number counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use heddle_config::PeerAddress;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Lines of the log beyond twice the list before the list takes its place.
const SPARE_LINES: usize = 1024;
/// A session of this length was sound: what the RIB failed on then does not count with what it failed on before.
const SOUND: Duration = Duration::from_secs(600);

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
    /// Peers on whose messages it failed, and how often in a row.
    pub blamed: BTreeMap<PeerAddress, u32>,
}

/// What a log ends with.
#[derive(Debug, Default, PartialEq, Eq)]
struct Replayed {
    peers: BTreeSet<PeerAddress>,
    /// Of the run before.
    blamed: BTreeMap<PeerAddress, u32>,
    /// Of all runs.
    faults: BTreeMap<PeerAddress, u32>,
}

/// The marker file of this instance.
#[derive(Debug)]
pub(crate) struct RestartMarker {
    path: PathBuf,
    boot: String,
    log: Mutex<Option<Log>>,
}

/// The peers in the file, and the file.
#[derive(Debug)]
struct Log {
    peers: BTreeSet<PeerAddress>,
    /// How often the RIB failed on messages of a peer, over all runs.
    faults: BTreeMap<PeerAddress, u32>,
    /// None before the first write, and after one that failed.
    file: Option<File>,
    lines: usize,
}

impl RestartMarker {
    /// Reads the marker beside `socket`.
    #[must_use]
    pub(crate) fn read(socket: &Path) -> (Self, Before) {
        let path = socket.with_extension("running");
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let (boot_then, lines) = text.split_once('\n').unwrap_or_default();
        let same_boot = !boot.is_empty() && boot_then == boot;
        let (start, replayed) =
            if same_boot { (Start::Restart, replay(lines)) } else { (Start::Fresh, Replayed::default()) };
        let before = Before { start, peers: replayed.peers, blamed: replayed.blamed };
        let log = Log { peers: before.peers.clone(), faults: replayed.faults, file: None, lines: 0 };
        (Self { path, boot, log: Mutex::new(Some(log)) }, before)
    }

    /// This instance runs: the next start is a restart.
    ///
    /// # Errors
    /// The file cannot be written: the speaker runs without, and its next start will not be taken for a restart.
    pub(crate) fn set(&self) -> io::Result<()> {
        match &mut *self.log.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(log) => self.write_list(log),
            None => Ok(()),
        }
    }

    /// A peer with graceful restart has a session.
    pub(crate) fn peer_up(&self, peer: &PeerAddress) {
        self.change(|peers| peers.insert(peer.clone()).then(|| format!("{peer}\n")));
    }

    /// A peer has no session any more, and keeps nothing of ours.
    pub(crate) fn peer_down(&self, peer: &PeerAddress) {
        self.change(|peers| peers.remove(peer).then(|| format!("-{peer}\n")));
    }

    /// The RIB failed on what a peer sent, whose session lasted so long; the process is about to end.
    pub(crate) fn blame(&self, peer: &PeerAddress, lasted: Duration) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(log) = log.as_mut() else { return };
        let before = log.faults.get(peer).copied().filter(|_| lasted < SOUND);
        let line = format!("!{} {peer}\n", before.unwrap_or_default().saturating_add(1));
        if let Some(file) = log.file.as_mut() {
            // Without it the peer is not held: no reason to do anything else.
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// What happens from now on is the end of the instance and changes nothing.
    pub(crate) fn freeze(&self) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Removes the marker: this instance stops for good.
    pub(crate) fn clear(&self) {
        let _ = fs::remove_file(&self.path);
    }

    fn change(&self, f: impl FnOnce(&mut BTreeSet<PeerAddress>) -> Option<String>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(log) = log.as_mut() else { return };
        let Some(line) = f(&mut log.peers) else { return };
        let list = log.peers.len().saturating_add(log.faults.len());
        let full = log.lines > list.saturating_mul(2).saturating_add(SPARE_LINES);
        let appended = match log.file.as_mut().filter(|_| !full) {
            Some(file) => file.write_all(line.as_bytes()).is_ok(),
            None => false,
        };
        if appended {
            log.lines = log.lines.saturating_add(1);
        } else {
            // Without it the next start is taken for a fresh one, or waits for a peer in vain: no reason to stop.
            let _ = self.write_list(log);
        }
    }

    /// Replaces the file, at once as others see it, and keeps it open for the changes to come.
    fn write_list(&self, log: &mut Log) -> io::Result<()> {
        log.file = None;
        let faults = log.faults.iter().map(|(peer, count)| format!("~{count} {peer}\n"));
        let lines = faults.chain(log.peers.iter().map(|p| format!("{p}\n")));
        let text = std::iter::once(format!("{}\n", self.boot)).chain(lines).collect::<String>();
        let new = self.path.with_extension("running.new");
        fs::write(&new, text)?;
        let file = OpenOptions::new().append(true).open(&new)?;
        fs::rename(new, &self.path)?;
        log.file = Some(file);
        log.lines = log.peers.len().saturating_add(log.faults.len());
        Ok(())
    }
}

/// What the log ends with. A last line without its end was cut off by a crash and does not count.
fn replay(log: &str) -> Replayed {
    let mut all = Replayed::default();
    let fault = |text: &str| {
        let (count, peer) = text.split_once(' ')?;
        Some((peer.parse::<PeerAddress>().ok()?, count.parse::<u32>().ok()?))
    };
    for line in log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some(gone) = line.strip_prefix('-') {
            drop(gone.parse().map(|p: PeerAddress| all.peers.remove(&p)));
        } else if let Some((peer, count)) = line.strip_prefix('!').and_then(fault) {
            all.blamed.insert(peer.clone(), count);
            all.faults.insert(peer, count);
        } else if let Some((peer, count)) = line.strip_prefix('~').and_then(fault) {
            all.faults.insert(peer, count);
        } else {
            drop(line.parse().map(|p: PeerAddress| all.peers.insert(p)));
        }
    }
    all
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
    #[test]
    fn a_session_that_comes_and_goes_does_not_make_the_file_grow_for_ever() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let socket = dir.path().join("rr.sock");
        let peer = |text: &str| text.parse::<PeerAddress>().expect("an address");
        let (marker, _) = start(&socket);
        marker.peer_up(&peer("192.0.2.1"));
        for _ in 0..5000 {
            marker.peer_up(&peer("192.0.2.2"));
            marker.peer_down(&peer("192.0.2.2"));
        }
        let lines = fs::read_to_string(socket.with_extension("running")).expect("readable").lines().count();
        assert!(lines <= SPARE_LINES + 8, "{lines} lines for one peer");
        assert_eq!(start(&socket).1.peers, BTreeSet::from([peer("192.0.2.1")]));
    }

    #[test]
    fn a_line_that_a_crash_cut_off_names_nobody() {
        let before = replay("192.0.2.1\n192.0.2.20\n-192.0.2.1\nnonsense\n!x 192.0.2.1\n!1 192.0.2.2\r\n192.0.2.2");
        assert_eq!((before.blamed.len(), before.faults.len()), (0, 0));
        assert_eq!(before.peers, BTreeSet::from(["192.0.2.20".parse().expect("an address")]));
    }

    /// The run after a fault knows on whose messages it came, the one after that does not hold the peer any more; faults in a
    /// row are counted, one after a long session begins anew.
    #[test]
    fn a_fault_is_blamed_on_a_peer_for_one_run() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let socket = dir.path().join("rr.sock");
        let [peer, other]: [PeerAddress; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().expect("an address"));
        let (marker, before) = start(&socket);
        assert!(before.blamed.is_empty());
        marker.peer_up(&peer);
        marker.peer_up(&other);
        marker.blame(&peer, Duration::from_secs(1));
        let (marker, before) = start(&socket);
        assert_eq!(before.blamed, BTreeMap::from([(peer.clone(), 1)]));
        assert_eq!(before.peers, BTreeSet::from([peer.clone(), other]));
        marker.blame(&peer, Duration::from_secs(599));
        assert_eq!(start(&socket).1.blamed, BTreeMap::from([(peer.clone(), 2)]));
        let (marker, before) = start(&socket);
        assert!(before.blamed.is_empty(), "the run before did not fail");
        for _ in 0..5000 {
            marker.peer_down(&peer);
            marker.peer_up(&peer);
        }
        marker.blame(&peer, Duration::from_secs(3));
        let (marker, before) = start(&socket);
        assert_eq!(before.blamed, BTreeMap::from([(peer.clone(), 3)]), "the number outlives the file's renewal");
        marker.blame(&peer, SOUND);
        assert_eq!(start(&socket).1.blamed, BTreeMap::from([(peer, 1)]));
    }

    /// Whether a start is a restart is asked of the boot, not of any clock: the file may be from the next century.
    #[test]
    fn the_wall_clock_has_no_say() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let socket = dir.path().join("rr.sock");
        let peer: PeerAddress = "192.0.2.1".parse().expect("an address");
        let (marker, _) = start(&socket);
        marker.peer_up(&peer);
        let now = std::time::SystemTime::now();
        let decade = Duration::from_secs(86_400 * 3650);
        for time in [now - decade, now + decade, std::time::SystemTime::UNIX_EPOCH] {
            let file = OpenOptions::new().write(true).open(socket.with_extension("running")).expect("is there");
            file.set_modified(time).expect("can be set");
            let (_, before) = RestartMarker::read(&socket);
            assert_eq!((before.start, before.peers), (Start::Restart, BTreeSet::from([peer.clone()])));
        }
    }
}
