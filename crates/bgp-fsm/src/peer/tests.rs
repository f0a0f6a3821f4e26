//! Tests of the state machine; what they share.

mod collision;
mod damping;
mod ends;
mod props;
mod sim;
mod table;
mod timers;

use std::time::Duration;

use heddle_bgp_core::capability::ForwardingState;
use heddle_bgp_core::{Asn, BgpId, Family, Open};

use super::*;
use crate::action::Message;
use crate::config::{FamilyConfig, GracefulRestartConfig, GracefulRestartMode, PeerAsn};
use crate::open;

pub(super) const LOCAL: u32 = 65000;
pub(super) const REMOTE: u32 = 65001;

/// Us: AS 65000, 10.0.0.1.
pub(super) fn config() -> PeerConfig {
    PeerConfig::new(Asn(LOCAL), BgpId(0x0a00_0001), PeerAsn::Exactly(Asn(REMOTE)))
}

/// The peer: AS 65001, 10.0.0.2.
pub(super) fn peer_config() -> PeerConfig {
    PeerConfig::new(Asn(REMOTE), BgpId(0x0a00_0002), PeerAsn::Exactly(Asn(LOCAL)))
}

pub(super) fn passive() -> PeerConfig {
    PeerConfig { mode: ConnectMode::Passive, ..config() }
}

/// A configuration that restarts gracefully, with N.
pub(super) fn restarting(base: PeerConfig) -> PeerConfig {
    PeerConfig {
        families: Family::SUPPORTED
            .map(|family| FamilyConfig { forwarding: ForwardingState::Preserved, ..FamilyConfig::new(family) })
            .to_vec(),
        graceful_restart: Some(GracefulRestartConfig {
            mode: GracefulRestartMode::Restarter,
            restart_time: 120,
            restarted: false,
            notification: true,
        }),
        ..base
    }
}

/// The OPEN that the peer sends.
pub(super) fn peer_open() -> Open {
    open::build(&peer_config())
}

pub(super) fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

pub(super) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn drain(peer: &mut Peer) -> Vec<Action> {
    std::iter::from_fn(|| peer.poll_action()).collect()
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
