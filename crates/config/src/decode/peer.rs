//! The settings of a peer or group: a layer of keys over the settings below it.

use std::collections::BTreeMap;
use std::ops::Range;

use heddle_bgp_core::Family;

use super::authentication::keys;
use super::guard::guard;
use super::names::Names;
use super::policy::peer_address;
use super::reader::{Reader, Value, Words};
use super::router::asn_of;
use crate::error::{Conflict, NameKind, Problem};
use crate::schema::Table;
use crate::value::{
    AddPath, AddPathSend, FamilySettings, GracefulRestartMode, IdleHold, LimitAction, LocalAs, NextHopMode, PeerAs,
    PeerFamily, PeerSettings, PrefixLimit, RemovePrivateAs, Role, Seconds,
};

/// Seconds of a timer.
const TIMER: (i64, i64) = (0, 65_535);
/// The same where 0 means nothing.
const POSITIVE_TIMER: (i64, i64) = (1, 65_535);

const ROLES: &Words<Option<Role>> = &[
    ("provider", Some(Role::Provider)),
    ("customer", Some(Role::Customer)),
    ("peer", Some(Role::Peer)),
    ("route-server", Some(Role::RouteServer)),
    ("route-server-client", Some(Role::RouteServerClient)),
    ("none", None),
];
const ROLE_WORDS: &str = "\"provider\", \"customer\", \"peer\", \"route-server\", \"route-server-client\" or \"none\"";
const NEXT_HOPS: &Words<NextHopMode> =
    &[("auto", NextHopMode::Auto), ("self", NextHopMode::SelfAddress), ("unchanged", NextHopMode::Unchanged)];

/// Keys of a family, as written in `families.NAME` or for all families of a peer.
#[derive(Clone, Default)]
struct FamilyKeys {
    import_policy: Option<Vec<String>>,
    export_policy: Option<Vec<String>>,
    add_path_receive: Option<bool>,
    add_path_send: Option<AddPathSend>,
    next_hop: Option<NextHopMode>,
    extended_next_hop: Option<bool>,
    prefix_limit: Option<Option<PrefixLimit>>,
    prefix_limit_out: Option<Option<PrefixLimit>>,
    default_originate: Option<bool>,
}

impl FamilyKeys {
    fn read(reader: &Reader<'_, '_>, names: &Names) -> Self {
        const SEND: &Words<AddPathSend> = &[("all", AddPathSend::All)];
        let add_path = reader.sub_table("add_path", Table::AddPath);
        let send = |r: &Reader<'_, '_>| {
            let value = r.get("send")?;
            if value.get_ref().is_str() {
                return r.word_of("send", value, SEND, "\"all\" or a number");
            }
            r.integer::<u16>("send", (0, 65_535)).map(|n| if n == 0 { AddPathSend::Off } else { AddPathSend::Best(n) })
        };
        Self {
            import_policy: names.list(reader, NameKind::Policy, "import_policy"),
            export_policy: names.list(reader, NameKind::Policy, "export_policy"),
            add_path_receive: add_path.as_ref().and_then(|r| r.boolean("receive")),
            add_path_send: add_path.as_ref().and_then(send),
            next_hop: reader.word("next_hop", NEXT_HOPS, "\"auto\", \"self\" or \"unchanged\""),
            extended_next_hop: reader.boolean("extended_next_hop"),
            prefix_limit: prefix_limit(reader, "prefix_limit"),
            prefix_limit_out: prefix_limit(reader, "prefix_limit_out"),
            default_originate: reader.boolean("default_originate"),
        }
    }

    /// The settings below with these keys over them.
    fn over(&self, below: &FamilySettings) -> FamilySettings {
        let keys = self.clone();
        FamilySettings {
            import_policy: keys.import_policy.unwrap_or_else(|| below.import_policy.clone()),
            export_policy: keys.export_policy.unwrap_or_else(|| below.export_policy.clone()),
            add_path: AddPath {
                receive: keys.add_path_receive.unwrap_or(below.add_path.receive),
                send: keys.add_path_send.unwrap_or(below.add_path.send),
            },
            next_hop: keys.next_hop.unwrap_or(below.next_hop),
            extended_next_hop: keys.extended_next_hop.unwrap_or(below.extended_next_hop),
            prefix_limit: keys.prefix_limit.unwrap_or(below.prefix_limit),
            prefix_limit_out: keys.prefix_limit_out.unwrap_or(below.prefix_limit_out),
            default_originate: keys.default_originate.unwrap_or(below.default_originate),
        }
    }
}

