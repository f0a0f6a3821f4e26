//! Peers, groups and listen ranges as trees.

use heddle_bgp_core::negotiated::Role;

use crate::node::{Keys, Node, text};
use crate::value::{
    AddPath, AddPathSend, AoKey, Config, FamilySettings, GracefulRestartMode, Guard, IdleHold, Lengths, LimitAction,
    ListenRange, LocalAs, NextHopMode, Password, Peer, PeerAs, PeerFamily, PeerGroup, PeerSettings, PrefixLimit,
    RemovePrivateAs,
};

/// Which keys of a peer the tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that differ from the group's or the default.
    Differing,
    /// All that have a value, families with all their keys.
    Full,
}

/// `[[peers]]`.
pub(crate) fn peer_keys(peer: &Peer, config: &Config, extent: Extent) -> Keys {
    let mut keys = Keys::default();
    keys.put("address", text(&peer.address));
    keys.optional("group", peer.group.as_deref(), Node::from);
    let group = peer.group.as_deref().and_then(|name| config.peer_group(name));
    if extent == Extent::Full || group.and_then(|g| g.asn) != Some(peer.asn) {
        keys.put("asn", peer_as(peer.asn));
    }
    let of_group = group.and_then(|g| g.settings.description.as_ref()).filter(|_| extent == Extent::Differing);
    description(&mut keys, peer.description.as_ref(), of_group);
    settings_keys(&mut keys, &peer.settings, group.map(|g| &g.settings), extent);
    keys
}

/// `[[peer_groups]]`.
pub(crate) fn group_keys(group: &PeerGroup) -> Keys {
    let mut keys = Keys::default();
    keys.put("name", group.name.as_str());
    keys.optional("asn", group.asn, peer_as);
    description(&mut keys, group.settings.description.as_ref(), None);
    settings_keys(&mut keys, &group.settings, None, Extent::Differing);
    keys
}

/// `[[listen_ranges]]`; in full extent with all the settings of its group.
pub(crate) fn range_keys(range: &ListenRange, config: &Config, extent: Extent) -> Keys {
    let mut keys = Keys::default();
    keys.put("prefix", text(&range.prefix));
    keys.put("group", range.group.as_str());
    let base = Some(&ListenRange::DEFAULT_LIMIT).filter(|_| extent == Extent::Differing);
    keys.differing("limit", &range.limit, base, |v| (*v).into());
    match extent {
        Extent::Full => {
            keys.put("asn", peer_as(range.asn));
            description(&mut keys, range.settings.description.as_ref(), None);
            settings_keys(&mut keys, &range.settings, None, extent);
        }
        Extent::Differing => {
            let (own, group) = (&range.settings, config.peer_group(&range.group).map(|g| &g.settings));
            let file = group.and_then(|g| g.password_file.as_ref());
            option(&mut keys, "password_file", own.password_file.as_ref(), file, "", |p| path(Some(p)));
            let password = group.and_then(|g| g.password.as_ref());
            option(&mut keys, "password", own.password.as_ref(), password, "", secret);
        }
    }
    keys
}

fn path(path: Option<&std::path::PathBuf>) -> Node {
    path.map_or_else(|| Node::from(""), |p| text(&p.display()))
}

fn secret(password: &Password) -> Node {
    Node::Secret(password.clone())
}

fn peer_as(asn: PeerAs) -> Node {
    match asn {
        PeerAs::Asn(asn) => asn.0.into(),
        PeerAs::Internal => "internal".into(),
        PeerAs::External => "external".into(),
    }
}

/// A value that may be missing, or undone with another one where the base has it.
fn option<T: PartialEq + Clone>(
    keys: &mut Keys,
    key: &str,
    value: Option<&T>,
    base: Option<&T>,
    undone: impl Into<Node>,
    node: impl Fn(&T) -> Node,
) {
    match value {
        Some(value) if base != Some(value) => keys.put(key, node(value)),
        None if base.is_some() => keys.put(key, undone),
        Some(_) | None => {}
    }
}

fn description(keys: &mut Keys, own: Option<&String>, base: Option<&String>) {
    option(keys, "description", own, base, "", |t: &String| Node::from(t.as_str()));
}

