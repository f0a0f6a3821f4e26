//! `heddle monitor`: events, a line each, as they happen.

use heddle_admin::Client;
use heddle_admin::types::{Event, EventKind, EventQuery, PeerState, RouteAttributes, UpdateFault};

use crate::args::Monitor;
use crate::exit::Failure;
use crate::screen::{Screen, Tone};
use crate::words::{self, printable};

pub(crate) async fn run(args: Monitor, screen: &mut Screen) -> Result<(), Failure> {
    let mut events =
        Client::new(args.connection.socket()).events(&EventQuery { routes: args.routes, family: args.family }).await?;
    while let Some(event) = events.next().await? {
        // What is about no peer is about all of them.
        if args.peer.is_some() && event.peer.is_some() && args.peer != event.peer {
            continue;
        }
        if args.connection.json {
            let text = serde_json::to_string(&event).map_err(std::io::Error::from)?;
            writeln!(screen, "{text}")?;
        } else if let Some((tone, text)) = sentence(&event) {
            let peer = event.peer.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            let text = screen.paint(tone, text);
            writeln!(screen, "{}  {peer:<15}  {text}", event.at.to_millis())?;
        }
        screen.flush()?;
    }
    Ok(())
}

/// What happened in words; none for what people need not know.
fn sentence(event: &Event) -> Option<(Tone, String)> {
    let plain = |text: String| Some((Tone::Plain, text));
    match &event.kind {
        EventKind::Connected => Some((Tone::Dim, "connected to the daemon, waiting for events".to_owned())),
        EventKind::PeerState { from, to, reset } => {
            let tone = match (from, to) {
                (_, PeerState::Established) => Tone::Good,
                (PeerState::Established, _) => Tone::Bad,
                _ => Tone::Plain,
            };
            let why = reset.as_ref().map_or_else(String::new, |reset| format!(": {}", words::reset_long(reset)));
            Some((tone, format!("{from} -> {to}{why}")))
        }
        EventKind::PeerAdded { dynamic: false } => plain("added".to_owned()),
        EventKind::PeerAdded { dynamic: true } => plain("added by a listen range".to_owned()),
        EventKind::PeerRemoved => plain("removed".to_owned()),
        EventKind::PeerAction { action } => plain(format!("operator: {}", printable(action))),
        EventKind::PeerBlocked { reason } => Some((Tone::Bad, format!("cannot be started: {}", printable(reason)))),
        EventKind::EndOfRib { family } => plain(format!("End-of-RIB received, {family}")),
        EventKind::RouteRefresh { family } => plain(format!("asked for our routes, {family}")),
        EventKind::UpdateError { action, text, suppressed } => {
            let action = match action {
                UpdateFault::TreatAsWithdraw => "treated as withdrawn",
                UpdateFault::AttributeDiscard => "attribute discarded",
            };
            let more = if *suppressed > 0 { format!(" ({suppressed} more like it)") } else { String::new() };
            Some((Tone::Warn, format!("error in an UPDATE, {action}: {}{more}", printable(text))))
        }
        EventKind::PrefixLimit { family, prefixes, limit, exceeded } => {
            let (tone, word) = if *exceeded { (Tone::Bad, "exceeded") } else { (Tone::Warn, "near") };
            Some((tone, format!("prefix limit {word}, {family}: {prefixes} of {limit}")))
        }
        EventKind::StaleRemoved { family, routes } => {
            plain(format!("{} removed, {family}", words::count(*routes, "stale route", "stale routes")))
        }
        EventKind::RouteBest { prefix, llgr_stale, attributes } => {
            let tone = if *llgr_stale { Tone::Warn } else { Tone::Plain };
            Some((tone, format!("{}  {}", column(prefix), route(attributes, *llgr_stale))))
        }
        EventKind::RouteWithdrawn { prefix } => Some((Tone::Dim, format!("{}  withdrawn", column(prefix)))),
        EventKind::ConfigApplied { changes } => {
            plain(format!("configuration applied, {}", words::count(*changes, "change", "changes")))
        }
        EventKind::ConfigRejected { text } => Some((Tone::Bad, format!("configuration rejected: {}", printable(text)))),
        EventKind::Lost { count: 0 } => {
            Some((Tone::Warn, "too slow for all changes of routes: the last of each follows".to_owned()))
        }
        EventKind::Lost { count } => {
            Some((Tone::Warn, format!("{} missed: this reader was too slow", words::count(*count, "event", "events"))))
        }
        EventKind::Stopping => Some((Tone::Warn, "the daemon ends".to_owned())),
        EventKind::Unknown => None,
    }
}

/// A prefix in a column that IPv4 ones fit in.
fn column(prefix: &impl ToString) -> String {
    format!("{:<18}", prefix.to_string())
}

/// Next hop, AS_PATH and origin, as in the table of routes.
fn route(attributes: &RouteAttributes, llgr_stale: bool) -> String {
    let next_hop = attributes.next_hop.map_or_else(|| "-".to_owned(), |next_hop| next_hop.to_string());
    let origin = match attributes.origin.as_ref() {
        "igp" => "i",
        "egp" => "e",
        _ => "?",
    };
    let path = [attributes.as_path.as_str(), origin]
        .iter()
        .filter(|p| !p.is_empty())
        .map(|p| printable(p))
        .collect::<Vec<_>>();
    let stale = if llgr_stale { "  stale" } else { "" };
    format!("{next_hop:<15}  {}{stale}", path.join(" "))
}
