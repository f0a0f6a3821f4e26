//! `[fib]`.

use std::collections::BTreeMap;

use heddle_bgp_core::Prefix;

use super::policy::prefix_ranges;
use super::reader::{Reader, Value, Words, ip_address};
use crate::error::{Conflict, Problem};
use crate::schema::{Table, nearest};
use crate::value::{
    Fib, FibAction, FibRule, NexthopObjects, PROTOCOL_NAMES, RouteMetric, StaticRoute, Tunnel, is_interface_glob,
    is_interface_name,
};

/// A day.
const DAY: (i64, i64) = (1, 86_400);
/// Protocol numbers that a program may have: 0 to 4 are the kernel's own and those of the administrator.
const OURS: (i64, i64) = (5, 255);
/// Protocol numbers whose routes may become ours: those of the kernel itself may not.
const ADOPTED: (i64, i64) = (3, 255);
/// All protocol numbers but "unspecified".
const LEARNED: (i64, i64) = (1, 255);
/// Metrics that leave a LOCAL_PREF of at least 1.
const METRIC: (i64, i64) = (1, Fib::METRIC_BASE as i64 - 1);
/// RT_TABLE_LOCAL: the kernel's own addresses.
const LOCAL_TABLE: u32 = 255;

const OBJECTS: &Words<NexthopObjects> =
    &[("auto", NexthopObjects::Auto), ("always", NexthopObjects::Always), ("never", NexthopObjects::Never)];
/// The actions that are a word.
const ACTIONS: &Words<Plain> = &[("install", Plain::Install), ("reject", Plain::Reject)];
const ACTION_WORDS: &str = "\"install\", \"reject\" or { tunnel = \"INTERFACE\" }";

/// An action without anything to it.
#[derive(Clone, Copy)]
enum Plain {
    Install,
    Reject,
}

/// The forwarding table.
pub(crate) fn fib(reader: &Reader<'_, '_>) -> Fib {
    let default = Fib::default();
    let own = reader.get("protocol").and_then(|v| protocol(reader, "protocol", v, OURS)).unwrap_or(default.protocol);
    let workload_protocol = reader
        .get("workload_protocol")
        .and_then(|v| protocol(reader, "workload_protocol", v, OURS))
        .filter(|n| *n != own);
    let table = reader.integer("table", (1, u32::MAX.into())).unwrap_or(default.table);
    if table == LOCAL_TABLE {
        reader.source.error(reader.span("table"), Conflict::LocalTable);
    }
    let metric = reader.sub_table("metric", Table::RouteMetric).map(|r| RouteMetric {
        v4: r.integer("v4", METRIC).unwrap_or(default.metric.v4),
        v6: r.integer("v6", METRIC).unwrap_or(default.metric.v6),
    });
    let adopt_protocols = protocols(reader, "adopt_protocols", ADOPTED, &[own]);
    let learn_protocols = protocols(reader, "learn_protocols", LEARNED, &[&[own], adopt_protocols.as_slice()].concat());
    Fib {
        table,
        protocol: own,
        workload_protocol,
        adopt_protocols,
        learn_protocols,
        workload_interfaces: globs(reader, "workload_interfaces").unwrap_or(default.workload_interfaces),
        ignored_interfaces: globs(reader, "ignored_interfaces").unwrap_or(default.ignored_interfaces),
        metric: metric.unwrap_or(default.metric),
        nexthop_objects: reader
            .word("nexthop_objects", OBJECTS, "\"auto\", \"always\" or \"never\"")
            .unwrap_or(default.nexthop_objects),
        stale_time: reader.seconds("stale_time", DAY).unwrap_or(default.stale_time),
        unresolved_time: reader.seconds("unresolved_time", (0, 86_400)).unwrap_or(default.unresolved_time),
        manage_sysctls: reader.boolean("manage_sysctls").unwrap_or(default.manage_sysctls),
        static_routes: static_routes(reader),
        rules: reader.tables("rules", Table::FibRule).iter().filter_map(rule).collect(),
    }
}

