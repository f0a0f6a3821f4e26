//! A peer as the API shows it, from what its task publishes and what the RIB counts.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;

use heddle_admin::types::{
    AdminState, Capability, CounterRow, DownReason, ErrorCounts, GracefulRestart, GuardCounts, MessageCounts, Messages,
    Peer, PeerFamily, PeerType, RouteCounters, Timers, Transport,
};
use heddle_bgp_core::capability::{AddPathMode, ForwardingState};
use heddle_bgp_core::{Capability as WireCapability, Open, Role, Timestamp};
use heddle_bgp_fsm::StateKind;
use heddle_rib::counters::Row;
use heddle_rib::policy::Refusal;
use heddle_rib::stats::PeerStats;

use crate::clock::Clock;
use crate::connection::Opens;
use crate::peer::status::{PeerOrigin, PeerShared, PeerStatus, Signature, Wish};
use crate::report;

/// A peer in all detail; `stats` are the RIB's counts by family, empty before its first session.
#[must_use]
pub(super) fn peer(clock: &Clock, shared: &PeerShared, stats: &[PeerStats]) -> Peer {
    let status = shared.lock().clone();
    let now = clock.now();
    let established = status.state == StateKind::Established;
    let negotiated = status.session.as_ref().map(|s| &s.negotiated);
    let in_state = now.since(status.since).as_secs();
    Peer {
        address: report::address(&status.address),
        description: status.description.clone(),
        group: status.group.clone(),
        asn: negotiated.map(|n| n.peer_asn.0).or_else(|| configured_asn(&status)),
        local_asn: negotiated.map_or_else(|| local_asn(&status), |n| n.local_asn.0),
        peer_type: peer_type(&status),
        dynamic: status.origin == PeerOrigin::Dynamic,
        route_reflector_client: status.settings.route_reflector_client,
        state: report::peer_state(status.state),
        admin_state: match status.wish {
            _ if status.is_down() => AdminState::Down,
            Wish::Up | Wish::Down => AdminState::Up,
            Wish::Draining => AdminState::Draining,
        },
        state_since: report::wall(clock.wall(status.since)),
        state_seconds: in_state,
        uptime_seconds: established.then_some(in_state),
        down_reason: (!established)
            .then_some(status.blocked.as_ref())
            .flatten()
            .map(|b| DownReason { code: Cow::Borrowed(b.by.code()), text: b.text.to_string() }),
        retry_seconds: status.retry_at.filter(|_| !established).map(|t| seconds(now, t)),
        router_id: negotiated.map(|n| Ipv4Addr::from(n.peer_id.0)),
        host_name: negotiated.and_then(|n| n.peer_host_name.clone()),
        transport: transport(&status),
        timers: timers(&status, now),
        capabilities: status.session.as_ref().map(|s| capabilities(&s.opens)).unwrap_or_default(),
        graceful_restart: graceful_restart(&status, now),
        families: families(&status, stats),
        messages: messages(&status, shared),
        errors: ErrorCounts {
            treat_as_withdraw: shared.traffic.treat_as_withdraw.load(Relaxed),
            attribute_discard: shared.traffic.attribute_discard.load(Relaxed),
            session_reset: shared.traffic.session_reset.load(Relaxed),
            attributes_too_long: stats.iter().map(|s| s.too_long).sum(),
        },
        established_count: status.established,
        internal_errors: status.internal_errors,
        connect_error: status.connect_error.as_deref().filter(|_| !established).map(|(at, error)| {
            let mut error = error.clone();
            error.seconds_ago = now.since(*at).as_secs();
            error
        }),
        flap_count: status.flaps,
        last_reset: status.last_reset.as_deref().map(|(at, reset)| {
            let mut reset = reset.clone();
            reset.seconds_ago = now.since(*at).as_secs();
            reset
        }),
    }
}

fn seconds(now: Timestamp, at: Timestamp) -> u64 {
    at.since(now).as_secs()
}

fn local_asn(status: &PeerStatus) -> u32 {
    status.settings.local_as.map_or(status.router_asn.0, |l| l.asn.0)
}

fn configured_asn(status: &PeerStatus) -> Option<u32> {
    status.asn.expected(heddle_bgp_core::Asn(local_asn(status))).map(|a| a.0)
}

fn peer_type(status: &PeerStatus) -> Option<PeerType> {
    Some(match status.asn.peer_type(heddle_bgp_core::Asn(local_asn(status))) {
        heddle_bgp_core::PeerType::Ibgp => PeerType::Ibgp,
        heddle_bgp_core::PeerType::Ebgp => PeerType::Ebgp,
    })
}

