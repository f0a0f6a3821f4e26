//! Sets and policies.

use heddle_bgp_core::{Asn, Family, Prefix};

use super::fib::globs;
use super::names::Names;
use super::reader::{Reader, Value, Words, ip_address};
use super::router::asn_of;
use crate::error::{Conflict, NameKind, Problem};
use crate::schema::Table;
use crate::value::{
    Add, AsPathSet, Community, CommunityMatch, CommunityPattern, CommunitySet, Conditions, Located, Modifications,
    NextHopAction, Origin, PeerAddress, Policy, PolicyDefault, PrefixRange, PrefixRangeError, PrefixSet, Prepend,
    Range, Remove, RouteType, Rule, RuleAction, SetAttributes,
};

/// Any number of 32 bits.
const NUMBER: (i64, i64) = (0, u32::MAX as i64);

pub(crate) const ORIGINS: &Words<Origin> =
    &[("igp", Origin::Igp), ("egp", Origin::Egp), ("incomplete", Origin::Incomplete)];
pub(crate) const ORIGIN_WORDS: &str = "\"igp\", \"egp\" or \"incomplete\"";
const ACTIONS: &Words<RuleAction> =
    &[("accept", RuleAction::Accept), ("reject", RuleAction::Reject), ("next", RuleAction::Next)];
const ACTION_WORDS: &str = "\"accept\", \"reject\" or \"next\"";

pub(crate) fn community(text: &str) -> Result<Community, Problem> {
    text.parse().map_err(|reason| Problem::Community { text: text.to_owned(), reason })
}

fn community_pattern(text: &str) -> Result<CommunityPattern, Problem> {
    text.parse().map_err(|reason| Problem::Community { text: text.to_owned(), reason })
}

fn range_problem(text: &str, reason: PrefixRangeError) -> Problem {
    match reason {
        PrefixRangeError::Prefix(error) => Problem::Prefix(error),
        PrefixRangeError::Shape | PrefixRangeError::Order(..) => Problem::PrefixRange { text: text.to_owned(), reason },
    }
}

/// `[[prefix_sets]]`.
pub(crate) fn prefix_sets(root: &Reader<'_, '_>) -> Vec<PrefixSet> {
    let set = |r: Reader<'_, '_>| {
        let prefixes = prefix_ranges(&r, "prefixes");
        Some(PrefixSet { name: r.name("name")?.to_owned(), prefixes })
    };
    root.tables("prefix_sets", Table::PrefixSet).into_iter().filter_map(set).collect()
}

/// `[[community_sets]]`.
pub(crate) fn community_sets(root: &Reader<'_, '_>) -> Vec<CommunitySet> {
    let set = |r: Reader<'_, '_>| {
        let communities = r.list("communities", community_pattern).unwrap_or_default();
        Some(CommunitySet { name: r.name("name")?.to_owned(), communities })
    };
    root.tables("community_sets", Table::CommunitySet).into_iter().filter_map(set).collect()
}

/// `[[as_path_sets]]`.
pub(crate) fn as_path_sets(root: &Reader<'_, '_>) -> Vec<AsPathSet> {
    let set = |r: Reader<'_, '_>| {
        let expressions = expressions(&r, "expressions");
        Some(AsPathSet { name: r.name("name")?.to_owned(), expressions })
    };
    root.tables("as_path_sets", Table::AsPathSet).into_iter().filter_map(set).collect()
}

/// Prefixes with bounds, as texts or tables.
pub(crate) fn prefix_ranges(reader: &Reader<'_, '_>, key: &'static str) -> Vec<PrefixRange> {
    let items = reader.items(key).unwrap_or_default();
    items.into_iter().filter_map(|item| prefix_range(reader, key, item)).collect()
}

fn prefix_range<'t>(reader: &Reader<'_, 't>, key: &'static str, item: &Value<'t>) -> Option<PrefixRange> {
    if !item.get_ref().is_table() {
        return reader.parsed_of(key, item, &|text: &str| text.parse().map_err(|e| range_problem(text, e)));
    }
    let table = reader.table_of(key, item, Table::PrefixRange)?;
    if table.get("prefix").is_none() {
        table.missing("prefix");
    }
    let prefix = table.parsed("prefix", |text| Ok(text.parse::<Prefix>()?))?;
    let longest = if prefix.addr().is_ipv4() { 32 } else { 128 };
    let (ge, le) = (table.integer("ge", (0, longest)), table.integer("le", (0, longest)));
    let range = PrefixRange::new(prefix, ge, le);
    range.map_err(|e| reader.source.error(item.span(), range_problem(&prefix.to_string(), e))).ok()
}