/// The keys that peers and groups share. The base is what is taken where a key is missing.
fn settings_keys(keys: &mut Keys, s: &PeerSettings, group: Option<&PeerSettings>, extent: Extent) {
    let default = PeerSettings::default();
    let base = match extent {
        Extent::Differing => Some(group.unwrap_or(&default)),
        Extent::Full => None,
    };
    about(keys, s, base);
    timers(keys, s, base);
    paths(keys, s, base);
    capabilities(keys, s, base);
    match base {
        Some(base) => families(keys, s, base),
        None => {
            let all = s.families.iter();
            let tables = all.map(|f| (f.family.to_string(), Node::Table(family_keys(&f.settings, None)))).collect();
            keys.put("families", Node::Table(Keys(tables)));
        }
    }
}

fn boolean(b: &bool) -> Node {
    (*b).into()
}

fn seconds(s: &crate::Seconds) -> Node {
    s.0.into()
}

fn about(keys: &mut Keys, s: &PeerSettings, base: Option<&PeerSettings>) {
    let b = base;
    let line = |t: &String| Node::from(t.as_str());
    keys.differing("shutdown", &s.shutdown, b.map(|b| &b.shutdown), boolean);
    option(keys, "shutdown_text", s.shutdown_text.as_ref(), b.and_then(|b| b.shutdown_text.as_ref()), "", line);
    option(keys, "blocked", s.blocked.as_ref(), b.and_then(|b| b.blocked.as_ref()), "", line);
    keys.differing("port", &s.port, b.map(|b| &b.port), |p| u32::from(*p).into());
    let local = b.and_then(|b| b.local_address.as_ref());
    option(keys, "local_address", s.local_address.as_ref(), local, "", text);
    keys.differing("passive", &s.passive, b.map(|b| &b.passive), boolean);
    let password = b.and_then(|b| b.password_file.as_ref());
    option(keys, "password_file", s.password_file.as_ref(), password, "", |p| path(Some(p)));
    let password = b.and_then(|b| b.password.as_ref());
    option(keys, "password", s.password.as_ref(), password, "", secret);
    if b.is_none_or(|b| b.tcp_ao != s.tcp_ao) && !(b.is_none() && s.tcp_ao.is_empty()) {
        keys.put("tcp_ao", Node::List(s.tcp_ao.iter().map(ao_key).collect()));
    }
    let hops = |n: &u8| u32::from(*n).into();
    option(keys, "multihop", s.multihop.as_ref(), b.and_then(|b| b.multihop.as_ref()), 0_u32, hops);
    option(keys, "ttl_security", s.ttl_security.as_ref(), b.and_then(|b| b.ttl_security.as_ref()), 0_u32, hops);
}

fn timers(keys: &mut Keys, s: &PeerSettings, base: Option<&PeerSettings>) {
    let b = base;
    keys.differing("hold_time", &s.hold_time, b.map(|b| &b.hold_time), seconds);
    option(keys, "keepalive", s.keepalive.as_ref(), b.and_then(|b| b.keepalive.as_ref()), 0_u32, seconds);
    keys.differing("connect_retry", &s.connect_retry, b.map(|b| &b.connect_retry), seconds);
    let IdleHold { min, max } = s.idle_hold;
    let mut idle_hold = Keys::default();
    idle_hold.differing("min", &min, b.map(|b| &b.idle_hold.min), seconds);
    idle_hold.differing("max", &max, b.map(|b| &b.idle_hold.max), seconds);
    keys.table("idle_hold", idle_hold, Node::Inline);
    let send = b.and_then(|b| b.send_hold_time.as_ref());
    option(keys, "send_hold_time", s.send_hold_time.as_ref(), send, "default", seconds);
    keys.differing("open_hold_time", &s.open_hold_time, b.map(|b| &b.open_hold_time), seconds);
}

