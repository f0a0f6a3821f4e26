//! `[[peer_groups]]`, `[[peers]]` and `[[listen_ranges]]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use heddle_bgp_core::{PeerType, Prefix};

use super::authentication::passwords;
use super::names::Names;
use super::peer::{Layer, third};
use super::policy::peer_address;
use super::reader::Reader;
use super::source::Source;
use crate::error::{Conflict, NameKind, Problem};
use crate::schema::Table;
use crate::value::{GracefulRestartMode, ListenRange, Peer, PeerAddress, PeerAs, PeerGroup, PeerSettings, Router};

/// All that says who may be a peer.
pub(crate) struct Peers {
    pub(crate) peer_groups: Vec<PeerGroup>,
    pub(crate) listen_ranges: Vec<ListenRange>,
    pub(crate) peers: Vec<Peer>,
}

/// The layers of all groups by name.
type Groups = BTreeMap<String, (Layer, Range<usize>)>;

/// Reads groups, then what takes from them.
pub(crate) fn peers(root: &Reader<'_, '_>, router: &Router, names: &Names) -> Peers {
    let mut groups = Groups::new();
    let mut peer_groups = Vec::new();
    for reader in root.tables("peer_groups", Table::PeerGroup) {
        let layer = Layer::default().with(&reader, names);
        let Some(name) = reader.name("name") else {
            continue;
        };
        // A group may leave to its peers what a check needs, so only what is wrong whatever they say counts here.
        check_group(&layer, &reader);
        peer_groups.push(PeerGroup { name: name.to_owned(), asn: layer.asn, settings: layer.settings() });
        groups.insert(name.to_owned(), (layer, reader.span("name")));
    }
    let scope = Scope { router, names, groups: &groups };
    Peers { peer_groups, listen_ranges: scope.listen_ranges(root), peers: scope.static_peers(root) }
}

/// What peers and ranges are read against.
struct Scope<'a> {
    router: &'a Router,
    names: &'a Names,
    groups: &'a Groups,
}