/// AS_PATH expressions with their places, for whoever compiles them.
fn expressions(reader: &Reader<'_, '_>, key: &'static str) -> Vec<Located<String>> {
    let items = reader.items(key).unwrap_or_default();
    let located = |item: &Value<'_>| {
        let text = item.get_ref().as_str();
        let Some(text) = text else {
            reader.wrong_type(key, item, "a text in quotes");
            return None;
        };
        let written = reader.source.slice(item.span());
        let start = item.span().start;
        if let Err(error) = (reader.source.check_expression)(text) {
            let at = start + written_offset(written, error.column);
            let problem = Problem::Expression { text: text.to_owned(), reason: error.reason };
            reader.source.error(at..at.saturating_add(1).min(item.span().end).max(at), problem);
        }
        let at = Some(reader.source.location(start + written_offset(written, 1)));
        Some(Located { value: text.to_owned(), at })
    };
    items.into_iter().filter_map(located).collect()
}

/// Where in a text as written, quotes and escapes and all, its so-many-th character (from 1) stands, in octets.
fn written_offset(written: &str, column: usize) -> usize {
    let long = written.starts_with("\"\"\"") || written.starts_with("'''");
    let quotes = if long { 3 } else { 1 };
    let body = written.get(quotes..).unwrap_or_default();
    if !written.starts_with('"') {
        return quotes + body.char_indices().nth(column.saturating_sub(1)).map_or(0, |(i, _)| i);
    }
    let mut offset = quotes;
    let mut chars = body.chars();
    for _ in 1..column {
        let Some(c) = chars.next() else { break };
        offset += c.len_utf8();
        if c != '\\' {
            continue;
        }
        let Some(escaped) = chars.next() else { break };
        offset += escaped.len_utf8();
        let digits = match escaped {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        offset += chars.by_ref().take(digits).map(char::len_utf8).sum::<usize>();
    }
    offset
}

/// `[[policies]]`.
pub(crate) fn policies(root: &Reader<'_, '_>, names: &Names) -> Vec<Policy> {
    const DEFAULTS: &Words<PolicyDefault> =
        &[("accept", PolicyDefault::Accept), ("reject", PolicyDefault::Reject), ("next", PolicyDefault::Next)];
    let policy = |r: Reader<'_, '_>| {
        let default = r.word("default", DEFAULTS, ACTION_WORDS).unwrap_or_default();
        let rules = r.tables("rules", Table::Rule);
        let rules = rules.into_iter().map(|rule_reader| rule(&rule_reader, names)).collect();
        Some(Policy { name: r.name("name")?.to_owned(), default, rules })
    };
    root.tables("policies", Table::Policy).into_iter().filter_map(policy).collect()
}

fn rule(reader: &Reader<'_, '_>, names: &Names) -> Rule {
    let conditions = reader.sub_table("match", Table::Match).map(|r| conditions(&r, names));
    let (modifications, action) = match reader.get("then") {
        None => {
            reader.missing("then");
            Default::default()
        }
        Some(value) if value.get_ref().is_str() => {
            let action = reader.word_of("then", value, ACTIONS, ACTION_WORDS);
            (Modifications::default(), action.unwrap_or_default())
        }
        Some(value) => match reader.table_of("then", value, Table::Then) {
            Some(r) => then(&r, names),
            None => Default::default(),
        },
    };
    Rule {
        name: reader.text("name").filter(|n| !n.is_empty()).map(str::to_owned),
        conditions: conditions.unwrap_or_default(),
        modifications,
        action,
    }
}

fn conditions(reader: &Reader<'_, '_>, names: &Names) -> Conditions {
    const MATCHES: &Words<CommunityMatch> =
        &[("any", CommunityMatch::Any), ("all", CommunityMatch::All), ("none", CommunityMatch::None)];
    let named = |kind, key| names.list(reader, kind, key).unwrap_or_default();
    let community_match = reader.word("community_match", MATCHES, "\"any\", \"all\" or \"none\"");
    if community_match.is_some() && reader.get("community_set").is_none() && reader.get("communities").is_none() {
        reader.source.error(reader.span("community_match"), Conflict::CommunityMatchAlone);
    }
    Conditions {
        prefix_sets: named(NameKind::PrefixSet, "prefix_set"),
        prefixes: prefix_ranges(reader, "prefixes"),
        community_sets: named(NameKind::CommunitySet, "community_set"),
        communities: reader.list("communities", community_pattern).unwrap_or_default(),
        community_match: community_match.unwrap_or_default(),
        as_path_sets: named(NameKind::AsPathSet, "as_path_set"),
        as_paths: expressions(reader, "as_path"),
        as_path_length: range(reader, "as_path_length"),
        next_hops: reader.list("next_hop", next_hop_range).unwrap_or_default(),
        origins: origins(reader),
        med: range(reader, "med"),
        local_pref: range(reader, "local_pref"),
        peers: reader.list("peer", peer_address("peer")).unwrap_or_default(),
        families: reader.list("family", |text| Ok(text.parse::<Family>()?)).unwrap_or_default(),
        not_prefixes: prefix_ranges(reader, "not_prefixes"),
        interfaces: globs(reader, "interface").unwrap_or_default(),
        route_types: route_types(reader),
    }
}

/// Reads the address of a peer.
pub(crate) fn peer_address(key: &'static str) -> impl Fn(&str) -> Result<PeerAddress, Problem> {
    move |text| text.parse().map_err(|reason| Problem::Address { key: key.to_owned(), text: text.to_owned(), reason })
}

/// An address alone is the prefix of just this address.
fn next_hop_range(text: &str) -> Result<PrefixRange, Problem> {
    if text.contains('/') {
        return text.parse().map_err(|e| range_problem(text, e));
    }
    let address = ip_address("next_hop")(text)?;
    let length = if address.is_ipv4() { 32 } else { 128 };
    let shape = || heddle_bgp_core::prefix::PrefixParseError::Shape(text.to_owned());
    Ok(PrefixRange::exact(Prefix::new(address, length).ok_or_else(shape)?))
}

fn origins(reader: &Reader<'_, '_>) -> Vec<Origin> {
    let items = reader.items("origin").unwrap_or_default();
    items.into_iter().filter_map(|item| reader.word_of("origin", item, ORIGINS, ORIGIN_WORDS)).collect()
}

fn route_types(reader: &Reader<'_, '_>) -> Vec<RouteType> {
    const TYPES: &Words<RouteType> =
        &[("local", RouteType::Local), ("ebgp", RouteType::Ebgp), ("ibgp", RouteType::Ibgp)];
    let items = reader.items("route_type").unwrap_or_default();
    let word = |item| reader.word_of("route_type", item, TYPES, "\"local\", \"ebgp\" or \"ibgp\"");
    items.into_iter().filter_map(word).collect()
}

/// A number, or a table with `ge` and `le`.
fn range(reader: &Reader<'_, '_>, key: &'static str) -> Option<Range> {
    let value = reader.get(key)?;
    if !value.get_ref().is_table() {
        let n = reader.integer::<u32>(key, NUMBER)?;
        return Some(Range { ge: n, le: n });
    }
    let table = reader.table_of(key, value, Table::Range)?;
    let range =
        Range { ge: table.integer("ge", NUMBER).unwrap_or(0), le: table.integer("le", NUMBER).unwrap_or(u32::MAX) };
    if range.ge > range.le {
        reader.source.error(value.span(), Conflict::RangeOrder);
    }
    Some(range)
}

fn then(reader: &Reader<'_, '_>, names: &Names) -> (Modifications, RuleAction) {
    const DELTA: (i64, i64) = (-(u32::MAX as i64), u32::MAX as i64);
    let mut modifications = Modifications::default();
    if let Some(r) = reader.sub_table("remove", Table::Remove) {
        modifications.remove = Remove {
            communities: r.list("communities", community_pattern).unwrap_or_default(),
            community_sets: names.list(&r, NameKind::CommunitySet, "community_set").unwrap_or_default(),
            med: r.boolean("med").unwrap_or_default(),
        };
    }
    if let Some(r) = reader.sub_table("set", Table::Set) {
        modifications.set = SetAttributes {
            local_pref: r.integer("local_pref", NUMBER),
            med: r.integer("med", NUMBER),
            origin: r.word("origin", ORIGINS, ORIGIN_WORDS),
            next_hop: r.parsed("next_hop", next_hop_action),
            communities: r.list("communities", community),
        };
    }
    if let Some(r) = reader.sub_table("add", Table::Add) {
        modifications.add = Add {
            communities: r.list("communities", community).unwrap_or_default(),
            local_pref: r.integer("local_pref", DELTA),
            med: r.integer("med", DELTA),
        };
    }
    modifications.prepend = prepend(reader);
    let action = reader.word("action", ACTIONS, ACTION_WORDS);
    if reader.is_empty() {
        reader.source.error(reader.own_span(), Conflict::IdleRule);
    }
    (modifications, action.unwrap_or_default())
}

fn next_hop_action(text: &str) -> Result<NextHopAction, Problem> {
    match text {
        "self" => Ok(NextHopAction::SelfAddress),
        "unchanged" => Ok(NextHopAction::Unchanged),
        address => ip_address("next_hop")(address).map(NextHopAction::Address),
    }
}

/// A number of times, a list of ASes, or a table.
fn prepend(reader: &Reader<'_, '_>) -> Option<Prepend> {
    const MOST: usize = 32;
    const TIMES: (i64, i64) = (1, 32);
    let value = reader.get("prepend")?;
    if value.get_ref().is_integer() {
        return Some(Prepend::Own(reader.integer("prepend", TIMES)?));
    }
    if let Some(list) = value.get_ref().as_array() {
        let (key, found, max) = ("prepend".to_owned(), list.len(), MOST);
        if list.is_empty() {
            reader.source.error(value.span(), Problem::Empty { key, expected: "AS numbers, or leave it out" });
        } else if found > max {
            reader.source.error(value.span(), Problem::TooMany { key, found, max });
        }
        return Some(Prepend::List(list.iter().filter_map(|item| asn_of(reader, "prepend", item)).collect()));
    }
    let table = reader.table_of("prepend", value, Table::Prepend)?;
    let asn: Option<Asn> = table.get("asn").and_then(|v| asn_of(&table, "asn", v));
    let times: u8 = table.integer("times", TIMES).unwrap_or(1);
    Some(match asn {
        Some(asn) => Prepend::List(vec![asn; times.into()]),
        None => Prepend::Own(times),
    })
}
