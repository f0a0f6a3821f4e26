//! How a session is ended by us, and whether its routes stay (RFC 4486, RFC 4724 §4, RFC 8538 §3 and §4, RFC 9003).

use heddle_bgp_core::{Negotiated, Notification};

use crate::down::{DownCause, NotificationWay, Retention};
use crate::event::{AutomaticStop, AutomaticStopCause, Stop};
use crate::state::OwnRestart;

/// Whether what was negotiated has the N bit on both sides.
fn notification_bit(negotiated: Option<&Negotiated>) -> bool {
    negotiated.and_then(|n| n.graceful_restart).is_some_and(|gr| gr.notification)
}

/// As a Hard Reset where N was negotiated (RFC 8538 §3.1 forbids it elsewhere).
fn hard(notification: Notification, negotiated: Option<&Negotiated>) -> Notification {
    if notification_bit(negotiated) { notification.into_hard_reset() } else { notification }
}

/// What is sent for a stop by operator or configuration; `session` is what our OPEN asked and what was negotiated,
/// where OPENs were exchanged.
pub(crate) fn manual_stop(stop: &Stop, session: Option<(OwnRestart, &Negotiated)>) -> Option<Notification> {
    let negotiated = session.map(|(_, n)| n);
    match stop {
        Stop::AdministrativeShutdown(text) => Some(hard(Notification::admin_shutdown(text), negotiated)),
        // RFC 8538 §4: the peer keeps the routes over the reset.
        Stop::AdministrativeReset(text) => Some(Notification::admin_reset(text)),
        Stop::PeerDeconfigured => Some(hard(Notification::deconfigured(), negotiated)),
        Stop::ConfigurationChange => Some(Notification::config_change()),
        Stop::ProcessExit(text) => {
            let restartable = session.is_some_and(|(own, n)| own == OwnRestart::Asked && n.graceful_restart.is_some());
            // RFC 4724 §4.2: without N a NOTIFICATION would make the peer drop our routes.
            if restartable && !notification_bit(negotiated) { None } else { Some(Notification::admin_shutdown(text)) }
        }
    }
}

/// What is sent when the speaker itself ends a session: its routes are to go on both sides.
pub(crate) fn automatic_stop(stop: AutomaticStop, negotiated: Option<&Negotiated>) -> Notification {
    match stop.cause {
        AutomaticStopCause::PrefixLimit(family, limit) => hard(Notification::max_prefixes(family, limit), negotiated),
        AutomaticStopCause::OutOfResources => hard(Notification::out_of_resources(), negotiated),
    }
}

/// Whether the end of an established session lets its routes stay.
pub(crate) fn retention(
    negotiated: &Negotiated,
    cause: &DownCause,
    notification: Option<&(NotificationWay, Notification)>,
) -> Retention {
    // RFC 4724 §4.2: only where the peer's capability listed families.
    if negotiated.families.iter().all(|f| f.graceful_restart.is_none()) {
        return Retention::Flush;
    }
    let over_notification = match notification {
        // RFC 8538 §4: not over a Hard Reset, either way.
        Some((NotificationWay::Sent | NotificationWay::Received, n)) if n.is_hard_reset() => Retention::Flush,
        Some(_) | None if notification_bit(Some(negotiated)) => Retention::Retain,
        // RFC 4724 §4.2: a NOTIFICATION ends it as RFC 4271 says.
        Some(_) | None => Retention::Flush,
    };
    match cause {
        // RFC 4724 §4.2: TCP ended without NOTIFICATION, or a new session took its place.
        // A failure of our own looks to both sides as if TCP had ended.
        DownCause::Tcp(_) | DownCause::PeerRestarted | DownCause::InternalError(_) => Retention::Retain,
        // The peer, or its routes, are not wanted.
        DownCause::ManualStop(Stop::AdministrativeShutdown(_) | Stop::PeerDeconfigured)
        | DownCause::AutomaticStop(_) => Retention::Flush,
        DownCause::ManualStop(Stop::AdministrativeReset(_) | Stop::ConfigurationChange | Stop::ProcessExit(_))
        // RFC 8538 §4: the hold timer too, where N was negotiated.
        | DownCause::HoldTimerExpired
        | DownCause::SendHoldTimerExpired
        | DownCause::HeaderError
        | DownCause::OpenError
        | DownCause::OpenRejected(_)
        | DownCause::UpdateError
        | DownCause::RouteRefreshError
        | DownCause::FsmError(_)
        | DownCause::NotificationReceived
        | DownCause::CollisionLost => over_notification,
    }
}
