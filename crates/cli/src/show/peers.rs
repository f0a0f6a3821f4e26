//! `heddle show peers`.

use std::io;

use heddle_admin::types::{AdminState, PeerState, PeerSummary};

use crate::screen::{Screen, Tone};
use crate::table::{Align, Cell, Table};
use crate::words::{self, count, printable, span};

/// Columns that a terminal has at least.
const COLUMNS: usize = 80;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Fits 80 columns for IPv4.
    Narrow,
    /// With group, flaps and description.
    Wide,
}

/// How the state is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    Full,
    Short,
}

pub(super) fn write(peers: &[PeerSummary], layout: Layout, screen: &mut Screen) -> io::Result<()> {
    let full = table(peers, layout, Spelling::Full).squeezed(COLUMNS);
    if layout == Layout::Narrow && full.exceeds(COLUMNS) {
        table(peers, layout, Spelling::Short).squeezed(COLUMNS).write(screen)?;
    } else {
        full.write(screen)?;
    }
    let established = peers.iter().filter(|p| p.state == PeerState::Established).count();
    let total = u64::try_from(peers.len()).unwrap_or(u64::MAX);
    writeln!(screen, "\n{}, {established} established", count(total, "peer", "peers"))
}

fn table(peers: &[PeerSummary], layout: Layout, spelling: Spelling) -> Table {
    let narrow = [
        ("Peer", Align::Left),
        ("AS", Align::Right),
        ("State/since", Align::Left),
        ("Received", Align::Right),
        ("Accepted", Align::Right),
        ("Sent", Align::Right),
        ("Last error", Align::Left),
    ];
    let wide = [("Flaps", Align::Right), ("Group", Align::Left), ("Description", Align::Left)];
    let mut columns = narrow.to_vec();
    match layout {
        Layout::Narrow => {}
        Layout::Wide => columns.extend(wide),
    }
    let mut table = Table::new(&columns);
    for peer in peers {
        let (tone, state) = state(peer, spelling);
        let prefixes = |number: u64| match (peer.state, number) {
            // Routes may outlive a session (graceful restart).
            (PeerState::Established, number) | (_, number @ 1..) => number.to_string(),
            (_, 0) => "-".to_owned(),
        };
        let mut row = vec![
            Cell::from(peer.address.to_string()),
            Cell::from(peer.asn.map_or_else(|| "-".to_owned(), |asn| asn.to_string())),
            Cell::new(tone, format!("{state} {}", span(peer.state_seconds))),
            Cell::from(prefixes(peer.received)),
            Cell::from(prefixes(peer.accepted)),
            Cell::from(prefixes(peer.advertised)),
            last_error(peer),
        ];
        match layout {
            Layout::Narrow => {}
            Layout::Wide => row.extend([
                Cell::from(peer.flap_count.to_string()),
                Cell::from(peer.group.as_deref().map(printable).unwrap_or_default()),
                Cell::from(peer.description.as_deref().map(printable).unwrap_or_default()),
            ]),
        }
        table.row(row);
    }
    table
}

fn state(peer: &PeerSummary, spelling: Spelling) -> (Tone, &'static str) {
    match (peer.admin_state, peer.state) {
        (AdminState::Draining, PeerState::Established) => (Tone::Warn, "Draining"),
        (AdminState::Up | AdminState::Down, PeerState::Established) => match spelling {
            Spelling::Full => (Tone::Good, "Established"),
            Spelling::Short => (Tone::Good, "Estab"),
        },
        (AdminState::Down, _) => (Tone::Bad, "Down"),
        (AdminState::Up | AdminState::Draining, state @ PeerState::Idle) => (Tone::Bad, state.as_str()),
        (AdminState::Up | AdminState::Draining, state) => (Tone::Warn, state.as_str()),
    }
}

/// Why there is no session, or why the last one ended.
fn last_error(peer: &PeerSummary) -> Cell {
    let word = |code: &str| printable(&code.replace('_', " "));
    let reason = peer.down_reason.as_ref().filter(|reason| reason.code != "passive");
    // What happened last.
    let since_reset = peer.last_reset.as_ref().map_or(u64::MAX, |reset| reset.seconds_ago);
    let error = peer.connect_error.as_ref().filter(|error| error.seconds_ago <= since_reset);
    match (reason, error, &peer.last_reset) {
        (Some(reason), _, _) => Cell::new(Tone::Bad, word(&reason.code)),
        (None, Some(error), _) => Cell::new(Tone::Warn, word(&error.code)),
        (None, None, Some(reset)) => Cell::from(words::reset_short(reset)),
        (None, None, None) => match &peer.down_reason {
            Some(reason) => Cell::new(Tone::Dim, word(&reason.code)),
            None => Cell::new(Tone::Dim, "-"),
        },
    }
}
