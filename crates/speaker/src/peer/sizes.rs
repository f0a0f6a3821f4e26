//! What a peer costs (`docs/limits.md`). A node of a large cluster has thousands of peers: what each of them keeps is
//! bounded here, so that it does not grow unseen. Octets of a 64-bit machine; what these types point to comes on top.

use std::future::Future;

use heddle_bgp_core::Negotiated;
use heddle_rib::journal::JournalReader;

use super::session::Session;
use super::status::PeerShared;
use super::{PeerTask, Wake};
use crate::connection::Connection;
use crate::mailbox::Mailbox;
use crate::rib_link::{PeerLink, ToRib};

/// State of a peer's task, its state machine included.
const MAX_TASK: usize = 1216;
/// What the runtime keeps of a task beside that state: a future that waits for a dozen things.
const MAX_FUTURE: usize = 704;
/// State of an established session.
const MAX_SESSION: usize = 448;
/// A connection.
const MAX_CONNECTION: usize = 256;
/// What others see of a peer.
const MAX_PUBLISHED: usize = 544;
/// The mailbox of a peer while it is empty.
const MAX_MAILBOX: usize = 176;

fn size_of_future<A, F: Future>(_: impl Fn(A) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_peer_costs_no_more_than_the_page_of_limits_says() {
    let sizes = [
        ("task", size_of::<PeerTask>(), MAX_TASK),
        ("future", size_of_future(PeerTask::run), MAX_FUTURE),
        ("session", size_of::<Session>(), MAX_SESSION),
        ("connection", size_of::<Connection>(), MAX_CONNECTION),
        ("published", size_of::<PeerShared>(), MAX_PUBLISHED),
        ("mailbox", size_of::<Mailbox>(), MAX_MAILBOX),
        ("message to the RIB", size_of::<ToRib>(), 96),
        ("link from the RIB", size_of::<PeerLink>(), 128),
        ("reader of a journal", size_of::<JournalReader>(), 160),
        ("what was negotiated", size_of::<Negotiated>(), 104),
        ("reason to wake", size_of::<Wake>(), 96),
    ];
    for (what, size, most) in sizes {
        assert!(size <= most, "{what}: {size} octets, more than {most}");
        assert!(size > most / 2, "{what}: {size} octets; the bound of {most} is too wide to show growth");
    }
}
