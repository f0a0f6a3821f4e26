//! `heddle show routes`.

use heddle_admin::Client;
use heddle_admin::types::{Match, RouteQuery, RouteView};

use super::route_detail;
use super::route_table::RouteTable;
use crate::args::Routes;
use crate::exit::Failure;
use crate::screen::Screen;
use crate::words::count;

/// What is asked of the daemon.
pub(super) fn query(args: &Routes) -> RouteQuery {
    let matching = match (args.prefix, args.longest, args.longer) {
        (_, _, true) => Match::Longer,
        (_, true, false) => Match::Longest,
        (Some(lookup), false, false) if lookup.is_address => Match::Longest,
        (Some(_) | None, false, false) => Match::Exact,
    };
    let view = match (args.received, args.advertised, args.best) {
        (true, _, _) => RouteView::Received,
        (false, true, _) => RouteView::Advertised,
        (false, false, true) => RouteView::Best,
        (false, false, false) => RouteView::All,
    };
    RouteQuery {
        family: args.family,
        prefix: args.prefix.map(|lookup| lookup.prefix),
        matching,
        peer: args.peer.clone(),
        view,
        explain: args.explain,
    }
}

pub(super) async fn run(client: &Client, args: &Routes, screen: &mut Screen) -> Result<(), Failure> {
    let query = query(args);
    let one = query.prefix.is_some() && query.matching != Match::Longer;
    let detail = args.detail || (one && !args.brief);
    let mut destinations = client.routes(&query).await?;
    let mut table = RouteTable::new(screen.width());
    let (mut routes, mut paths) = (0_u64, 0_u64);
    while let Some(destination) = destinations.next().await? {
        routes += 1;
        paths += u64::try_from(destination.paths.len()).unwrap_or(u64::MAX);
        if detail {
            if routes > 1 {
                writeln!(screen)?;
            }
            route_detail::write(&destination, screen)?;
        } else {
            table.push(destination, screen)?;
        }
    }
    table.finish(screen)?;
    if one && routes == 0 {
        return Err(no_route(&query));
    }
    if !one {
        writeln!(screen, "\n{}, {}", count(routes, "route", "routes"), count(paths, "path", "paths"))?;
    }
    Ok(())
}

fn no_route(query: &RouteQuery) -> Failure {
    let prefix = query.prefix.map_or_else(String::new, |prefix| prefix.to_string());
    let table = match (query.view, &query.peer) {
        (RouteView::Received, Some(peer)) => format!(" from {peer}"),
        (RouteView::Advertised, Some(peer)) => format!(" to {peer}"),
        (RouteView::All | RouteView::Best, Some(peer)) => format!(" of {peer}"),
        (RouteView::All | RouteView::Best | RouteView::Received | RouteView::Advertised, None) => String::new(),
    };
    let (what, hint) = match query.matching {
        Match::Longest => (format!("that covers {prefix}{table}"), ""),
        Match::Exact | Match::Longer => {
            (format!("{prefix}{table}"), "; try --longest for what covers it, or --longer for what is below it")
        }
    };
    Failure::NoRoute { what, hint }
}
