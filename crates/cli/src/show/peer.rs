//! `heddle show peer ADDRESS`.

use std::io;

use heddle_admin::types::{
    AdminState, Capability, ConnectError, CounterRow, Messages, Peer, PeerFamily, PeerState, PeerType, Timers,
    Transport,
};

use crate::screen::{Screen, Tone};
use crate::table::{Align, Cell, Table};
use crate::words::{self, count, printable, span};

pub(super) fn write(peer: &Peer, screen: &mut Screen) -> io::Result<()> {
    identity(peer, screen)?;
    timers(&peer.timers, screen)?;
    capabilities(&peer.capabilities, screen)?;
    if peer.messages != Messages::default() {
        messages(peer, screen)?;
    }
    for family in &peer.families {
        family_part(family, screen)?;
    }
    Ok(())
}

fn line(screen: &mut Screen, name: &str, text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(screen, "  {name:<16} {text}")
}

/// A longer text, broken into lines of 80 columns.
fn text(screen: &mut Screen, name: &str, tone: Tone, text: &str) -> io::Result<()> {
    for (index, part) in words::wrap(text, 61).iter().enumerate() {
        let part = screen.paint(tone, part);
        line(screen, if index == 0 { name } else { "" }, part)?;
    }
    Ok(())
}

fn identity(peer: &Peer, screen: &mut Screen) -> io::Result<()> {
    let asn = peer.asn.map_or_else(|| "AS not known yet".to_owned(), |asn| format!("AS {asn}"));
    let kind = match peer.peer_type {
        Some(PeerType::Ibgp) => ", iBGP",
        Some(PeerType::Ebgp) => ", eBGP",
        None => "",
    };
    let heading = screen.paint(Tone::Heading, format!("Peer {}, {asn}{kind}", peer.address));
    writeln!(screen, "{heading}")?;
    if let Some(description) = &peer.description {
        text(screen, "Description", Tone::Plain, &printable(description))?;
    }
    let tone = match (peer.state, peer.admin_state) {
        (PeerState::Established, AdminState::Up | AdminState::Down) => Tone::Good,
        (PeerState::Established, AdminState::Draining) => Tone::Warn,
        (PeerState::Idle, _) | (_, AdminState::Down) => Tone::Bad,
        (PeerState::Connect | PeerState::Active | PeerState::OpenSent | PeerState::OpenConfirm, _) => Tone::Warn,
    };
    let wish = match peer.admin_state {
        AdminState::Up => "",
        AdminState::Down => ", shut down",
        AdminState::Draining => ", draining",
    };
    let state = screen.paint(tone, format!("{}{wish}", peer.state));
    let since = words::time(peer.state_since);
    line(screen, "State", format_args!("{state} for {}, since {since}", span(peer.state_seconds)))?;
    if let Some(reason) = &peer.down_reason {
        let tone = if reason.code == "passive" { Tone::Plain } else { Tone::Bad };
        text(screen, "Reason", tone, &printable(&reason.text))?;
    }
    if let Some(error) = &peer.connect_error {
        text(screen, "Cannot connect", Tone::Warn, &connect_error(error))?;
    }
    if let Some(seconds) = peer.retry_seconds {
        line(screen, "Next try", format_args!("in {}", span(seconds)))?;
    }
    if let Some(id) = peer.router_id {
        let host =
            peer.host_name.as_deref().map_or_else(String::new, |host| format!(", host name {}", printable(host)));
        line(screen, "Router id", format_args!("{id}{host}"))?;
    }
    let client = if peer.route_reflector_client { ", route reflector client" } else { "" };
    line(screen, "Local AS", format_args!("{}{client}", peer.local_asn))?;
    let group = peer.group.as_deref().map(printable);
    match (group, peer.dynamic) {
        (Some(group), true) => line(screen, "Group", format_args!("{group}, by a listen range"))?,
        (Some(group), false) => line(screen, "Group", group)?,
        (None, true) => line(screen, "Group", "none, by a listen range")?,
        (None, false) => {}
    }
    text(screen, "Transport", Tone::Plain, &transport(&peer.transport, peer))?;
    if let Some(restart) = &peer.graceful_restart {
        let mut words = format!("peer may be away for {} s", restart.restart_time_seconds);
        if restart.notification {
            words.push_str(", also after a NOTIFICATION");
        }
        if restart.restarting {
            let left = restart.stale_remaining_seconds.map_or_else(String::new, |s| format!(" for {}", span(s)));
            words.push_str(&format!("; it restarts, its routes are kept{left}"));
        }
        text(screen, "Graceful restart", Tone::Plain, &words)?;
    }
    let sessions = count(peer.established_count, "session", "sessions");
    line(screen, "History", format_args!("{sessions}, {}", count(peer.flap_count, "flap", "flaps")))?;
    if peer.internal_errors > 0 {
        let faults = count(peer.internal_errors, "fault", "faults");
        text(
            screen,
            "",
            Tone::Bad,
            &format!("{faults} of this program ended its session: please report what the log says"),
        )?;
    }
    if let Some(reset) = &peer.last_reset {
        line(screen, "Last reset", format_args!("{} ago, {}", span(reset.seconds_ago), words::time(reset.at)))?;
        text(screen, "", Tone::Plain, &words::reset_long(reset))?;
    }
    Ok(())
}

