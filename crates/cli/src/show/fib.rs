//! `heddle show fib`.

use heddle_admin::Client;
use heddle_admin::types::{FibPage, FibQuery, FibRoute, FibState, FibSummary, KernelLeg, KernelRoute};

use crate::args::Fib;
use crate::exit::Failure;
use crate::screen::{Screen, Tone};
use crate::table::{Align, Cell, Table};
use crate::words::{count, printable};

/// Rows of one table: its columns are as wide as these need.
const ROWS: usize = 4096;

/// Shows the forwarding table, page by page.
pub(super) async fn run(client: &Client, args: &Fib, screen: &mut Screen) -> Result<(), Failure> {
    let mut query = query(args);
    let mut pending: Vec<FibRoute> = Vec::new();
    let mut shown = 0_u64;
    loop {
        let FibPage { summary, routes, next } = client.fib(&query).await?;
        pending.extend(routes);
        if pending.len() >= ROWS || next.is_none() {
            shown += u64::try_from(pending.len()).unwrap_or(u64::MAX);
            write(&pending, args.diff, screen)?;
            pending.clear();
        }
        match next {
            Some(after) => query.after = Some(after),
            None => return Ok(conclude(&summary, args, shown, screen)?),
        }
    }
}

/// The same as JSON: one object with all routes.
pub(super) async fn json(client: &Client, args: &Fib, screen: &mut Screen) -> Result<(), Failure> {
    let mut query = query(args);
    let mut whole = FibPage::default();
    loop {
        let FibPage { summary, routes, next } = client.fib(&query).await?;
        whole.routes.extend(routes);
        whole.summary = summary;
        match next {
            Some(after) => query.after = Some(after),
            None => break,
        }
    }
    let text = serde_json::to_string(&whole).map_err(std::io::Error::from)?;
    Ok(writeln!(screen, "{text}")?)
}

fn query(args: &Fib) -> FibQuery {
    FibQuery { prefix: args.prefix, differing: args.diff, after: None }
}

fn write(routes: &[FibRoute], diff: bool, screen: &mut Screen) -> std::io::Result<()> {
    if routes.is_empty() {
        return Ok(());
    }
    let left = Align::Left;
    let columns =
        [("", left), ("Prefix", left), ("State", left), ("Metric", Align::Right), ("Route", left), ("Reason", left)];
    let mut table = Table::new(&columns);
    for route in routes {
        let reason = route.reason.as_deref().map(printable).unwrap_or_default();
        let desired = route.desired.as_ref().map(|r| ("", r));
        let actual = route.actual.as_ref();
        let lines: Vec<(&str, &KernelRoute)> = if diff {
            route.desired.iter().map(|r| ("+", r)).chain(actual.map(|r| ("-", r))).collect()
        } else {
            desired.or(actual.map(|r| ("", r))).into_iter().collect()
        };
        let mut head = Some((route.prefix.to_string(), state(route.state), reason.to_string()));
        if lines.is_empty() {
            let (prefix, state, reason) = head.take().unwrap_or_default();
            table.row([Cell::default(), prefix.into(), state, Cell::default(), "none".into(), reason.into()]);
        }
        for (mark, kernel) in lines {
            let mut metric = Some(kernel.metric.to_string());
            for text in legs(kernel) {
                let (prefix, state, reason) = head.take().unwrap_or_default();
                let metric = metric.take().unwrap_or_default();
                table.row([mark.into(), prefix.into(), state, metric.into(), text.into(), reason.into()]);
            }
        }
    }
    table.write(screen)
}

fn state(state: FibState) -> Cell {
    let tone = match state {
        FibState::Installed => Tone::Good,
        FibState::Pending | FibState::Held | FibState::Stale | FibState::Rejected => Tone::Warn,
        FibState::Conflict | FibState::Unresolved | FibState::Failed | FibState::Unknown => Tone::Bad,
    };
    Cell::new(tone, state.as_str())
}

/// One text a leg.
fn legs(route: &KernelRoute) -> Vec<String> {
    if route.legs.is_empty() {
        return vec![printable(&route.kind).to_string()];
    }
    let several = route.legs.len() > 1;
    route.legs.iter().map(|l| leg(l, several)).collect()
}

fn leg(leg: &KernelLeg, several: bool) -> String {
    let mut words = Vec::new();
    if let Some(via) = leg.via {
        words.push(format!("via {via}"));
    }
    if let Some(interface) = &leg.interface {
        words.push(format!("dev {}", printable(interface)));
    }
    if several && leg.weight != 1 {
        words.push(format!("weight {}", leg.weight));
    }
    if leg.onlink {
        words.push("onlink".to_owned());
    }
    words.join(" ")
}

/// The last line: whether all is as it should be.
fn conclude(summary: &FibSummary, args: &Fib, shown: u64, screen: &mut Screen) -> std::io::Result<()> {
    if shown > 0 {
        writeln!(screen)?;
    }
    let mut parts = vec![format!("{} installed", summary.installed)];
    let others = [
        (summary.pending, "pending"),
        (summary.conflicts, "in conflict"),
        (summary.held, "held"),
        (summary.unresolved, "unresolved"),
        (summary.stale, "stale"),
    ];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")));
    let desired = count(summary.desired, "route", "routes");
    let place = format!("table {}, protocol {}", summary.table, summary.protocol);
    writeln!(screen, "{desired} wanted in the kernel ({place}): {}", parts.join(", "))?;
    if args.diff && shown == 0 {
        let text = screen.paint(Tone::Good, "the kernel has what it should have");
        writeln!(screen, "{text}")?;
    }
    Ok(())
}