fn paths(keys: &mut Keys, s: &PeerSettings, base: Option<&PeerSettings>) {
    let b = base;
    let client = b.map(|b| &b.route_reflector_client);
    keys.differing("route_reflector_client", &s.route_reflector_client, client, boolean);
    let full = base.is_none();
    let local_as_node = |l: &LocalAs| local_as(*l, full);
    option(keys, "local_as", s.local_as.as_ref(), b.and_then(|b| b.local_as.as_ref()), 0_u32, local_as_node);
    keys.differing("allow_own_as", &s.allow_own_as, b.map(|b| &b.allow_own_as), |n| u32::from(*n).into());
    keys.differing("enforce_first_as", &s.enforce_first_as, b.map(|b| &b.enforce_first_as), boolean);
    let sets = b.and_then(|b| b.reject_as_sets.as_ref());
    option(keys, "reject_as_sets", s.reject_as_sets.as_ref(), sets, "default", boolean);
    keys.differing("reject_as_zero", &s.reject_as_zero, b.map(|b| &b.reject_as_zero), boolean);
    option(keys, "guard", s.guard.as_ref(), b.and_then(|b| b.guard.as_ref()), false, guard);
    let private = |r: &RemovePrivateAs| match r {
        RemovePrivateAs::Off => Node::from(false),
        RemovePrivateAs::Only => Node::from(true),
        RemovePrivateAs::All => Node::from("all"),
        RemovePrivateAs::Replace => Node::from("replace"),
    };
    keys.differing("remove_private_as", &s.remove_private_as, b.map(|b| &b.remove_private_as), private);
    keys.differing("as_override", &s.as_override, b.map(|b| &b.as_override), boolean);
    let role = |r: &Role| match r {
        Role::Provider => Node::from("provider"),
        Role::RouteServer => Node::from("route-server"),
        Role::RouteServerClient => Node::from("route-server-client"),
        Role::Customer => Node::from("customer"),
        Role::Peer => Node::from("peer"),
    };
    option(keys, "role", s.role.as_ref(), b.and_then(|b| b.role.as_ref()), "none", role);
    keys.differing("strict_role", &s.strict_role, b.map(|b| &b.strict_role), boolean);
    keys.differing("aigp", &s.aigp, b.map(|b| &b.aigp), boolean);
}

fn ao_key(key: &AoKey) -> Node {
    let mut keys = Keys::default();
    keys.put("send_id", u32::from(key.send_id));
    keys.put("recv_id", u32::from(key.recv_id));
    keys.put("algorithm", key.algorithm.as_str());
    keys.put("file", path(Some(&key.file)));
    Node::Inline(keys)
}

/// `true` for what most have.
fn guard(guard: &Guard) -> Node {
    let default = Guard::default();
    if *guard == default {
        return true.into();
    }
    let base = Some(&default);
    let mut keys = Keys::default();
    let lengths = |l: &Lengths| Node::List(vec![u32::from(l.min).into(), u32::from(l.max).into()]);
    keys.differing("ipv4_lengths", &guard.ipv4_lengths, base.map(|b| &b.ipv4_lengths), lengths);
    keys.differing("ipv6_lengths", &guard.ipv6_lengths, base.map(|b| &b.ipv6_lengths), lengths);
    keys.differing("allow_default", &guard.allow_default, base.map(|b| &b.allow_default), boolean);
    keys.differing("allow_martians", &guard.allow_martians, base.map(|b| &b.allow_martians), boolean);
    keys.differing("allow_networks", &guard.allow_networks, base.map(|b| &b.allow_networks), boolean);
    keys.list("own", &guard.own, text);
    Node::Inline(keys)
}

fn local_as(local_as: LocalAs, full: bool) -> Node {
    let LocalAs { asn, no_prepend, replace_as } = local_as;
    if !full && !no_prepend && !replace_as {
        return asn.0.into();
    }
    let mut keys = Keys::default();
    keys.put("asn", asn.0);
    keys.put("no_prepend", no_prepend);
    keys.put("replace_as", replace_as);
    Node::Inline(keys)
}

fn capabilities(keys: &mut Keys, s: &PeerSettings, base: Option<&PeerSettings>) {
    let b = base;
    keys.differing("extended_messages", &s.extended_messages, b.map(|b| &b.extended_messages), boolean);
    keys.differing("force_extended_open", &s.force_extended_open, b.map(|b| &b.force_extended_open), boolean);
    keys.differing("four_octet_as", &s.four_octet_as, b.map(|b| &b.four_octet_as), boolean);
    let mode = |m: &GracefulRestartMode| match m {
        GracefulRestartMode::Off => Node::from(false),
        GracefulRestartMode::Helper => Node::from("helper"),
        GracefulRestartMode::On => Node::from(true),
    };
    keys.differing("graceful_restart", &s.graceful_restart, b.map(|b| &b.graceful_restart), mode);
    let restart = b.and_then(|b| b.restart_time.as_ref());
    option(keys, "restart_time", s.restart_time.as_ref(), restart, "default", seconds);
    keys.differing("long_lived", &s.long_lived, b.map(|b| &b.long_lived), boolean);
}

