//! Established (RFC 4271 §8.2.2, RFC 9687 §4.3).

use heddle_bgp_core::{MessageType, Notification, Timestamp};

use super::Peer;
use super::act::Goodbye;
use crate::down::{DownCause, Initiator};
use crate::input::Input;

impl Peer {
    pub(super) fn in_established(&mut self, now: Timestamp, input: Input) {
        match input {
            // The hot ones first.
            Input::Update | Input::KeepAlive => self.restart_hold(now),
            // RFC 4271 §8.2.2 knows no ROUTE-REFRESH; a peer that sends one is alive.
            Input::RouteRefresh => self.restart_hold(now),
            Input::Keepalive => self.send_keepalive(now),
            Input::ManualStop(stop) => self.manual_stop(now, stop),
            Input::AutomaticStop(stop) => self.automatic_stop(now, stop),
            Input::Hold => self.hold_expired(now),
            Input::TcpConfirmed(id) => self.admit_second(now, id),
            Input::TcpFails(failure) => self.tcp_failed(now, failure),
            Input::Open(_) | Input::OpenErr(_) => self.fsm_error(now, MessageType::Open),
            // RFC 4271 §6.1 has a code for it; §8.2.2 would send Finite State Machine Error.
            Input::HeaderErr(n) => self.fail(now, Initiator::Local, DownCause::HeaderError, Goodbye::Send(n)),
            Input::CollisionDump => self.collision_lost(now),
            Input::Notification(n) => self.notified(now, n),
            Input::UpdateErr(n) => self.fail(now, Initiator::Local, DownCause::UpdateError, Goodbye::Send(n)),
            Input::RouteRefreshErr(n) => {
                self.fail(now, Initiator::Local, DownCause::RouteRefreshError, Goodbye::Send(n));
            }
            // RFC 9687 §4.3: the NOTIFICATION goes out only if the socket takes it at once.
            Input::SendHold => {
                let n = Notification::send_hold_timer_expired();
                self.fail(now, Initiator::Local, DownCause::SendHoldTimerExpired, Goodbye::Send(n));
            }
            Input::Start(..)
            | Input::ConnectRetry
            | Input::DelayOpen
            | Input::IdleHold
            | Input::TcpTracked
            | Input::TcpAcked => {}
        }
    }
}