fn transport(status: &PeerStatus) -> Transport {
    let session = status.session.as_ref();
    Transport {
        local_address: session.map(|s| report::address(&crate::listener::peer_address(s.local))),
        local_port: session.map(|s| s.local.port()),
        remote_port: session.map(|s| s.remote.port()),
        passive: status.settings.passive,
        tcp_md5: status.signature == Signature::Md5,
        tcp_ao: status.signature == Signature::Ao,
        ttl_security_hops: status.settings.ttl_security,
        multihop_ttl: status.settings.multihop,
    }
}

fn timers(status: &PeerStatus, now: Timestamp) -> Timers {
    let hold = status.session.as_ref().map(|s| s.negotiated.hold_time);
    let configured = status.settings.keepalive.and_then(|k| u16::try_from(k.0).ok()).filter(|k| *k > 0);
    let keepalive = hold.filter(|h| *h > 0).map(|h| configured.map_or(h / 3, |k| k.min(h / 3)));
    Timers {
        hold_time_configured_seconds: u16::try_from(status.settings.hold_time.0).unwrap_or(u16::MAX),
        hold_time_seconds: hold,
        keepalive_interval_seconds: keepalive,
        hold_remaining_seconds: hold.and(status.hold_until).map(|t| seconds(now, t)),
        keepalive_remaining_seconds: keepalive
            .zip(status.last_sent)
            .map(|(k, at)| u64::from(k).saturating_sub(now.since(at).as_secs())),
        connect_retry_seconds: u16::try_from(status.settings.connect_retry.0).unwrap_or(u16::MAX),
        send_hold_time_seconds: status.settings.effective_send_hold_time().map(|s| s.0),
        last_received_seconds: status.last_received.map(|t| now.since(t).as_secs()),
        last_sent_seconds: status.last_sent.map(|t| now.since(t).as_secs()),
    }
}

fn graceful_restart(status: &PeerStatus, now: Timestamp) -> Option<GracefulRestart> {
    let negotiated = status.session.as_ref().and_then(|s| s.negotiated.graceful_restart);
    if negotiated.is_none() && status.stale_until.is_none() {
        return None;
    }
    Some(GracefulRestart {
        restart_time_seconds: negotiated.map_or(0, |g| g.restart_time),
        notification: negotiated.is_some_and(|g| g.notification),
        restarting: status.stale_until.is_some(),
        stale_remaining_seconds: status.stale_until.map(|t| seconds(now, t)),
    })
}

fn families(status: &PeerStatus, stats: &[PeerStats]) -> Vec<PeerFamily> {
    let mut families = Vec::new();
    for configured in &status.settings.families {
        let negotiated = status.session.as_ref().and_then(|s| s.negotiated.family(configured.family));
        let counted = stats.iter().find(|s| s.family == configured.family);
        let count = |f: fn(&PeerStats) -> u64| counted.map_or(0, f);
        let add_path = negotiated.and_then(|n| n.add_path);
        families.push(PeerFamily {
            family: report::family(configured.family),
            negotiated: negotiated.is_some(),
            received: count(|s| s.received),
            accepted: count(|s| s.accepted),
            rejected: count(|s| s.rejected),
            ineligible: count(|s| s.ineligible),
            stale: count(|s| s.stale),
            best: count(|s| s.best),
            advertised: count(|s| s.advertised),
            limit_in: configured.settings.prefix_limit.map(|l| l.max.into()),
            limit_out: configured.settings.prefix_limit_out.map(|l| l.max.into()),
            add_path_receive: matches!(add_path, Some(AddPathMode::Receive | AddPathMode::Both)),
            add_path_send: matches!(add_path, Some(AddPathMode::Send | AddPathMode::Both)),
            extended_next_hop: negotiated.is_some_and(|n| n.extended_next_hop),
            end_of_rib_received: counted.is_some_and(|s| s.end_of_rib_received),
            end_of_rib_sent: counted.is_some_and(|s| s.end_of_rib_sent),
            guard_refused: status.settings.guard.as_ref().map(|_| guard_refused(counted)),
            import_policy: names(&configured.settings.import_policy),
            export_policy: names(&configured.settings.export_policy),
            update_group: counted.and_then(|s| s.update_group),
            backlog_bytes: counted.and_then(|s| s.backlog),
            counters: counters(counted),
        });
    }
    families
}

/// What the guard refused in this session.
fn guard_refused(stats: Option<&PeerStats>) -> GuardCounts {
    let count = |refusal| stats.and_then(|s| s.guarded).map_or(0, |counts| counts.of(refusal));
    GuardCounts {
        default_route: count(Refusal::DefaultRoute),
        own_prefix: count(Refusal::OwnPrefix),
        martian: count(Refusal::Martian),
        too_long: count(Refusal::TooLong),
        too_short: count(Refusal::TooShort),
        next_hop: count(Refusal::NextHop),
    }
}