/// The keys for all families, and `families` where it is not what the base would give.
fn families(keys: &mut Keys, s: &PeerSettings, base: &PeerSettings) {
    keys.0.extend(family_keys(&s.family_defaults, Some(&base.family_defaults)).0);
    let inherit = |f: &PeerFamily| PeerFamily {
        family: f.family,
        settings: overlay(&f.settings, &base.family_defaults, &s.family_defaults),
    };
    let inherited: Vec<_> = base.families.iter().map(inherit).collect();
    if inherited == s.families {
        return;
    }
    if s.families.iter().all(|f| f.settings == s.family_defaults) {
        keys.list("families", &s.families, |f| text(&f.family));
        return;
    }
    let tables = s.families.iter().map(|f| {
        let table = family_keys(&f.settings, Some(&s.family_defaults));
        (f.family.to_string(), Node::Table(table))
    });
    keys.put("families", Node::Table(Keys(tables.collect())));
}

/// What differs in `own` from `from`, over `onto`.
fn overlay(own: &FamilySettings, from: &FamilySettings, onto: &FamilySettings) -> FamilySettings {
    fn pick<T: PartialEq + Clone>(own: &T, from: &T, onto: &T) -> T {
        if own == from { onto.clone() } else { own.clone() }
    }
    FamilySettings {
        import_policy: pick(&own.import_policy, &from.import_policy, &onto.import_policy),
        export_policy: pick(&own.export_policy, &from.export_policy, &onto.export_policy),
        add_path: AddPath {
            receive: pick(&own.add_path.receive, &from.add_path.receive, &onto.add_path.receive),
            send: pick(&own.add_path.send, &from.add_path.send, &onto.add_path.send),
        },
        next_hop: pick(&own.next_hop, &from.next_hop, &onto.next_hop),
        extended_next_hop: pick(&own.extended_next_hop, &from.extended_next_hop, &onto.extended_next_hop),
        prefix_limit: pick(&own.prefix_limit, &from.prefix_limit, &onto.prefix_limit),
        prefix_limit_out: pick(&own.prefix_limit_out, &from.prefix_limit_out, &onto.prefix_limit_out),
        default_originate: pick(&own.default_originate, &from.default_originate, &onto.default_originate),
    }
}

fn family_keys(f: &FamilySettings, base: Option<&FamilySettings>) -> Keys {
    let mut keys = Keys::default();
    let b = base;
    let names = |list: &Vec<String>| match list.as_slice() {
        [name] => Node::from(name.as_str()),
        names => Node::List(names.iter().map(|n| n.as_str().into()).collect()),
    };
    keys.differing("import_policy", &f.import_policy, b.map(|b| &b.import_policy), names);
    keys.differing("export_policy", &f.export_policy, b.map(|b| &b.export_policy), names);
    let mut add_path = Keys::default();
    add_path.differing("receive", &f.add_path.receive, b.map(|b| &b.add_path.receive), boolean);
    let send = |send: &AddPathSend| match send {
        AddPathSend::Off => Node::from(0_u32),
        AddPathSend::All => Node::from("all"),
        AddPathSend::Best(n) => u32::from(*n).into(),
    };
    add_path.differing("send", &f.add_path.send, b.map(|b| &b.add_path.send), send);
    keys.table("add_path", add_path, Node::Inline);
    let next_hop = |mode: &NextHopMode| match mode {
        NextHopMode::Auto => Node::from("auto"),
        NextHopMode::SelfAddress => Node::from("self"),
        NextHopMode::Unchanged => Node::from("unchanged"),
    };
    keys.differing("next_hop", &f.next_hop, b.map(|b| &b.next_hop), next_hop);
    keys.differing("extended_next_hop", &f.extended_next_hop, b.map(|b| &b.extended_next_hop), boolean);
    let limit = |limit: &Option<PrefixLimit>| limit.map_or_else(|| Node::from("none"), prefix_limit);
    keys.differing("prefix_limit", &f.prefix_limit, b.map(|b| &b.prefix_limit), limit);
    keys.differing("prefix_limit_out", &f.prefix_limit_out, b.map(|b| &b.prefix_limit_out), limit);
    keys.differing("default_originate", &f.default_originate, b.map(|b| &b.default_originate), boolean);
    keys
}

fn prefix_limit(limit: PrefixLimit) -> Node {
    let mut keys = Keys::default();
    keys.put("max", limit.max);
    keys.put("warning_percent", u32::from(limit.warning_percent));
    let (action, pause) = match limit.action {
        LimitAction::Warn => ("warn", None),
        LimitAction::Restart(pause) => ("restart", Some(pause)),
        LimitAction::Down => ("down", None),
    };
    keys.put("action", action);
    keys.optional("restart_after", pause, |s| s.0.into());
    Node::Inline(keys)
}
