//! Metrics for Prometheus, from the same values as the JSON answers. Labels name peers, never routes.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::types::{
    AdminState, FamilySummary, FibSummary, MessageCounts, NodeReport, Peer, PeerFamily, PeerState, Summary,
};

/// The content type of the OpenMetrics text format.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics as text.
pub(crate) fn render(summary: Summary, peers: Vec<Peer>, node: Option<NodeReport>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot { summary, peers, node }));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What one scrape shows.
#[derive(Debug)]
struct Snapshot {
    summary: Summary,
    peers: Vec<Peer>,
    node: Option<NodeReport>,
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out { encoder };
        self.process(&mut out)?;
        self.rib(&mut out)?;
        self.sessions(&mut out)?;
        self.messages(&mut out)?;
        self.prefixes(&mut out)?;
        match &self.node {
            Some(node) => datastore(node, &mut out).and_then(|()| fib(node.fib.as_ref(), &mut out)),
            None => Ok(()),
        }
    }
}

/// A label.
type Label = (&'static str, String);

/// Writes one metric after the other.
struct Out<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Out<'_> {
    /// One metric with its samples. Names of counters get `_total` from the encoder.
    fn metric<T>(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = T>,
        read: impl Fn(T) -> Option<(Vec<Label>, u64)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples.into_iter().filter_map(read) {
            if labels.is_empty() {
                sample(&mut metric, kind, value)?;
            } else {
                sample(&mut metric.encode_family(&labels)?, kind, value)?;
            }
        }
        Ok(())
    }

    /// One metric without labels.
    fn single(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.metric(MetricType::Gauge, name, help, [value], |value| Some((Vec::new(), value)))
    }
}

fn sample(metric: &mut MetricEncoder<'_>, kind: MetricType, value: u64) -> fmt::Result {
    match kind {
        MetricType::Counter => metric.encode_counter::<[Label; 0], u64, u64>(&value, None),
        MetricType::Gauge | MetricType::Histogram | MetricType::Info | MetricType::Unknown => {
            metric.encode_gauge(&value)
        }
    }
}

fn directions(peer: &Peer) -> [(&Peer, &'static str, &MessageCounts); 2] {
    [(peer, "received", &peer.messages.received), (peer, "sent", &peer.messages.sent)]
}

fn of(peer: &Peer) -> Label {
    ("peer", peer.address.to_string())
}

fn datastore(node: &NodeReport, out: &mut Out<'_>) -> fmt::Result {
    use MetricType::{Counter, Gauge};
    let store = &node.datastore;
    let help = "Objects of the datastore that are in force";
    out.metric(Gauge, "heddle_datastore_objects", help, &store.objects, |(kind, count)| {
        Some((vec![("kind", kind.clone())], *count))
    })?;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    out.single("heddle_datastore_invalid_objects", "Objects that are ignored", count(store.invalid.len()))?;
    out.single(
        "heddle_datastore_in_sync",
        "1 while the source is being followed",
        u64::from(store.state == "in_sync"),
    )?;
    out.metric(Counter, "heddle_datastore_changes", "Changes of objects", [store.changes], |n| Some((Vec::new(), n)))?;
    out.single("heddle_node_warnings", "Warnings about the node's resources", count(node.warnings.len()))?;
    out.single(
        "heddle_node_sysctls_wrong",
        "Settings of the kernel that forwarding needs otherwise",
        count(node.sysctls.len()),
    )
}

fn fib(summary: Option<&FibSummary>, out: &mut Out<'_>) -> fmt::Result {
    let Some(f) = summary else { return Ok(()) };
    let states = [
        ("installed", f.installed),
        ("pending", f.pending),
        ("conflict", f.conflicts),
        ("held", f.held),
        ("unresolved", f.unresolved),
        ("stale", f.stale),
    ];
    out.metric(
        MetricType::Gauge,
        "heddle_fib_routes",
        "Routes of the forwarding table by state",
        states,
        |(state, n)| Some((vec![("state", state.to_owned())], n)),
    )?;
    let counters = [
        ("heddle_fib_writes", "Requests sent to the kernel", f.writes),
        ("heddle_fib_failures", "Requests that the kernel refused", f.failures),
        ("heddle_fib_repairs", "Changes of our routes by others that were undone", f.repairs),
        ("heddle_fib_resyncs", "Complete readings of the kernel's table", f.resyncs),
        ("heddle_fib_overruns", "Times that the kernel had more to tell than we read", f.overruns),
    ];
    for (name, help, value) in counters {
        out.metric(MetricType::Counter, name, help, [value], |n| Some((Vec::new(), n)))?;
    }
    Ok(())
}

/// The number of a state in `bgpPeerState` (RFC 4273).
const fn number(state: PeerState) -> u64 {
    match state {
        PeerState::Idle => 1,
        PeerState::Connect => 2,
        PeerState::Active => 3,
        PeerState::OpenSent => 4,
        PeerState::OpenConfirm => 5,
        PeerState::Established => 6,
    }
}

const fn state_label(state: PeerState) -> &'static str {
    match state {
        PeerState::Idle => "idle",
        PeerState::Connect => "connect",
        PeerState::Active => "active",
        PeerState::OpenSent => "open_sent",
        PeerState::OpenConfirm => "open_confirm",
        PeerState::Established => "established",
    }
}

