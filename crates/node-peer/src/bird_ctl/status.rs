//! `show status`.

use heddle_admin::types::{Summary, WallTime};

use super::VERSION;
use super::reply::Reply;

/// How long the node waits after a restart for its peers' tables, in seconds: BIRD's line has such a figure.
const RECOVERY: u64 = 10;

/// Version, times, and whether a restart is under way.
pub(super) fn status(summary: &Summary) -> Reply {
    at(summary, WallTime::now())
}

pub(super) fn at(summary: &Summary, now: WallTime) -> Reply {
    let mut reply = Reply::default();
    reply.line(1000, VERSION);
    reply.line(1011, &format!("Router ID is {}", summary.router.router_id));
    reply.line(1011, &format!("Current server time is {}", now.to_seconds()));
    reply.line(1011, &format!("Last reboot on {}", summary.version.started_at.to_seconds()));
    reply.line(1011, &format!("Last reconfiguration on {}", summary.config_applied_at.to_seconds()));
    if summary.restarting {
        let waiting = summary.peers.total.saturating_sub(summary.peers.established).max(1);
        let left = RECOVERY.saturating_sub(summary.uptime_seconds);
        reply.line(24, "Graceful restart recovery in progress");
        reply.line(24, &format!("  Waiting for {waiting} protocols to recover"));
        reply.line(24, &format!("  Wait timer is {left}/{RECOVERY}"));
    }
    reply.last_line(13, "Daemon is up and running");
    reply
}