/// `prefix_limit`: a number, a table, or `"none"`. The outer none: nothing said.
fn prefix_limit(reader: &Reader<'_, '_>, key: &'static str) -> Option<Option<PrefixLimit>> {
    const MAX: (i64, i64) = (1, u32::MAX as i64);
    const ACTIONS: &Words<Option<bool>> = &[("warn", None), ("restart", Some(true)), ("down", Some(false))];
    let value = reader.get(key)?;
    if value.get_ref().is_str() {
        return reader.word_of(key, value, &[("none", None)], "a number, a table or \"none\"");
    }
    let default = |max| PrefixLimit {
        max,
        warning_percent: PrefixLimit::DEFAULT_WARNING_PERCENT,
        action: LimitAction::Restart(PrefixLimit::DEFAULT_RESTART_AFTER),
    };
    if value.get_ref().is_integer() {
        return reader.integer(key, MAX).map(|max| Some(default(max)));
    }
    let table = reader.table_of(key, value, Table::PrefixLimit)?;
    if table.get("max").is_none() {
        table.missing("max");
    }
    let mut limit = default(table.integer("max", MAX).unwrap_or(1));
    limit.warning_percent = table.integer("warning_percent", (1, 100)).unwrap_or(limit.warning_percent);
    let pause = table.seconds("restart_after", (1, 86_400));
    match table.word("action", ACTIONS, "\"warn\", \"restart\" or \"down\"") {
        None | Some(Some(true)) => {
            limit.action = LimitAction::Restart(pause.unwrap_or(PrefixLimit::DEFAULT_RESTART_AFTER));
        }
        Some(other) => {
            limit.action = if other.is_none() { LimitAction::Warn } else { LimitAction::Down };
            if table.get("restart_after").is_some() {
                reader.source.error(table.span("restart_after"), Conflict::RestartAfterWithoutRestart);
            }
        }
    }
    Some(Some(limit))
}

/// Settings in the making: what is below, and this layer's keys over it.
#[derive(Clone)]
pub(crate) struct Layer {
    /// The AS, where one is given.
    pub(crate) asn: Option<PeerAs>,
    settings: PeerSettings,
    families: Vec<(Family, FamilyKeys)>,
    /// Where each key was given last.
    spans: BTreeMap<&'static str, Range<usize>>,
}

impl Default for Layer {
    fn default() -> Self {
        let settings = PeerSettings::default();
        let families = settings.families.iter().map(|f| (f.family, FamilyKeys::default())).collect();
        Self { asn: None, settings, families, spans: BTreeMap::new() }
    }
}

impl Layer {
    /// The keys of `reader` over this layer.
    pub(crate) fn with(mut self, reader: &Reader<'_, '_>, names: &Names) -> Self {
        for key in reader.kind.keys() {
            if reader.get(key.name).is_some() {
                self.spans.insert(key.name, reader.span(key.name));
            }
        }
        self.asn = peer_as(reader).or(self.asn);
        let below = self.settings.family_defaults.clone();
        self.settings.family_defaults = FamilyKeys::read(reader, names).over(&below);
        if let Some(families) = families(reader, names) {
            self.families = families;
        }
        self.about(reader);
        self.transport(reader);
        self.timers(reader);
        self.paths(reader);
        self.capabilities(reader);
        self
    }

    /// Complete settings.
    pub(crate) fn settings(&self) -> PeerSettings {
        let mut settings = self.settings.clone();
        let complete = |(family, keys): &(Family, FamilyKeys)| PeerFamily {
            family: *family,
            settings: keys.over(&settings.family_defaults),
        };
        settings.families = self.families.iter().map(complete).collect();
        settings.families.sort_by_key(|f| f.family);
        settings
    }

    /// Where a key was given; otherwise `or`.
    pub(crate) fn span(&self, key: &'static str, or: &Range<usize>) -> Range<usize> {
        self.spans.get(key).unwrap_or(or).clone()
    }

    fn about(&mut self, reader: &Reader<'_, '_>) {
        let s = &mut self.settings;
        let set_text = |slot: &mut Option<String>, key| {
            if let Some(text) = reader.text(key) {
                *slot = Some(text.to_owned()).filter(|t| !t.is_empty());
            }
        };
        set_text(&mut s.description, "description");
        set(&mut s.shutdown, reader.boolean("shutdown"));
        set_text(&mut s.shutdown_text, "shutdown_text");
        set_text(&mut s.blocked, "blocked");
        let (found, max) = (s.shutdown_text.as_ref().map_or(0, String::len), 255);
        if reader.get("shutdown_text").is_some() && found > max {
            // RFC 9003 §2: the length is one octet.
            let problem = Problem::TooLong { key: "shutdown_text".to_owned(), found, max };
            reader.source.error(reader.span("shutdown_text"), problem);
        }
    }