impl Snapshot {
    fn process(&self, out: &mut Out<'_>) -> fmt::Result {
        let summary = &self.summary;
        out.metric(MetricType::Gauge, "heddle_info", "Version and identity of the speaker", [summary], |s| {
            let labels = vec![
                ("version", s.version.version.clone()),
                ("role", s.version.role.clone()),
                ("asn", s.router.asn.to_string()),
                ("router_id", s.router.router_id.to_string()),
            ];
            Some((labels, 1))
        })?;
        out.single("heddle_uptime_seconds", "Seconds since the start", summary.uptime_seconds)?;
        if let Some(bytes) = summary.memory_bytes {
            out.single("heddle_memory_bytes", "Resident memory", bytes)?;
        }
        if let Some(tasks) = summary.tasks {
            out.single("heddle_tasks", "Asynchronous tasks that have not ended", tasks)?;
        }
        out.single("heddle_restarting", "1 during our own graceful restart", u64::from(summary.restarting))
    }

    fn rib(&self, out: &mut Out<'_>) -> fmt::Result {
        type Read = fn(&FamilySummary) -> u64;
        let metrics: [(&str, &str, Read); 9] = [
            ("heddle_rib_destinations", "Destinations with at least one path", |f| f.destinations),
            ("heddle_rib_best", "Destinations with a best path", |f| f.best),
            ("heddle_rib_paths", "Paths", |f| f.paths),
            ("heddle_rib_rejected", "Paths that import policy rejected", |f| f.rejected),
            ("heddle_rib_ineligible", "Paths that may not be used", |f| f.ineligible),
            ("heddle_rib_stale", "Stale paths", |f| f.stale),
            ("heddle_rib_pending", "Destinations whose best path is to be selected anew", |f| f.pending),
            ("heddle_rib_attribute_sets", "Distinct attribute sets", |f| f.attribute_sets),
            ("heddle_rib_update_groups", "Update groups", |f| u64::from(f.update_groups)),
        ];
        for (name, help, read) in metrics {
            out.metric(MetricType::Gauge, name, help, &self.summary.families, |f| {
                Some((vec![("family", f.family.to_string())], read(f)))
            })?;
        }
        out.single("heddle_rib_attribute_bytes", "Memory of attribute sets", self.summary.attribute_bytes)?;
        out.single("heddle_rib_journal_bytes", "Memory of journals", self.summary.journal_bytes)
    }

    fn sessions(&self, out: &mut Out<'_>) -> fmt::Result {
        use MetricType::{Counter, Gauge};
        out.metric(Gauge, "heddle_peers", "Peers by state", PeerState::ALL, |state| {
            let count = self.peers.iter().filter(|p| p.state == state).count();
            Some((vec![("state", state_label(state).to_owned())], u64::try_from(count).unwrap_or(u64::MAX)))
        })?;
        out.metric(Gauge, "heddle_peer_info", "What is configured of the peer", &self.peers, |p| {
            let labels = vec![
                of(p),
                ("asn", p.asn.map_or_else(String::new, |asn| asn.to_string())),
                ("description", p.description.clone().unwrap_or_default()),
                ("group", p.group.clone().unwrap_or_default()),
            ];
            Some((labels, 1))
        })?;
        type Read = fn(&Peer) -> u64;
        let metrics: [(MetricType, &str, &str, Read); 6] = [
            (Gauge, "heddle_peer_up", "1 in Established", |p| u64::from(p.state == PeerState::Established)),
            (Gauge, "heddle_peer_state", "State as in RFC 4273: 1 idle to 6 established", |p| number(p.state)),
            (Gauge, "heddle_peer_admin_up", "0 when shut down", |p| u64::from(p.admin_state != AdminState::Down)),
            (Gauge, "heddle_peer_uptime_seconds", "Seconds in Established", |p| p.uptime_seconds.unwrap_or(0)),
            (Counter, "heddle_peer_established", "Sessions that were established", |p| p.established_count),
            (Counter, "heddle_peer_flaps", "Established sessions that ended", |p| p.flap_count),
        ];
        for (kind, name, help, read) in metrics {
            out.metric(kind, name, help, &self.peers, |p| Some((vec![of(p)], read(p))))?;
        }
        let help = "When the last session ended, in Unix time";
        out.metric(Gauge, "heddle_peer_last_reset_timestamp_seconds", help, &self.peers, |p| {
            let reset = p.last_reset.as_ref()?;
            let text = |number: Option<u8>| number.map_or_else(String::new, |number| number.to_string());
            let labels = vec![of(p), ("code", text(reset.code)), ("subcode", text(reset.subcode))];
            Some((labels, reset.at.unix_seconds()))
        })
    }

