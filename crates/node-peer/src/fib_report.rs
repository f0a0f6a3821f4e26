//! The forwarding table as the API shows it.

use std::collections::HashMap;
use std::sync::Arc;

use heddle_admin::types::{FibPage, FibQuery, FibRoute, FibState, FibSummary, KernelLeg, KernelRoute};
use heddle_bgp_core::Prefix;
use heddle_fib_sync::FibSync;
use heddle_fib_sync::route::{Dead, IfIndex, Leg, OnLink, Target};
use heddle_fib_sync::status::{Cursor, Filter, Row, State};
use ipnetwork::IpNetwork;

/// The table in numbers.
pub(crate) fn numbers(fib: &FibSync) -> FibSummary {
    let c = fib.counters();
    let settings = fib.settings();
    FibSummary {
        table: settings.table,
        protocol: settings.protocol,
        desired: c.wanted.saturating_sub(c.rejected),
        // Those of the run before are counted by themselves.
        installed: c.installed.saturating_sub(c.stale),
        pending: c.pending,
        conflicts: c.conflicts,
        held: c.held,
        unresolved: c.unresolved,
        stale: c.stale,
        writes: c.created + c.replaced + c.deleted,
        failures: c.failures,
        repairs: c.repairs,
        resyncs: c.dumps,
        overruns: c.overruns,
    }
}

/// A page of routes.
pub(crate) fn page(fib: &mut FibSync, query: &FibQuery) -> FibPage {
    let filter = if query.differing { Filter::Differing } else { Filter::All };
    let from = query.from.map_or_else(Cursor::default, Cursor::from);
    let page = fib.show(from, filter);
    let names: HashMap<IfIndex, Arc<str>> = fib.interface_names().into_iter().map(|i| (i.index, i.name)).collect();
    let wanted = |row: &Row| query.prefix.is_none_or(|p| covers(p, row.prefix));
    let routes = page.rows.iter().filter(|r| wanted(r)).filter_map(|r| route(r, &names));
    FibPage { routes: routes.collect(), summary: numbers(fib), next: page.next.map(u32::from) }
}

fn covers(outer: IpNetwork, inner: Prefix) -> bool {
    Prefix::new(outer.network(), outer.prefix()).is_some_and(|outer| outer.contains(inner))
}

fn route(row: &Row, names: &HashMap<IfIndex, Arc<str>>) -> Option<FibRoute> {
    let desired = row.desired.as_ref().and_then(|d| {
        let target = d.target.as_ref()?;
        Some(kernel_route(d.metric, d.protocol, target, names))
    });
    let actual = row.actual.first().map(|p| kernel_route(p.metric, p.protocol, &p.target, names));
    let (state, reason) = state(&row.state);
    Some(FibRoute { prefix: IpNetwork::new(row.prefix.addr(), row.prefix.len()).ok()?, state, reason, desired, actual })
}

fn state(state: &State) -> (FibState, Option<String>) {
    match state {
        State::Installed => (FibState::Installed, None),
        State::Pending => (FibState::Pending, None),
        State::Conflict { protocol } => (
            FibState::Conflict,
            Some(format!("a route of protocol {protocol} has its place; it is tried again when that goes")),
        ),
        State::Refused { error } => {
            let text = std::io::Error::from_raw_os_error(*error);
            (FibState::Failed, Some(format!("the kernel refuses it: {text}")))
        }
        State::Held { why, .. } => (FibState::Held, Some(format!("{why}; the last good route stays for a while"))),
        State::Unresolved { why, .. } => (FibState::Unresolved, Some(why.to_string())),
        State::Rejected { rule } => (FibState::Rejected, Some(format!("rule {rule}"))),
        State::Stale => {
            let text = "nobody wants it, it is of the run before; it goes when the peers have told their routes";
            (FibState::Stale, Some(text.to_owned()))
        }
    }
}

fn kernel_route(metric: u32, protocol: u8, target: &Target, names: &HashMap<IfIndex, Arc<str>>) -> KernelRoute {
    let (kind, nexthop_id, legs) = match target {
        Target::Legs(legs) => ("unicast", None, legs.iter().map(|l| leg(l, names)).collect()),
        Target::Object(id) => ("unicast", Some(*id), Vec::new()),
        Target::Dead(Dead::Blackhole) => ("blackhole", None, Vec::new()),
        Target::Dead(Dead::Unreachable) => ("unreachable", None, Vec::new()),
        Target::Dead(Dead::Prohibit) => ("prohibit", None, Vec::new()),
        Target::Dead(Dead::Other) => ("other", None, Vec::new()),
    };
    KernelRoute { kind: kind.to_owned(), metric, protocol, nexthop_id, legs }
}

fn leg(leg: &Leg, names: &HashMap<IfIndex, Arc<str>>) -> KernelLeg {
    KernelLeg {
        via: leg.gateway,
        interface: names.get(&leg.interface).map(ToString::to_string),
        weight: leg.weight,
        onlink: leg.on_link == OnLink::Yes,
    }
}
