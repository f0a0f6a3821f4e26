//! What is true at any time, and what is told of it.
//!
//! All speakers are ours, and the network alters nothing. So whatever a speaker would log as ERROR (a failure of its own), or
//! WARN because a peer sent what it must not, is a fault of ours, and fails the seed.

use std::time::Duration;

use heddle_bgp_fsm::{ConnectionId, DownCause, DownReason, Message, NotificationWay};

use super::Net;

/// Codes of NOTIFICATIONs that say that a message was wrong: Message Header, OPEN, UPDATE, Finite State Machine and
/// ROUTE-REFRESH Message Error (RFC 4271 §4.5, RFC 7313 §5).
const WRONG_MESSAGE: [u8; 5] = [1, 2, 3, 5, 7];

impl Net {
    /// Says what happens, where `HEDDLE_SIM_TRACE` is set.
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>14.6} {}", self.now.since_origin().as_secs_f64(), what());
        }
    }

    /// No message was wrong, and nobody failed.
    pub(super) fn check_reason(&self, reason: Option<&DownReason>) {
        let Some(reason) = reason else { return };
        match &reason.cause {
            DownCause::HeaderError
            | DownCause::OpenError
            | DownCause::OpenRejected(_)
            | DownCause::UpdateError
            | DownCause::RouteRefreshError
            | DownCause::FsmError(_)
            | DownCause::InternalError(_) => panic!("{:?}: {reason}", self.now),
            DownCause::ManualStop(_)
            | DownCause::AutomaticStop(_)
            | DownCause::HoldTimerExpired
            | DownCause::SendHoldTimerExpired
            | DownCause::Tcp(_)
            | DownCause::NotificationReceived
            | DownCause::CollisionLost
            | DownCause::PeerRestarted => {}
        }
        if let Some((NotificationWay::Sent | NotificationWay::Received, n)) = &reason.notification {
            assert!(!WRONG_MESSAGE.contains(&n.code), "{:?}: {reason}", self.now);
        }
    }

    /// A session ended, and for a reason that there is.
    pub(super) fn check_end(&mut self, at: (usize, usize), id: ConnectionId, reason: &DownReason) {
        self.check_reason(Some(reason));
        // A connection that failed is gone already.
        let Some((wire, side)) = self.side_of(at, id) else { return };
        let both = self.side_of(at, id).is_some_and(|(wire, side)| {
            let (peer, end) = self.wires[wire].at[1 - side];
            let session = self.nodes[peer].ends[end].session.as_ref();
            session.is_some_and(|session| self.wires[wire].ids[1 - side] == Some(session.connection))
        });
        assert!(!(both && self.steady), "{at:?} at {:?}: a session that both sides have ends: {reason}", self.now);
        match &reason.cause {
            // RFC 4271 §6.5: nothing has come, and not only nothing was read.
            DownCause::HoldTimerExpired => {
                self.seen.held += 1;
                let waits = self.waiting(wire, side).is_some() || !self.wires[wire].unread[side].is_empty();
                assert!(!waits, "{at:?} at {:?}: the hold timer ran out while octets waited", self.now);
            }
            DownCause::SendHoldTimerExpired => self.seen.send_held += 1,
            // RFC 4724 §4.2: a new connection says that the peer has lost the old one.
            DownCause::PeerRestarted => {
                self.seen.restarted += 1;
                let other = self.wires[wire].ids[1 - side];
                assert_eq!(other, None, "{at:?} at {:?}: the peer still has the connection", self.now);
            }
            DownCause::ManualStop(_)
            | DownCause::AutomaticStop(_)
            | DownCause::Tcp(_)
            | DownCause::HeaderError
            | DownCause::OpenError
            | DownCause::OpenRejected(_)
            | DownCause::UpdateError
            | DownCause::RouteRefreshError
            | DownCause::FsmError(_)
            | DownCause::NotificationReceived
            | DownCause::CollisionLost
            | DownCause::InternalError(_) => {}
        }
    }

    /// RFC 4271 §6.8: of connections that collide before there is a session, the one stays that the speaker with the higher
    /// BGP Identifier opened; of two of one direction either may.
    pub(super) fn check_collision(&mut self, at: (usize, usize), id: ConnectionId, message: &Message) {
        let Message::Notification(notification) = message else { return };
        let Some((wire, _)) = self.side_of(at, id).filter(|_| (notification.code, notification.subcode) == (6, 7))
        else {
            return;
        };
        self.seen.collisions += 1;
        let at_both @ [opener, other] = self.wires[wire].at;
        if [opener, other].iter().any(|(node, end)| self.nodes[*node].ends[*end].session.is_some()) {
            return;
        }
        let stays = self.nodes[opener.0].bgp_id() > self.nodes[other.0].bgp_id();
        let twin =
            self.wires.iter().enumerate().any(|(n, other)| n != wire && other.at == at_both && other.ids[1].is_some());
        assert!(!stays || twin, "{at:?} at {:?}: closes the connection that a collision keeps", self.now);
    }

    /// RFC 9687 §4.3: a peer that takes nothing is given up.
    pub(super) fn check_send_hold(&self) {
        let Some(limit) = self.send_hold else { return };
        for (number, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.away.is_none()) {
            for (end, session) in node.ends.iter().enumerate().filter_map(|(n, end)| Some((n, end.session.as_ref()?))) {
                let Some((wire, side)) = self.side_of((number, end), session.connection) else { continue };
                let full_for = self.wires[wire].full_since[side].map_or(Duration::ZERO, |since| self.now.since(since));
                assert!(full_for <= limit, "({number}, {end}) at {:?}: the peer has taken nothing for long", self.now);
            }
        }
    }
}