impl Scope<'_> {
    /// The group that a table names, and its name; the default layer where it names none.
    fn group(&self, reader: &Reader<'_, '_>) -> (Option<String>, Layer) {
        let Some(name) = reader.text("group") else {
            return (None, Layer::default());
        };
        let span = reader.get("group").map_or_else(|| reader.own_span(), toml::Spanned::span);
        self.names.check(reader.source, NameKind::PeerGroup, name, span);
        let layer = self.groups.get(name).map(|(layer, _)| layer.clone()).unwrap_or_default();
        (Some(name.to_owned()), layer)
    }

    fn static_peers(&self, root: &Reader<'_, '_>) -> Vec<Peer> {
        let mut seen: BTreeMap<PeerAddress, usize> = BTreeMap::new();
        let mut peers = Vec::new();
        for reader in root.tables("peers", Table::Peer) {
            let Some(peer) = self.static_peer(&reader) else {
                continue;
            };
            let span = reader.span("address");
            if let Some(first) = seen.get(&peer.address) {
                let line = root.source.line(*first);
                root.source.error(span, Problem::Duplicate { what: format!("peer {}", peer.address), line });
            } else {
                seen.insert(peer.address.clone(), span.start);
                peers.push(peer);
            }
        }
        peers
    }

    fn static_peer(&self, reader: &Reader<'_, '_>) -> Option<Peer> {
        let source = reader.source;
        let (group, below) = self.group(reader);
        let layer = below.with(reader, self.names);
        if reader.get("address").is_none() {
            reader.missing("address");
        }
        let address = reader.parsed("address", peer_address("address"));
        let unreadable = reader.get("asn").is_some() && layer.asn.is_none();
        let bad_group = group.as_ref().is_some_and(|name| !self.groups.contains_key(name));
        if layer.asn.is_none() && !unreadable && !bad_group {
            reader.missing("asn");
        }
        let mut settings = layer.settings();
        // Its own, so that peers of a kind can share the rest.
        let description = settings.description.take();
        if let Some(asn) = layer.asn {
            check(source, self.router, &layer, &settings, asn, &reader.own_span());
        }
        let address = address?;
        let own = |l: &crate::value::ListenAddress| l.address == address && l.port == settings.port;
        if self.router.listen.iter().any(own) {
            source.error(reader.span("address"), Conflict::PeerIsOurselves);
        }
        if settings.passive && self.router.listen.is_empty() {
            source.error(layer.span("passive", &reader.own_span()), Conflict::PassiveWithoutListener);
        }
        if let Some(local) = &settings.local_address {
            let span = layer.span("local_address", &reader.own_span());
            if local.ip.is_ipv4() != address.ip.is_ipv4() {
                source.error(span, Conflict::LocalAddressVersion);
            } else if local.zone.is_some() && local.zone != address.zone {
                source.error(span, Conflict::LocalAddressZone);
            }
        }
        Some(Peer { address, asn: layer.asn?, description, group, settings: Arc::new(settings) })
    }

    fn listen_ranges(&self, root: &Reader<'_, '_>) -> Vec<ListenRange> {
        let mut seen: BTreeMap<Prefix, usize> = BTreeMap::new();
        let mut ranges = Vec::new();
        for reader in root.tables("listen_ranges", Table::ListenRange) {
            let Some(range) = self.listen_range(&reader) else {
                continue;
            };
            let span = reader.span("prefix");
            if let Some(first) = seen.get(&range.prefix) {
                let line = root.source.line(*first);
                root.source.error(span, Problem::Duplicate { what: format!("listen range {}", range.prefix), line });
            } else {
                seen.insert(range.prefix, span.start);
                ranges.push(range);
            }
        }
        ranges
    }

    fn listen_range(&self, reader: &Reader<'_, '_>) -> Option<ListenRange> {
        let source = reader.source;
        for key in ["prefix", "group"] {
            if reader.get(key).is_none() {
                reader.missing(key);
            }
        }
        let prefix = reader.parsed("prefix", |text| Ok(text.parse::<Prefix>()?));
        let limit = reader.integer("limit", (1, 1_000_000)).unwrap_or(ListenRange::DEFAULT_LIMIT);
        if self.router.listen.is_empty() {
            source.error(reader.own_span(), Conflict::RangeWithoutListener);
        }
        let (group, layer) = self.group(reader);
        let (_, group_span) = self.groups.get(group.as_deref()?)?;
        let Some(asn) = layer.asn else {
            source.error(group_span.clone(), Conflict::RangeGroupWithoutAsn);
            return None;
        };
        let mut settings = layer.settings();
        check(source, self.router, &layer, &settings, asn, group_span);
        passwords(reader, &mut settings);
        Some(ListenRange { prefix: prefix?, group: group?, asn, limit, settings: Arc::new(settings) })
    }
}

/// What is wrong with a group whatever its peers say besides.
fn check_group(layer: &Layer, reader: &Reader<'_, '_>) {
    let settings = layer.settings();
    if settings.multihop.is_some() && settings.ttl_security.is_some() {
        reader.source.error(reader.span("ttl_security"), Conflict::MultihopTtlSecurity);
    }
}

/// What does not go together in the complete settings of a peer.
fn check(source: &Source<'_>, router: &Router, layer: &Layer, settings: &PeerSettings, asn: PeerAs, or: &Range<usize>) {
    let error = |key, conflict: Conflict| source.error(layer.span(key, or), conflict);
    let local = settings.local_as.map_or(router.asn, |l| l.asn);
    let internal = asn.peer_type(local) == PeerType::Ibgp;
    if settings.multihop.is_some() && settings.ttl_security.is_some() {
        error("ttl_security", Conflict::MultihopTtlSecurity);
    }
    let most = third(settings.hold_time);
    if settings.hold_time.0 > 0 && settings.keepalive.is_some_and(|k| k.0 > most) {
        error("keepalive", Conflict::Keepalive { most });
    }
    if settings.route_reflector_client && !internal && router.asn.0 != 0 {
        error("route_reflector_client", Conflict::ClientNotInternal);
    }
    if settings.role.is_some() && internal {
        error("role", Conflict::RoleInternal);
    }
    if settings.guard.is_some() && internal {
        error("guard", Conflict::GuardInternal);
    }
    if settings.strict_role && settings.role.is_none() {
        error("strict_role", Conflict::StrictWithoutRole);
    }
    if settings.long_lived && settings.graceful_restart == GracefulRestartMode::Off {
        error("long_lived", Conflict::LongLivedWithoutGracefulRestart);
    }
    if settings.local_as.is_some_and(|l| l.asn == router.asn) {
        error("local_as", Conflict::LocalAsIsOurs);
    }
}