/// A protocol number, or its name in `rt_protos`.
fn protocol<'t>(reader: &Reader<'_, 't>, key: &str, value: &Value<'t>, range: (i64, i64)) -> Option<u8> {
    let number = match value.get_ref().as_str() {
        None => reader.integer_of(key, value, range)?,
        Some(text) => {
            let Some((_, number)) = PROTOCOL_NAMES.iter().find(|(name, _)| *name == text) else {
                let near = nearest(text, PROTOCOL_NAMES.iter().map(|(name, _)| *name));
                let expected = "a number, or a name such as \"bird\", \"zebra\", \"static\", \"boot\" or \"dhcp\"";
                let problem = Problem::NotOneOf { key: key.to_owned(), found: text.to_owned(), expected, near };
                reader.source.error(value.span(), problem);
                return None;
            };
            let number = i64::from(*number);
            if !(range.0..=range.1).contains(&number) {
                let found = format!("{text} ({number})");
                let problem = Problem::OutOfRange { key: key.to_owned(), found, min: range.0, max: range.1 };
                reader.source.error(value.span(), problem);
                return None;
            }
            number
        }
    };
    u8::try_from(number).ok()
}

/// A list of protocols, none of which is among `taken`.
fn protocols(reader: &Reader<'_, '_>, key: &'static str, range: (i64, i64), taken: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    for item in reader.items(key).unwrap_or_default() {
        let Some(number) = protocol(reader, key, item, range) else { continue };
        if taken.contains(&number) {
            reader.source.error(item.span(), Conflict::ProtocolIsOurs);
        } else if !list.contains(&number) {
            list.push(number);
        }
    }
    list
}

/// Names of interfaces in the manner of a shell.
pub(crate) fn globs(reader: &Reader<'_, '_>, key: &'static str) -> Option<Vec<String>> {
    reader.list(key, |text| {
        if is_interface_glob(text) {
            return Ok(text.to_owned());
        }
        Err(Problem::InterfaceGlob { key: key.to_owned(), text: text.to_owned() })
    })
}

fn static_routes(reader: &Reader<'_, '_>) -> Vec<StaticRoute> {
    let mut seen: BTreeMap<Prefix, usize> = BTreeMap::new();
    let mut routes = Vec::new();
    for table in reader.tables("static_routes", Table::StaticRoute) {
        for key in ["prefix", "via"] {
            if table.get(key).is_none() {
                table.missing(key);
            }
        }
        let prefix = table.parsed("prefix", |text| Ok(text.parse::<Prefix>()?));
        let via = table.parsed("via", ip_address("via"));
        let (Some(prefix), Some(via)) = (prefix, via) else { continue };
        let span = table.span("prefix");
        if prefix.addr().is_ipv6() && via.is_ipv4() {
            reader.source.error(table.span("via"), Conflict::NextHopVersion);
        } else if let Some(first) = seen.get(&prefix) {
            let line = reader.source.line(*first);
            reader.source.error(span, Problem::Duplicate { what: format!("static route {prefix}"), line });
        } else {
            seen.insert(prefix, span.start);
            routes.push(StaticRoute { prefix, via });
        }
    }
    routes
}

fn rule(reader: &Reader<'_, '_>) -> Option<FibRule> {
    Some(FibRule {
        name: reader.text("name").filter(|n| !n.is_empty()).map(str::to_owned),
        prefixes: prefix_ranges(reader, "prefixes"),
        next_hops: reader.list("next_hop", ip_address("next_hop")).unwrap_or_default(),
        action: action(reader)?,
    })
}

fn action(reader: &Reader<'_, '_>) -> Option<FibAction> {
    let Some(value) = reader.get("then") else {
        reader.missing("then");
        return None;
    };
    if !value.get_ref().is_table() {
        return reader.word_of("then", value, ACTIONS, ACTION_WORDS).map(|word| match word {
            Plain::Install => FibAction::Install,
            Plain::Reject => FibAction::Reject,
        });
    }
    let table = reader.table_of("then", value, Table::FibThen)?;
    if table.get("tunnel").is_none() {
        table.missing("tunnel");
    }
    let interface = table.parsed("tunnel", |text| {
        if is_interface_name(text) {
            return Ok(text.to_owned());
        }
        Err(Problem::Interface { key: "tunnel".to_owned(), text: text.to_owned() })
    });
    let except = table.list("except", |text| Ok(text.parse::<Prefix>()?)).unwrap_or_default();
    Some(FibAction::Tunnel(Tunnel { interface: interface?, except }))
}