    fn transport(&mut self, reader: &Reader<'_, '_>) {
        let s = &mut self.settings;
        set(&mut s.port, reader.integer("port", (1, 65_535)));
        if let Some(text) = reader.text("local_address") {
            let address = (!text.is_empty()).then(|| reader.parsed("local_address", peer_address("local_address")));
            s.local_address = address.flatten();
        }
        set(&mut s.passive, reader.boolean("passive"));
        keys(reader, s);
        let nonzero = |n: u8| Some(n).filter(|n| *n > 0);
        set(&mut s.multihop, reader.integer("multihop", (0, 255)).map(nonzero));
        set(&mut s.ttl_security, reader.integer("ttl_security", (0, 254)).map(nonzero));
    }

    fn timers(&mut self, reader: &Reader<'_, '_>) {
        let s = &mut self.settings;
        if let Some(time) = reader.seconds("hold_time", TIMER) {
            // RFC 4271 §4.2: zero or at least three seconds.
            if time.0 == 1 || time.0 == 2 {
                let span = reader.get("hold_time").map_or_else(|| reader.own_span(), Value::span);
                reader.source.error(span, Problem::HoldTime(time.0));
            } else {
                s.hold_time = time;
            }
        }
        // A third of the longest hold time.
        set(&mut s.keepalive, reader.seconds("keepalive", (0, 21_845)).map(|t| Some(t).filter(|t| t.0 > 0)));
        set(&mut s.connect_retry, reader.seconds("connect_retry", POSITIVE_TIMER));
        set(&mut s.send_hold_time, seconds_or_default(reader, "send_hold_time", TIMER));
        set(&mut s.open_hold_time, reader.seconds("open_hold_time", POSITIVE_TIMER));
        if let Some(r) = reader.sub_table("idle_hold", Table::IdleHold) {
            let below = s.idle_hold;
            s.idle_hold = IdleHold {
                min: r.seconds("min", TIMER).unwrap_or(below.min),
                max: r.seconds("max", POSITIVE_TIMER).unwrap_or(below.max),
            };
            if s.idle_hold.min > s.idle_hold.max {
                reader.source.error(r.span("min"), Conflict::IdleHoldOrder);
            }
        }
    }

    fn paths(&mut self, reader: &Reader<'_, '_>) {
        let s = &mut self.settings;
        set(&mut s.route_reflector_client, reader.boolean("route_reflector_client"));
        if let Some(local_as) = local_as(reader) {
            s.local_as = local_as;
        }
        set(&mut s.allow_own_as, reader.integer("allow_own_as", (0, 10)));
        set(&mut s.enforce_first_as, reader.boolean("enforce_first_as"));
        set(&mut s.reject_as_sets, reject_as_sets(reader));
        set(&mut s.reject_as_zero, reader.boolean("reject_as_zero"));
        set(&mut s.guard, guard(reader));
        set(&mut s.remove_private_as, remove_private_as(reader));
        set(&mut s.as_override, reader.boolean("as_override"));
        set(&mut s.role, reader.word("role", ROLES, ROLE_WORDS));
        set(&mut s.strict_role, reader.boolean("strict_role"));
        set(&mut s.aigp, reader.boolean("aigp"));
    }

    fn capabilities(&mut self, reader: &Reader<'_, '_>) {
        let s = &mut self.settings;
        set(&mut s.extended_messages, reader.boolean("extended_messages"));
        set(&mut s.force_extended_open, reader.boolean("force_extended_open"));
        set(&mut s.four_octet_as, reader.boolean("four_octet_as"));
        set(&mut s.graceful_restart, graceful_restart(reader));
        // RFC 4724 §3: 12 bits.
        set(&mut s.restart_time, seconds_or_default(reader, "restart_time", (0, 4095)));
        set(&mut s.long_lived, reader.boolean("long_lived"));
    }
}

/// Puts a value that was given in its place.
fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// `asn`: a number, `"internal"` or `"external"`.
fn peer_as(reader: &Reader<'_, '_>) -> Option<PeerAs> {
    const WORDS: &Words<PeerAs> = &[("internal", PeerAs::Internal), ("external", PeerAs::External)];
    let value = reader.get("asn")?;
    if value.get_ref().is_str() {
        return reader.word_of("asn", value, WORDS, "an AS number without quotes, \"internal\" or \"external\"");
    }
    asn_of(reader, "asn", value).map(PeerAs::Asn)
}

