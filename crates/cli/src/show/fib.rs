//! `heddle show fib`.

use heddle_admin::Client;
use heddle_admin::types::{FibPage, FibQuery, FibRoute, FibState, FibSummary, KernelLeg, KernelRoute};

use crate::args::Fib;
use crate::exit::Failure;
use crate::screen::{Screen, Tone};
use crate::table::{Align, Cell, Table};
use crate::words::{count, printable};

/// Shows the forwarding table.
pub(super) async fn run(client: &Client, args: &Fib, screen: &mut Screen) -> Result<(), Failure> {
    let whole = fetch(client, args).await?;
    write(&whole.routes, args.diff, screen)?;
    Ok(conclude(&whole, args, screen)?)
}

/// The same as JSON: one object with all routes.
pub(super) async fn json(client: &Client, args: &Fib, screen: &mut Screen) -> Result<(), Failure> {
    let text = serde_json::to_string(&fetch(client, args).await?).map_err(std::io::Error::from)?;
    Ok(writeln!(screen, "{text}")?)
}

/// All pages, in the order of prefixes.
async fn fetch(client: &Client, args: &Fib) -> Result<FibPage, Failure> {
    let mut query = FibQuery { prefix: args.prefix, differing: args.diff, from: None };
    let mut routes = Vec::new();
    loop {
        let mut page = client.fib(&query).await?;
        routes.append(&mut page.routes);
        query.from = page.next;
        if page.next.is_none() {
            routes.sort_by_key(|r| r.prefix);
            return Ok(FibPage { routes, ..page });
        }
    }
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
            desired.or_else(|| actual.map(|r| ("", r))).into_iter().collect()
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
        return vec![printable(&route.kind)];
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

/// What is not simply installed, in numbers.
pub(super) fn unusual(summary: &FibSummary) -> impl Iterator<Item = String> {
    let others = [
        (summary.pending, "pending"),
        (summary.conflicts, "in conflict"),
        (summary.held, "held"),
        (summary.unresolved, "unresolved"),
        (summary.stale, "stale"),
    ];
    others.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}"))
}

/// The last line: whether all is as it should be.
fn conclude(whole: &FibPage, args: &Fib, screen: &mut Screen) -> std::io::Result<()> {
    let summary = &whole.summary;
    if !whole.routes.is_empty() {
        writeln!(screen)?;
    }
    let mut parts = vec![format!("{} installed", summary.installed)];
    parts.extend(unusual(summary));
    let desired = count(summary.desired, "route", "routes");
    let place = format!("table {}, protocol {}", summary.table, summary.protocol);
    writeln!(screen, "{desired} wanted in the kernel ({place}): {}", parts.join(", "))?;
    if args.diff && whole.routes.is_empty() {
        let of = args.prefix.map_or_else(String::new, |p| format!(" in {p}"));
        let text = screen.paint(Tone::Good, format!("the kernel has what it should have{of}"));
        writeln!(screen, "{text}")?;
    }
    Ok(())
}