fn connect_error(error: &ConnectError) -> String {
    let times = match error.attempts {
        0 | 1 => String::new(),
        n => format!("{n} times in a row, "),
    };
    format!("{} ({times}last {} ago)", printable(&error.text), span(error.seconds_ago))
}

fn transport(transport: &Transport, peer: &Peer) -> String {
    let end = |address: String, port: Option<u16>| match port {
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address,
    };
    let remote = end(peer.address.to_string(), transport.remote_port);
    let mut text = match &transport.local_address {
        Some(local) => format!("{} to {remote}", end(local.to_string(), transport.local_port)),
        None => "not connected".to_owned(),
    };
    if transport.passive {
        text.push_str(", passive");
    }
    if transport.tcp_md5 {
        text.push_str(", TCP MD5");
    }
    if transport.tcp_ao {
        text.push_str(", TCP-AO");
    }
    if let Some(hops) = transport.ttl_security_hops {
        text.push_str(&format!(", TTL security ({})", count(hops.into(), "hop", "hops")));
    }
    if let Some(ttl) = transport.multihop_ttl {
        text.push_str(&format!(", multihop (TTL {ttl})"));
    }
    text
}

fn timers(timers: &Timers, screen: &mut Screen) -> io::Result<()> {
    let seconds = |value: Option<u64>| Cell::from(value.map_or_else(|| "-".to_owned(), |value| format!("{value} s")));
    let off = |value: Option<u64>| match value {
        Some(0) => Cell::from("off"),
        other => seconds(other),
    };
    let columns = [
        ("Timer", Align::Left),
        ("Configured", Align::Right),
        ("Negotiated", Align::Right),
        ("Remaining", Align::Right),
    ];
    let mut table = Table::new(&columns).indented(2);
    let none = || seconds(None);
    let configured = |value: u16| off(Some(value.into()));
    table.row([
        "hold time".into(),
        configured(timers.hold_time_configured_seconds),
        off(timers.hold_time_seconds.map(u64::from)),
        seconds(timers.hold_remaining_seconds),
    ]);
    table.row([
        "keepalive".into(),
        none(),
        off(timers.keepalive_interval_seconds.map(u64::from)),
        seconds(timers.keepalive_remaining_seconds),
    ]);
    table.row(["connect retry".into(), configured(timers.connect_retry_seconds), none(), none()]);
    table.row(["send hold".into(), off(timers.send_hold_time_seconds.map(u64::from)), none(), none()]);
    writeln!(screen)?;
    table.write(screen)?;
    if let (Some(received), Some(sent)) = (timers.last_received_seconds, timers.last_sent_seconds) {
        writeln!(screen, "  last message received {} ago, sent {} ago", span(received), span(sent))?;
    }
    Ok(())
}

fn capabilities(capabilities: &[Capability], screen: &mut Screen) -> io::Result<()> {
    if capabilities.is_empty() {
        return Ok(());
    }
    let columns = [("Capability", Align::Left), ("Ours", Align::Left), ("Theirs", Align::Left)];
    let mut table = Table::new(&columns).indented(2);
    for capability in capabilities {
        let side = |there: bool, value: &Option<String>| match (there, value) {
            (false, _) => Cell::new(Tone::Dim, "-"),
            (true, None) => Cell::from("yes"),
            (true, Some(value)) => Cell::from(printable(value)),
        };
        let name = match capability.name.as_ref() {
            "unknown" => format!("code {}", capability.code),
            "four_octet_as" => "4-octet AS".to_owned(),
            "add_path" => "ADD-PATH".to_owned(),
            name => printable(&name.replace('_', " ")),
        };
        table.row([
            Cell::from(name),
            side(capability.advertised, &capability.local),
            side(capability.received, &capability.remote),
        ]);
    }
    writeln!(screen)?;
    table.write(screen)
}

