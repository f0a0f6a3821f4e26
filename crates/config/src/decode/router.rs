//! `[router]`, `[api]` and `[log]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use heddle_bgp_core::{Asn, BgpId, ClusterId};

use super::reader::{Reader, Value};
use crate::error::Problem;
use crate::schema::Table;
use crate::value::{Api, Decision, GracefulRestart, ListenAddress, Log, LogFormat, LongLived, Multipath, Router};

/// A day.
const DAY: (i64, i64) = (1, 86_400);

/// An AS number: not 0 (RFC 7607), not AS_TRANS (RFC 6793 §9).
pub(crate) fn asn_of(reader: &Reader<'_, '_>, key: &str, value: &Value<'_>) -> Option<Asn> {
    let number = reader.integer_of(key, value, (1, u32::MAX.into())).and_then(|n| u32::try_from(n).ok())?;
    if number == 23456 {
        reader.source.error(value.span(), Problem::ReservedAsn(number));
        return None;
    }
    Some(Asn(number))
}

/// A non-zero identifier in the form of an IPv4 address.
fn identifier(key: &'static str) -> impl Fn(&str) -> Result<Ipv4Addr, Problem> {
    move |text| {
        let address = text.parse::<Ipv4Addr>().ok().filter(|a| !a.is_unspecified());
        address.ok_or_else(|| Problem::Identifier { key: key.to_owned(), text: text.to_owned() })
    }
}

/// The router; none where it lacks what it needs.
pub(crate) fn router(reader: &Reader<'_, '_>) -> Option<Router> {
    for key in ["asn", "router_id"] {
        if reader.get(key).is_none() {
            reader.missing(key);
        }
    }
    let asn = reader.get("asn").and_then(|v| asn_of(reader, "asn", v));
    let router_id = reader.parsed("router_id", identifier("router_id")).map(BgpId::from);
    // Read everything even where these two are bad, so that all errors are told at once.
    let mut router = Router::new(asn.unwrap_or_default(), router_id.unwrap_or_default());
    if let Some(value) = reader.get("cluster_id") {
        let cluster_id = if value.get_ref().is_integer() {
            reader.integer::<u32>("cluster_id", (1, u32::MAX.into())).map(ClusterId)
        } else {
            reader.parsed("cluster_id", identifier("cluster_id")).map(ClusterId::from)
        };
        router.cluster_id = cluster_id.unwrap_or(router.cluster_id);
    }
    if let Some(listen) = reader.list("listen", listen_address) {
        router.listen = listen;
    }
    if let Some(hostname) = reader.text("hostname") {
        let (found, max) = (hostname.len(), 64);
        if found > max {
            reader.source.error(reader.span("hostname"), Problem::TooLong { key: "hostname".to_owned(), found, max });
        }
        router.hostname = Some(hostname.to_owned()).filter(|h| !h.is_empty());
    }
    if let Some(r) = reader.sub_table("decision", Table::Decision) {
        router.decision = decision(&r);
    }
    if let Some(r) = reader.sub_table("graceful_restart", Table::GracefulRestart) {
        router.graceful_restart = graceful_restart(&r);
    }
    if let Some(r) = reader.sub_table("long_lived", Table::LongLived) {
        router.long_lived = long_lived(&r);
    }
    if let Some(time) = reader.seconds("refresh_stale_time", DAY) {
        router.refresh_stale_time = time;
    }
    (asn.is_some() && router_id.is_some()).then_some(router)
}

fn listen_address(text: &str) -> Result<ListenAddress, Problem> {
    text.parse().map_err(|reason| Problem::Address { key: "listen".to_owned(), text: text.to_owned(), reason })
}

fn decision(reader: &Reader<'_, '_>) -> Decision {
    let default = Decision::default();
    let multipath = reader.sub_table("multipath", Table::Multipath).map(|r| {
        let default = Multipath::default();
        Multipath {
            ebgp: r.integer("ebgp", (1, 256)).unwrap_or(default.ebgp),
            ibgp: r.integer("ibgp", (1, 256)).unwrap_or(default.ibgp),
            as_path_relax: r.boolean("as_path_relax").unwrap_or(default.as_path_relax),
        }
    });
    Decision {
        always_compare_med: reader.boolean("always_compare_med").unwrap_or(default.always_compare_med),
        deterministic_med: reader.boolean("deterministic_med").unwrap_or(default.deterministic_med),
        med_missing_as_worst: reader.boolean("med_missing_as_worst").unwrap_or(default.med_missing_as_worst),
        prefer_oldest: reader.boolean("prefer_oldest").unwrap_or(default.prefer_oldest),
        multipath: multipath.unwrap_or(default.multipath),
        resolve_next_hops: reader.boolean("resolve_next_hops").unwrap_or(default.resolve_next_hops),
    }
}

fn graceful_restart(reader: &Reader<'_, '_>) -> GracefulRestart {
    let default = GracefulRestart::default();
    GracefulRestart {
        // RFC 4724 §3: 12 bits.
        restart_time: reader.seconds("restart_time", (0, 4095)).unwrap_or(default.restart_time),
        selection_deferral_time: reader
            .seconds("selection_deferral_time", (1, 3600))
            .unwrap_or(default.selection_deferral_time),
        stale_time: reader.seconds("stale_time", DAY).unwrap_or(default.stale_time),
        notification: reader.boolean("notification").unwrap_or(default.notification),
    }
}

fn long_lived(reader: &Reader<'_, '_>) -> LongLived {
    // RFC 9494 §3: 24 bits.
    const RANGE: (i64, i64) = (0, 0xff_ffff);
    let default = LongLived::default();
    LongLived {
        stale_time: reader.seconds("stale_time", RANGE).unwrap_or(default.stale_time),
        max_stale_time: reader.seconds("max_stale_time", RANGE).unwrap_or(default.max_stale_time),
    }
}

/// The admin API.
pub(crate) fn api(reader: &Reader<'_, '_>) -> Api {
    let default = Api::default();
    let socket = reader.get("socket").and_then(|_| {
        let path = reader.name("socket")?;
        // Linux: sun_path has 108 octets with a terminating zero.
        let (found, max) = (path.len(), 107);
        if found > max {
            reader.source.error(reader.span("socket"), Problem::TooLong { key: "socket".to_owned(), found, max });
        }
        Some(PathBuf::from(path))
    });
    let metrics = reader.parsed("metrics", |text| {
        let bad = |_| Problem::SocketAddress { key: "metrics".to_owned(), text: text.to_owned() };
        text.parse::<SocketAddr>().map_err(bad)
    });
    let group_access = reader.boolean("group_access").unwrap_or(default.group_access);
    Api { socket: socket.unwrap_or(default.socket), group_access, metrics }
}

/// Logging.
pub(crate) fn log(reader: &Reader<'_, '_>) -> Log {
    let default = Log::default();
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let level = reader.get("level").and_then(|_| reader.name("level"));
    Log {
        level: level.map_or(default.level, str::to_owned),
        format: reader.word("format", &formats, "\"text\" or \"json\"").unwrap_or(default.format),
    }
}