/// `families`: a list of names, or a table a family.
fn families(reader: &Reader<'_, '_>, names: &Names) -> Option<Vec<(Family, FamilyKeys)>> {
    let value = reader.get("families")?;
    let mut families: Vec<(Family, FamilyKeys)> = Vec::new();
    if let Some(table) = value.get_ref().as_table() {
        for (name, value) in table {
            match name.get_ref().parse::<Family>() {
                Ok(family) => {
                    let keys = reader.table_of(name.get_ref(), value, Table::Family);
                    families.push((family, keys.map(|r| FamilyKeys::read(&r, names)).unwrap_or_default()));
                }
                Err(error) => reader.source.error(name.span(), error),
            }
        }
    } else {
        for item in reader.items("families")? {
            let Some(family) = reader.parsed_of("families", item, &|text: &str| Ok(text.parse::<Family>()?)) else {
                continue;
            };
            if families.iter().any(|(f, _)| *f == family) {
                let line = reader.source.line(value.span().start);
                let what = format!("family \"{family}\"");
                reader.source.error(item.span(), Problem::Duplicate { what, line });
            } else {
                families.push((family, FamilyKeys::default()));
            }
        }
    }
    let empty = value
        .get_ref()
        .as_table()
        .map_or_else(|| value.get_ref().as_array().is_some_and(|a| a.is_empty()), |table| table.is_empty());
    if empty {
        let expected = "\"ipv4-unicast\", \"ipv6-unicast\" or both";
        reader.source.error(value.span(), Problem::Empty { key: "families".to_owned(), expected });
    }
    Some(families)
}

/// `local_as`: a number or a table; the outer none: nothing said.
fn local_as(reader: &Reader<'_, '_>) -> Option<Option<LocalAs>> {
    let value = reader.get("local_as")?;
    if value.get_ref().is_table() {
        let table = reader.table_of("local_as", value, Table::LocalAs)?;
        let Some(asn) = table.get("asn") else {
            table.missing("asn");
            return None;
        };
        return Some(Some(LocalAs {
            asn: asn_of(&table, "asn", asn)?,
            no_prepend: table.boolean("no_prepend").unwrap_or_default(),
            replace_as: table.boolean("replace_as").unwrap_or_default(),
        }));
    }
    if value.get_ref().as_integer().is_some_and(|n| n.as_str() == "0") {
        return Some(None);
    }
    let asn = asn_of(reader, "local_as", value)?;
    Some(Some(LocalAs { asn, no_prepend: false, replace_as: false }))
}

/// `send_hold_time`, `restart_time`: seconds, or `"default"` to undo the group's.
fn seconds_or_default(reader: &Reader<'_, '_>, key: &'static str, bounds: (i64, i64)) -> Option<Option<Seconds>> {
    let value = reader.get(key)?;
    if value.get_ref().is_str() {
        return reader.word_of(key, value, &[("default", None)], "a number or \"default\"");
    }
    reader.seconds(key, bounds).map(Some)
}

/// `reject_as_sets`: a boolean, or `"default"` to undo the group's.
fn reject_as_sets(reader: &Reader<'_, '_>) -> Option<Option<bool>> {
    let value = reader.get("reject_as_sets")?;
    match value.get_ref().as_bool() {
        Some(reject) => Some(Some(reject)),
        None => reader.word_of("reject_as_sets", value, &[("default", None)], "true, false or \"default\""),
    }
}

fn remove_private_as(reader: &Reader<'_, '_>) -> Option<RemovePrivateAs> {
    const WORDS: &Words<RemovePrivateAs> = &[("all", RemovePrivateAs::All), ("replace", RemovePrivateAs::Replace)];
    let value = reader.get("remove_private_as")?;
    match value.get_ref().as_bool() {
        Some(true) => Some(RemovePrivateAs::Only),
        Some(false) => Some(RemovePrivateAs::Off),
        None => reader.word_of("remove_private_as", value, WORDS, "true, false, \"all\" or \"replace\""),
    }
}

fn graceful_restart(reader: &Reader<'_, '_>) -> Option<GracefulRestartMode> {
    const WORDS: &Words<GracefulRestartMode> = &[("helper", GracefulRestartMode::Helper)];
    let value = reader.get("graceful_restart")?;
    match value.get_ref().as_bool() {
        Some(true) => Some(GracefulRestartMode::On),
        Some(false) => Some(GracefulRestartMode::Off),
        None => reader.word_of("graceful_restart", value, WORDS, "true, false or \"helper\""),
    }
}

/// A third of a hold time (RFC 4271 §4.4).
pub(crate) const fn third(hold_time: Seconds) -> u32 {
    hold_time.0 / 3
}
