//! Every path of a destination in detail.

use std::io;

use heddle_admin::types::{Destination, Path, PathStatus, RouteAttributes, RouteOrigin};

use crate::screen::{Screen, Tone};
use crate::words::{count, printable, span};

pub(super) fn write(destination: &Destination, screen: &mut Screen) -> io::Result<()> {
    let paths = count(u64::try_from(destination.paths.len()).unwrap_or(u64::MAX), "path", "paths");
    let heading = screen.paint(Tone::Heading, destination.prefix);
    writeln!(screen, "{heading}, {paths}")?;
    for (index, path) in destination.paths.iter().enumerate() {
        write_path(index + 1, path, screen)?;
    }
    Ok(())
}

fn write_path(number: usize, path: &Path, screen: &mut Screen) -> io::Result<()> {
    let (tone, status) = match path.status {
        PathStatus::Best => (Tone::Good, "best"),
        PathStatus::Multipath => (Tone::Good, "multipath"),
        PathStatus::Valid => (Tone::Plain, "valid"),
        PathStatus::Rejected => (Tone::Bad, "rejected"),
        PathStatus::Ineligible => (Tone::Bad, "ineligible"),
    };
    let status = screen.paint(tone, status);
    let mut source = match path.origin_type {
        RouteOrigin::Ibgp => "iBGP",
        RouteOrigin::Ebgp => "eBGP",
        RouteOrigin::Local => "local",
    }
    .to_owned();
    if let Some(peer) = &path.peer {
        source.push_str(&format!(" from {peer}"));
    }
    if let Some(id) = path.peer_router_id {
        source.push_str(&format!(" ({id})"));
    }
    let stale = match (path.stale, path.llgr_stale) {
        (_, true) => ", long-lived stale",
        (true, false) => ", stale",
        (false, false) => "",
    };
    writeln!(screen, "  Path {number}: {status}{stale}, {source}, {} old", span(path.age_seconds))?;
    match (&path.explain, &path.reason) {
        (Some(explanation), _) => {
            let text = screen.paint(Tone::Warn, printable(&explanation.text));
            line(screen, "Not best", text)?;
        }
        (None, Some(reason)) => line(screen, "Reason", words(reason))?,
        (None, None) => {}
    }
    match (path.path_id_received, path.path_id_sent) {
        (None, None) => {}
        (Some(received), None) => line(screen, "Path id", format_args!("received {received}"))?,
        (None, Some(sent)) => line(screen, "Path id", format_args!("sent {sent}"))?,
        (Some(received), Some(sent)) => line(screen, "Path id", format_args!("received {received}, sent {sent}"))?,
    }
    attributes(path, &path.attributes, screen)
}

/// The word for a reason.
fn words(reason: &str) -> String {
    match reason {
        "as_loop" => "our AS is in its path".to_owned(),
        "import_policy" => "import policy rejects it".to_owned(),
        "originator_loop" => "it is our own".to_owned(),
        "cluster_loop" => "it was here before: cluster list".to_owned(),
        guard if guard.starts_with("guard_") => {
            format!("refused by the guard: {}", printable(&guard.trim_start_matches("guard_").replace('_', " ")))
        }
        "otc_leak" => "route leak: only to customer".to_owned(),
        other => printable(&other.replace('_', " ")),
    }
}

fn line(screen: &mut Screen, name: &str, text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(screen, "    {name:<17} {text}")
}

/// A list of words, broken at 80 columns.
fn list(screen: &mut Screen, name: &str, words: &[String]) -> io::Result<()> {
    const ROOM: usize = 58;
    let mut name = name;
    let mut text = String::new();
    for word in words {
        let word = printable(word);
        if !text.is_empty() && text.len() + 1 + word.len() > ROOM {
            line(screen, name, &text)?;
            name = "";
            text.clear();
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word);
    }
    if text.is_empty() { Ok(()) } else { line(screen, name, text) }
}

fn attributes(path: &Path, attributes: &RouteAttributes, screen: &mut Screen) -> io::Result<()> {
    let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    if attributes.as_path.is_empty() {
        line(screen, "AS path", "empty")?;
    } else {
        list(screen, "AS path", &words(&attributes.as_path))?;
    }
    let link_local = attributes.next_hop_link_local.map_or_else(String::new, |address| format!(", {address}"));
    let cost = path.igp_cost.map_or_else(String::new, |cost| format!(", cost {cost}"));
    if let Some(next_hop) = attributes.next_hop {
        line(screen, "Next hop", format_args!("{next_hop}{link_local}{cost}"))?;
    }
    let origin = match attributes.origin.as_ref() {
        "igp" => "IGP".to_owned(),
        "egp" => "EGP".to_owned(),
        other => printable(other),
    };
    line(screen, "Origin", origin)?;
    if let Some(med) = attributes.med {
        line(screen, "MED", med)?;
    }
    if let Some(local_pref) = attributes.local_pref {
        line(screen, "Local preference", local_pref)?;
    }
    if let Some(aggregator) = attributes.aggregator {
        line(screen, "Aggregator", format_args!("AS {}, {}", aggregator.asn, aggregator.router_id))?;
    }
    if attributes.atomic_aggregate {
        line(screen, "Atomic aggregate", "yes")?;
    }
    list(screen, "Communities", &attributes.communities)?;
    list(screen, "Large communities", &attributes.large_communities)?;
    list(screen, "Ext. communities", &attributes.extended_communities)?;
    if let Some(originator) = attributes.originator_id {
        line(screen, "Originator", originator)?;
    }
    let clusters: Vec<String> = attributes.cluster_list.iter().map(ToString::to_string).collect();
    list(screen, "Cluster list", &clusters)?;
    if let Some(aigp) = attributes.aigp {
        line(screen, "AIGP", aigp)?;
    }
    if let Some(otc) = attributes.otc {
        line(screen, "Only to customer", format_args!("AS {otc}"))?;
    }
    for unknown in &attributes.other {
        let value = printable(&unknown.value_hex);
        line(
            screen,
            &format!("Attribute {}", unknown.code),
            format_args!("flags {:#04x}, value {value}", unknown.flags),
        )?;
    }
    Ok(())
}