    fn messages(&self, out: &mut Out<'_>) -> fmt::Result {
        let samples = self.peers.iter().flat_map(directions).flat_map(|(p, direction, counts)| {
            [
                ("open", counts.open),
                ("update", counts.update),
                ("notification", counts.notification),
                ("keepalive", counts.keepalive),
                ("route_refresh", counts.route_refresh),
            ]
            .map(|(name, count)| (p, direction, name, count))
        });
        out.metric(MetricType::Counter, "heddle_peer_messages", "Messages", samples, |(p, direction, name, count)| {
            Some((vec![of(p), ("direction", direction.to_owned()), ("type", name.to_owned())], count))
        })?;
        let samples = self.peers.iter().flat_map(directions);
        out.metric(
            MetricType::Counter,
            "heddle_peer_bytes",
            "Octets of messages",
            samples,
            |(p, direction, counts)| Some((vec![of(p), ("direction", direction.to_owned())], counts.bytes)),
        )?;
        let samples = self.peers.iter().flat_map(|p| {
            [
                ("treat_as_withdraw", p.errors.treat_as_withdraw),
                ("attribute_discard", p.errors.attribute_discard),
                ("session_reset", p.errors.session_reset),
            ]
            .map(|(action, count)| (p, action, count))
        });
        let help = "Errors in what the peer sent, by what was done about them (RFC 7606)";
        out.metric(MetricType::Counter, "heddle_peer_update_errors", help, samples, |(p, action, count)| {
            Some((vec![of(p), ("action", action.to_owned())], count))
        })?;
        let help = "Faults of this program in the work for the peer, each of which ended its session";
        out.metric(MetricType::Counter, "heddle_peer_internal_errors", help, self.peers.iter(), |p| {
            Some((vec![of(p)], p.internal_errors))
        })
    }

    fn prefixes(&self, out: &mut Out<'_>) -> fmt::Result {
        type Read = fn(&PeerFamily) -> Option<u64>;
        let metrics: [(&str, &str, Read); 7] = [
            ("heddle_peer_prefixes_received", "Paths in Adj-RIB-In", |f| Some(f.received)),
            ("heddle_peer_prefixes_accepted", "Paths that are accepted and usable", |f| Some(f.accepted)),
            ("heddle_peer_prefixes_rejected", "Paths that import policy rejected", |f| Some(f.rejected)),
            ("heddle_peer_prefixes_stale", "Stale paths", |f| Some(f.stale)),
            ("heddle_peer_prefixes_advertised", "Paths in Adj-RIB-Out", |f| Some(f.advertised)),
            ("heddle_peer_prefix_limit", "Limit of received prefixes", |f| f.limit_in),
            ("heddle_peer_backlog_bytes", "What waits in the journal for the peer", |f| f.backlog_bytes),
        ];
        for (name, help, read) in metrics {
            let samples = self.peers.iter().flat_map(|p| p.families.iter().map(move |f| (p, f)));
            out.metric(MetricType::Gauge, name, help, samples, |(p, f)| {
                Some((vec![of(p), ("family", f.family.to_string())], read(f)?))
            })?;
        }
        let samples = self.peers.iter().flat_map(|p| p.families.iter().map(move |f| (p, f))).flat_map(|(p, f)| {
            f.guard_refused.iter().flat_map(|g| g.by_reason()).map(move |(reason, count)| (p, f, reason, count))
        });
        let help = "Routes that the guard refused, by reason (RFC 7454)";
        out.metric(MetricType::Counter, "heddle_peer_guard_refused", help, samples, |(p, f, reason, count)| {
            Some((vec![of(p), ("family", f.family.to_string()), ("reason", reason.to_owned())], count))
        })
    }
}
