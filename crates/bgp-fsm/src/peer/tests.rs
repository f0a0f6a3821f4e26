//! Tests of the state machine; what they share.

mod collision;
mod damping;
mod ends;
mod failure;
mod props;
mod sim;
mod table;
mod timers;

use std::time::Duration;

use heddle_bgp_core::capability::ForwardingState;
use heddle_bgp_core::{Asn, BgpId, Family, Open};

pub(super) use super::script::{REMOTE, at, config, drain, peer_config, peer_open, restarting, secs};
use super::*;
use crate::action::Message;
use crate::config::{FamilyConfig, PeerAsn};
use crate::open;

pub(super) fn passive() -> PeerConfig {
    PeerConfig { mode: ConnectMode::Passive, ..config() }
}

/// Actions in words: what a row of a table expects.
pub(super) fn words(actions: &[Action]) -> String {
    let word = |a: &Action| match a {
        Action::Connect(id) => format!("connect#{id}"),
        Action::Send(id, Message::Open(..)) => format!("OPEN#{id}"),
        Action::Send(id, Message::Keepalive) => format!("KEEPALIVE#{id}"),
        Action::Send(id, Message::Notification(n)) => format!("{}/{}#{id}", n.code, n.subcode),
        Action::Close(id) => format!("close#{id}"),
        Action::Up(id, _) => format!("up#{id}"),
        Action::Down(id, _) => format!("down#{id}"),
        Action::CheckHold(id) => format!("check#{id}"),
        Action::StateChanged { to, .. } => format!(">{to}"),
    };
    actions.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Takes an event in; says what it led to.
pub(super) fn feed(peer: &mut Peer, now: Timestamp, event: Event) -> String {
    peer.handle(now, event);
    words(&drain(peer))
}

/// As [`feed`], for time.
pub(super) fn pass(peer: &mut Peer, now: Timestamp) -> String {
    peer.handle_timeout(now);
    words(&drain(peer))
}

/// Lets time go on timer by timer until `until`, answering hold checks; says what happened.
pub(super) fn run_until(peer: &mut Peer, until: Timestamp) -> String {
    let mut said = Vec::new();
    for _ in 0..10_000 {
        let Some(next) = peer.poll_timeout().filter(|t| *t <= until) else { break };
        peer.handle_timeout(next);
        for action in drain(peer) {
            if let Action::CheckHold(id) = action {
                peer.handle(next, Event::ReadEmpty(id));
                said.push(words(&drain(peer)));
            } else {
                said.push(words(&[action]));
            }
        }
    }
    said.join(" ")
}

/// An outgoing connection 1 in the state that carries this name, at time zero.
pub(super) fn in_state(config: PeerConfig, kind: StateKind) -> Peer {
    let mut peer = Peer::new(config, 1);
    let peer_open = peer_open();
    if kind != StateKind::Idle {
        // An active peer dials; to have it in Active the attempt fails.
        feed(&mut peer, at(0), Event::ManualStart);
    }
    let id = ConnectionId(1);
    match kind {
        StateKind::Idle | StateKind::Connect => {}
        StateKind::Active => {
            feed(&mut peer, at(0), Event::TcpConnectionFails(id, crate::TcpFailure::Refused));
        }
        StateKind::OpenSent | StateKind::OpenConfirm | StateKind::Established => {
            feed(&mut peer, at(0), Event::TcpCrAcked(id));
            if kind != StateKind::OpenSent {
                feed(&mut peer, at(0), Event::BgpOpen(id, peer_open));
            }
            if kind == StateKind::Established {
                feed(&mut peer, at(0), Event::KeepAliveMsg(id));
            }
        }
    }
    assert_eq!(peer.state(), kind);
    peer
}