fn messages(peer: &Peer, screen: &mut Screen) -> io::Result<()> {
    let (received, sent) = (&peer.messages.received, &peer.messages.sent);
    let columns = [("Messages", Align::Left), ("Received", Align::Right), ("Sent", Align::Right)];
    let mut table = Table::new(&columns).indented(2);
    for (name, received, sent) in [
        ("OPEN", received.open, sent.open),
        ("UPDATE", received.update, sent.update),
        ("NOTIFICATION", received.notification, sent.notification),
        ("KEEPALIVE", received.keepalive, sent.keepalive),
        ("ROUTE-REFRESH", received.route_refresh, sent.route_refresh),
        ("all", received.total(), sent.total()),
        ("octets", received.bytes, sent.bytes),
    ] {
        table.row([name.into(), received.to_string().into(), sent.to_string().into()]);
    }
    writeln!(screen)?;
    table.write(screen)?;
    let errors = &peer.errors;
    let parts: Vec<String> = [
        (errors.treat_as_withdraw, "treated as withdrawn"),
        (errors.attribute_discard, "attribute discarded"),
        (errors.session_reset, "session reset"),
    ]
    .iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("{number} {word}"))
    .collect();
    if !parts.is_empty() {
        let text = screen.paint(Tone::Warn, parts.join(", "));
        writeln!(screen, "  UPDATEs with errors: {text}")?;
    }
    if errors.attributes_too_long > 0 {
        let routes = count(errors.attributes_too_long, "route", "routes");
        let text = screen.paint(Tone::Warn, format!("{routes} not advertised: attributes exceed the largest message"));
        writeln!(screen, "  {text}")?;
    }
    Ok(())
}

fn family_part(family: &PeerFamily, screen: &mut Screen) -> io::Result<()> {
    let word = if family.negotiated { "" } else { ", not negotiated" };
    let heading = screen.paint(Tone::Heading, format!("Family {}{word}", family.family));
    writeln!(screen, "\n  {heading}")?;
    let mut paths = format!("{}: {} accepted", count(family.received, "path", "paths"), family.accepted);
    for (number, word) in [
        (family.rejected, "rejected"),
        (family.ineligible, "ineligible"),
        (family.stale, "stale"),
        (family.best, "best"),
    ] {
        if number > 0 {
            paths.push_str(&format!(", {number} {word}"));
        }
    }
    writeln!(screen, "    Received      {paths}")?;
    writeln!(screen, "    Sent          {}", count(family.advertised, "path", "paths"))?;
    let limit = |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    if family.limit_in.is_some() || family.limit_out.is_some() {
        writeln!(screen, "    Limit         {} in, {} out", limit(family.limit_in), limit(family.limit_out))?;
    }
    let policy = |policy: &Option<String>| policy.as_deref().map_or_else(|| "none".to_owned(), printable);
    let (import, export) = (policy(&family.import_policy), policy(&family.export_policy));
    writeln!(screen, "    Policy        {import} in, {export} out")?;
    if let Some(refused) = &family.guard_refused {
        let counts: Vec<_> = refused.by_reason().into_iter().filter(|(_, n)| *n > 0).collect();
        let words = counts.iter().map(|(reason, n)| format!("{n} {}", reason.replace('_', " ")));
        let text = if counts.is_empty() { "nothing refused".to_owned() } else { words.collect::<Vec<_>>().join(", ") };
        writeln!(screen, "    Guard         {text}")?;
    }
    if !family.negotiated {
        return Ok(());
    }
    session_part(family, screen)?;
    let counters = &family.counters;
    let number = |value: Option<u64>| Cell::from(value.map_or_else(|| "-".to_owned(), |value| value.to_string()));
    let right = |title| (title, Align::Right);
    let columns = ["received", "rejected", "filtered", "ignored", "accepted"].map(right);
    let mut table = Table::new(&[[("Route changes", Align::Left)].as_slice(), &columns].concat()).indented(4);
    for (name, row) in [
        ("import updates", &counters.import_updates),
        ("import withdraws", &counters.import_withdraws),
        ("export updates", &counters.export_updates),
        ("export withdraws", &counters.export_withdraws),
    ] {
        let CounterRow { received, rejected, filtered, ignored, accepted } = *row;
        table.row(std::iter::once(name.into()).chain([received, rejected, filtered, ignored, accepted].map(number)));
    }
    table.write(screen)
}

/// What is so in a session.
fn session_part(family: &PeerFamily, screen: &mut Screen) -> io::Result<()> {
    let add_path = match (family.add_path_receive, family.add_path_send) {
        (false, false) => None,
        (true, false) => Some("ADD-PATH in"),
        (false, true) => Some("ADD-PATH out"),
        (true, true) => Some("ADD-PATH in and out"),
    };
    let next_hop = family.extended_next_hop.then_some("IPv6 next hops");
    let extras: Vec<_> = [add_path, next_hop].into_iter().flatten().collect();
    if !extras.is_empty() {
        writeln!(screen, "    In use        {}", extras.join(", "))?;
    }
    let end = match (family.end_of_rib_received, family.end_of_rib_sent) {
        (true, true) => "received and sent",
        (true, false) => "received, not sent yet",
        (false, true) => "sent, not received yet",
        (false, false) => "neither received nor sent yet",
    };
    writeln!(screen, "    End-of-RIB    {end}")?;
    let group = family.update_group.map_or_else(|| "none".to_owned(), |group| group.to_string());
    let backlog = match family.backlog_bytes {
        Some(0) => "nothing waits".to_owned(),
        Some(bytes) => format!("{} wait", words::octets(bytes)),
        None => "too slow at the moment, catches up later".to_owned(),
    };
    writeln!(screen, "    Update group  {group}, {backlog}")
}