/// What became of routes; a figure that has no meaning in a row is none.
fn counters(stats: Option<&PeerStats>) -> RouteCounters {
    let counted = stats.map(|s| s.counters).unwrap_or_default();
    let row = |r: Row| CounterRow {
        received: Some(r.received),
        rejected: Some(r.rejected),
        filtered: Some(r.filtered),
        ignored: Some(r.ignored),
        accepted: Some(r.accepted),
    };
    RouteCounters {
        import_updates: row(counted.import_updates),
        import_withdraws: CounterRow { rejected: None, filtered: None, ..row(counted.import_withdraws) },
        export_updates: CounterRow { rejected: None, ..row(counted.export_updates) },
        export_withdraws: CounterRow { rejected: None, filtered: None, ignored: None, ..row(counted.export_withdraws) },
    }
}

/// Policies in the order in which they are asked; none where the rule without policy holds.
fn names(list: &[String]) -> Option<String> {
    (!list.is_empty()).then(|| list.join(", "))
}

fn messages(status: &PeerStatus, shared: &PeerShared) -> Messages {
    let counts = |m: heddle_bgp_fsm::MessageCounts, bytes: u64| MessageCounts {
        open: m.open,
        update: m.update,
        notification: m.notification,
        keepalive: m.keepalive,
        route_refresh: m.route_refresh,
        bytes,
    };
    let mut sent = counts(status.messages_out, shared.traffic.bytes_out.load(Relaxed));
    sent.route_refresh += shared.traffic.refreshes_out.load(Relaxed);
    Messages { received: counts(status.messages_in, shared.traffic.bytes_in.load(Relaxed)), sent }
}

/// Capabilities of both sides, by code; what a code has several times stands several times.
fn capabilities(opens: &Opens) -> Vec<Capability> {
    // Both were decoded before, when the session was agreed on.
    let of = |body: &[u8]| Open::decode(body).map(|open| open.capabilities).unwrap_or_default();
    let (sent, received) = (of(&opens.sent), of(&opens.received));
    let mut list: Vec<Capability> = Vec::new();
    for (ours, capability) in sent.iter().map(|c| (true, c)).chain(received.iter().map(|c| (false, c))) {
        let (code, name, value) = describe(capability);
        let twin = list
            .iter_mut()
            .find(|c| c.code == code && !ours && c.advertised && !c.received && (code != 1 || c.local == value));
        match twin {
            Some(c) => {
                c.received = true;
                c.remote = value;
            }
            None => list.push(Capability {
                code,
                name: Cow::Borrowed(name),
                advertised: ours,
                received: !ours,
                local: value.clone().filter(|_| ours),
                remote: value.filter(|_| !ours),
            }),
        }
    }
    list.sort_by_key(|c| c.code);
    list
}

fn describe(capability: &WireCapability) -> (u8, &'static str, Option<String>) {
    match capability {
        WireCapability::MultiProtocol(f) => (1, "multiprotocol", Some(f.to_string())),
        WireCapability::RouteRefresh => (2, "route_refresh", None),
        WireCapability::ExtendedNextHop(list) => {
            (5, "extended_next_hop", Some(join(list.iter().map(|(f, _)| f.to_string()))))
        }
        WireCapability::ExtendedMessage => (6, "extended_message", None),
        WireCapability::Role(role) => (9, "role", Some(role_word(*role).to_owned())),
        WireCapability::GracefulRestart(g) => {
            let bits = format!(
                "{} s{}{}",
                g.restart_time,
                if g.restarted { ", restarted" } else { "" },
                if g.notification { ", notification" } else { "" }
            );
            let families = g.families.iter().map(|(f, forwarding)| match forwarding {
                ForwardingState::Preserved => format!("{f} (forwarding preserved)"),
                ForwardingState::Lost => f.to_string(),
            });
            (64, "graceful_restart", Some(join(std::iter::once(bits).chain(families))))
        }
        WireCapability::FourOctetAs(asn) => (65, "four_octet_as", Some(asn.to_string())),
        WireCapability::AddPath(list) => {
            (69, "add_path", Some(join(list.iter().map(|(f, mode)| format!("{f} ({})", add_path_word(*mode))))))
        }
        WireCapability::EnhancedRouteRefresh => (70, "enhanced_route_refresh", None),
        WireCapability::LongLivedGracefulRestart(list) => (
            71,
            "long_lived_graceful_restart",
            Some(join(list.iter().map(|f| format!("{} {} s", f.family, f.stale_time)))),
        ),
        WireCapability::HostName { host, .. } => (73, "host_name", Some(host.clone())),
        WireCapability::Unknown { code, value } => (*code, "unknown", Some(report::hex(value))),
    }
}

const fn add_path_word(mode: AddPathMode) -> &'static str {
    match mode {
        AddPathMode::Receive => "receive",
        AddPathMode::Send => "send",
        AddPathMode::Both => "send and receive",
    }
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Provider => "provider",
        Role::RouteServer => "route-server",
        Role::RouteServerClient => "route-server-client",
        Role::Customer => "customer",
        Role::Peer => "peer",
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
