//! What the source makes of an API server that is cut off, busy, frozen, set back, or about to lose Calico's old objects.

mod api_server;

use std::collections::BTreeSet;

use api_server::objects::*;
use api_server::{ApiServer, Fault, NATIVE, STORED};
use heddle_datastore::*;
use heddle_resources::{BgpFilter, BgpPeer, Kind, Snapshot};
use serde_json::{Value, json};

fn cluster_information(api: &str, ready: bool) -> Value {
    calico_in(api, "ClusterInformation", "default", json!({ "datastoreReady": ready }))
}

fn filter(name: &str) -> Value {
    calico("BGPFilter", name, json!({ "exportV4": [{ "action": "Reject" }] }))
}

fn peer_with_filter(name: &str, filter: &str) -> Value {
    calico("BGPPeer", name, json!({ "peerIP": "192.0.2.1", "asNumber": 65001, "filters": [filter] }))
}

fn peers(snapshot: &Snapshot) -> BTreeSet<String> {
    snapshot.all::<BgpPeer>().map(|peer| peer.metadata.name.to_string()).collect()
}

/// Something happens while nobody is connected.
async fn away(server: &ApiServer, what: impl FnOnce()) {
    server.down(true);
    server.until("nobody is connected", |s| s.connections() == 0).await;
    what();
    server.down(false);
}

/// Reads all that a consumer is told, until something is so; each of it is checked.
async fn told(watch: &mut Watch, check: impl Fn(&Snapshot), is_so: impl Fn(&Snapshot) -> bool) {
    loop {
        let next = tokio::time::timeout(std::time::Duration::from_secs(90), watch.next()).await.expect("an event");
        let event = next.expect("it goes on");
        check(event.snapshot());
        if is_so(event.snapshot()) {
            return;
        }
    }
}

/// The old objects are locked and then deleted one by one, with their definitions: nobody believes that they are gone.
#[tokio::test]
async fn objects_that_were_migrated_are_not_gone() {
    let server = ApiServer::start().await;
    server.serve_all(NATIVE);
    server.set(cluster_information(STORED, true));
    let names = ["a", "b", "c"];
    names.iter().for_each(|name| server.set(peer(name)));
    let datastore = Datastore::start(server.source());
    let mut watch = datastore.subscribe();
    assert_eq!(peers(&*synced(&datastore).await).len(), 3);
    server.until("all watch", |s| s.requests(&["bgppeers", "watch"]).len() == 1).await;
    server.set(cluster_information(STORED, false));
    server.set(cluster_information(NATIVE, false));
    for name in names {
        server.set(calico_in(NATIVE, "BGPPeer", name, json!({ "peerIP": "192.0.2.1", "asNumber": 65001 })));
    }
    server.set(cluster_information(NATIVE, true));
    names.iter().for_each(|name| server.delete(&peer(name)));
    server.set(calico_in(NATIVE, "BGPPeer", "new", json!({ "peerIP": "192.0.2.9", "asNumber": 65001 })));
    let all_there = |snapshot: &Snapshot| {
        assert!(names.iter().all(|name| peers(snapshot).contains(*name)), "{:?}", peers(snapshot));
    };
    told(&mut watch, all_there, |snapshot| peers(snapshot).contains("new")).await;
    // Lists, too, that are empty because of it are no news.
    server.withdraw_api(STORED);
    server.set(calico_in(NATIVE, "BGPPeer", "newer", json!({ "peerIP": "192.0.2.9", "asNumber": 65001 })));
    told(&mut watch, all_there, |snapshot| peers(snapshot).contains("newer")).await;
    until(&datastore, "in sync", in_sync).await;
}

/// A list that comes out empty because the old objects were migrated is no more believed than deletions that are told.
#[tokio::test]
async fn a_list_of_migrated_objects_is_not_believed() {
    let server = ApiServer::start().await;
    server.serve_all(NATIVE);
    server.set(cluster_information(STORED, true));
    server.set(peer("a"));
    let datastore = Datastore::start(server.source());
    let mut watch = datastore.subscribe();
    synced(&datastore).await;
    server.until("all watch", |s| s.requests(&["bgppeers", "watch"]).len() == 1).await;
    server.set(cluster_information(STORED, false));
    server.set(calico_in(NATIVE, "BGPPeer", "a", json!({ "peerIP": "192.0.2.1", "asNumber": 65001 })));
    server.set(calico_in(NATIVE, "BGPPeer", "new", json!({ "peerIP": "192.0.2.9", "asNumber": 65001 })));
    server.set(cluster_information(NATIVE, true));
    server.delete_unseen(&peer("a"));
    server.compact();
    let there = |snapshot: &Snapshot| assert!(peers(snapshot).contains("a"), "{:?}", peers(snapshot));
    told(&mut watch, there, |snapshot| peers(snapshot).contains("new")).await;
}

/// Where both APIs are served, the objects themselves say which counts; a deletion in the one that counts is believed.
#[tokio::test]
async fn the_cluster_says_which_of_two_apis_counts() {
    for (stored, native, counts) in [
        (Some(true), Some(true), "stored"),
        (Some(false), Some(true), "native"),
        (None, Some(true), "native"),
        (Some(false), Some(false), "stored"),
        (Some(true), None, "stored"),
        (None, None, "stored"),
    ] {
        let server = ApiServer::start().await;
        server.serve_all(NATIVE);
        server.set(peer("stored"));
        server.set(peer("gone"));
        server.set(calico_in(NATIVE, "BGPPeer", "native", json!({ "peerIP": "192.0.2.2", "asNumber": 65001 })));
        stored.iter().for_each(|ready| server.set(cluster_information(STORED, *ready)));
        native.iter().for_each(|ready| server.set(cluster_information(NATIVE, *ready)));
        let datastore = Datastore::start(server.source());
        assert!(peers(&*synced(&datastore).await).contains(counts), "{stored:?} {native:?}");
        if counts == "stored" {
            server.delete(&peer("gone"));
            until(&datastore, "it is gone", |d| !has(d, "BGPPeer/gone")).await;
        }
    }
}

/// A server that was set back to a backup counts from an earlier version on, and says nothing to whoever asks from a later one.
#[tokio::test]
async fn a_server_that_was_set_back_is_listed_again() {
    let server = ApiServer::start().await;
    (0..3).for_each(|n| server.set(pool(n)));
    let backup = server.revision();
    (10..20).for_each(|n| server.set(pool(n)));
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    server.until("all watch", |s| s.requests(&["ippools", "watch"]).len() == 1).await;
    server.delete_unseen(&pool(1));
    server.set_back(backup);
    until(&datastore, "the list", |d| !has(d, "IPPool/pool-1") && in_sync(d)).await;
    server.set(pool(2));
    server.set(pool(30));
    until(&datastore, "a change", |d| has(d, "IPPool/pool-30")).await;
}

/// An answer that says "later" is no reason to list anew.
#[tokio::test]
async fn a_busy_server_is_not_asked_for_lists() {
    for code in [429, 408, 401] {
        let server = ApiServer::start().await;
        server.set(peer("a"));
        let datastore = Datastore::start(server.source());
        synced(&datastore).await;
        server.until("all watch", |s| s.requests(&["bgppeers", "watch"]).len() == 1).await;
        server.fault("bgppeers watch", Fault::Code(code, None), 5);
        server.cut_connections();
        server.until("it watches again", |s| s.requests(&["bgppeers", "watch"]).len() == 7).await;
        server.set(peer("b"));
        until(&datastore, "a peer", |d| has(d, "BGPPeer/b")).await;
        assert_eq!(server.requests(&["bgppeers", "limit=500"]).len(), 1, "{code}");
    }
}

/// A peer that names a filter which was not heard of is not told before the filter, whichever of them is heard of first.
#[tokio::test]
async fn a_peer_comes_with_its_filter() {
    let server = ApiServer::start().await;
    server.set(peer("a"));
    let datastore = Datastore::start(server.source());
    let mut watch = datastore.subscribe();
    synced(&datastore).await;
    server.until("all watch", |s| s.requests(&["bgpfilters", "watch"]).len() == 1).await;
    // Nothing of filters is told.
    away(&server, || {
        server.fault("bgpfilters", Fault::Code(503, None), usize::MAX);
        server.set(filter("out"));
        server.set(peer_with_filter("b", "out"));
        server.set(peer("c"));
    })
    .await;
    let filtered = |snapshot: &Snapshot| {
        let named = || snapshot.all::<BgpPeer>().flat_map(|peer| peer.spec.filters.iter());
        assert!(named().all(|name| snapshot.named::<BgpFilter>(name).is_some()), "{:?}", snapshot);
    };
    told(&mut watch, filtered, |snapshot| peers(snapshot).contains("c")).await;
    until(&datastore, "it is said", |d| problems(d, "BGPPeer/b/filters").iter().any(|text| text.contains("out"))).await;
    assert!(!has(&datastore, "BGPPeer/b"));
    server.heal();
    told(&mut watch, filtered, |snapshot| peers(snapshot).contains("b")).await;
    until(&datastore, "nothing is wrong", |d| problems(d, "BGPPeer/b/filters").is_empty()).await;
    // The watch of filters stands, and has nothing to tell yet.
    away(&server, || {
        server.fault("bgpfilters watch", Fault::Hang, usize::MAX);
        server.set(filter("late"));
        server.set(peer_with_filter("d", "late"));
    })
    .await;
    told(&mut watch, filtered, |snapshot| peers(snapshot).contains("d")).await;
    // A filter that there is not keeps nobody waiting.
    server.heal();
    server.set(peer_with_filter("e", "none"));
    until(&datastore, "a peer", |d| has(d, "BGPPeer/e")).await;
}

/// An answer that breaks off before anything is told makes good for nothing.
#[tokio::test]
async fn a_watch_that_breaks_off_at_once_is_begun_after_longer_and_longer_pauses() {
    let server = ApiServer::start().await;
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    server.until("all watch", |s| s.requests(&["watch"]).len() >= 7).await;
    let before = server.requests(&["ippools", "watch"]).len();
    // Each watch of pools has something to tell, and breaks off before it.
    away(&server, || {
        server.fault("ippools watch", Fault::Cut(0), usize::MAX);
        server.fault("nodes watch", Fault::Code(503, None), usize::MAX);
        server.set(pool(1));
    })
    .await;
    server.until("some answers", |s| s.requests(&["/nodes", "watch"]).len() > 6).await;
    let begun = server.requests(&["ippools", "watch"]).len() - before;
    assert!(begun < 16, "{begun} watches");
}

/// Not every 404 says that a Secret is gone.
#[tokio::test]
async fn a_password_is_gone_when_its_secret_is_and_not_before() {
    let server = ApiServer::start().await;
    server.set(node("n1"));
    server.set(peer_with_password("a", "bgp-a"));
    server.set(secret("bgp-a", "one"));
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    server.fault("secrets/bgp-a", Fault::Code(404, None), 3);
    let before = server.requests(&["secrets/bgp-a"]).len();
    server.cut_connections();
    server.until("it was asked", |s| s.requests(&["secrets/bgp-a"]).len() > before + 3).await;
    server.set(pool(1));
    until(&datastore, "a pool", |d| has(d, "IPPool/pool-1")).await;
    assert_eq!(password(&datastore, "bgp-a").as_deref(), Some("one"));
    assert_eq!(datastore.counters().deletes, 0);
    server.delete(&secret("bgp-a", ""));
    until(&datastore, "no password", |d| password(d, "bgp-a").is_none()).await;
}

/// A Secret that cannot be read keeps one session down, and not the node.
#[tokio::test]
async fn a_secret_that_cannot_be_read_keeps_nobody_waiting_for_long() {
    let server = ApiServer::start().await;
    server.set(node("n1"));
    server.set(peer_with_password("a", "bgp-a"));
    server.set(secret("bgp-a", "one"));
    server.fault("secrets", Fault::Code(500, None), usize::MAX);
    let datastore = Datastore::start(server.source());
    let mut watch = datastore.subscribe();
    told(&mut watch, |_| (), |snapshot| peers(snapshot).contains("a")).await;
    let said = problems(&datastore, "Secret/kube-system/bgp-a");
    assert!(said.len() == 1 && said[0].contains("500") && said[0].contains("ignored"), "{said:?}");
    server.heal();
    until(&datastore, "the password", |d| password(d, "bgp-a").is_some() && in_sync(d)).await;
    assert!(problems(&datastore, "Secret/kube-system/bgp-a").is_empty());
}

/// A Secret that may be read and not watched is read again and again, and that is said once.
#[tokio::test]
async fn what_is_said_of_a_secret_stays_said() {
    let server = ApiServer::start().await;
    server.set(node("n1"));
    server.set(peer_with_password("a", "bgp-a"));
    server.set(secret("bgp-a", "one"));
    server.fault("secrets watch", Fault::Code(403, None), usize::MAX);
    let datastore = Datastore::start(server.source());
    let is_said = |d: &Datastore| problems(d, "Secret/kube-system/bgp-a/watch").len() == 1;
    until(&datastore, "it is said", is_said).await;
    let mut news = datastore.news();
    let read_again = server.until("it is read again", |s| s.requests(&["secrets/bgp-a"]).len() > 1);
    tokio::pin!(read_again);
    loop {
        tokio::select! {
            () = &mut read_again => break,
            changed = news.changed() => changed.expect("it runs"),
        }
        assert!(is_said(&datastore), "{:?}", datastore.status().problems);
    }
    server.set(pool(1));
    until(&datastore, "a pool", |d| has(d, "IPPool/pool-1")).await;
    assert!(is_said(&datastore) && password(&datastore, "bgp-a").is_some());
}

/// A server that keeps its connections and says nothing is one that is lost.
#[tokio::test]
async fn a_server_that_froze_is_noticed() {
    let server = ApiServer::start().await;
    server.set(peer("a"));
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    server.until("all watch", |s| s.requests(&["watch"]).len() >= 7).await;
    server.freeze(true);
    until(&datastore, "lost", |d| matches!(d.status().state, State::Lost(_))).await;
    assert!(has(&datastore, "BGPPeer/a"));
    server.freeze(false);
    until(&datastore, "in sync", in_sync).await;
    server.set(peer("b"));
    until(&datastore, "a peer", |d| has(d, "BGPPeer/b")).await;
    assert_eq!(server.requests(&["bgppeers", "limit=500"]).len(), 1);
}

/// One answer that says "later" is no loss.
#[tokio::test]
async fn one_refusal_is_no_loss() {
    let server = ApiServer::start().await;
    server.set(peer("a"));
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    server.until("all watch", |s| s.requests(&["watch"]).len() >= 7).await;
    server.fault("bgppeers watch", Fault::Code(429, None), 1);
    server.fault("ippools watch", Fault::Code(503, None), 1);
    server.cut_connections();
    server.until("both watch", |s| s.requests(&["bgppeers", "watch"]).len() > 2).await;
    server.set(peer("b"));
    server.set(pool(1));
    until(&datastore, "both", |d| has(d, "BGPPeer/b") && has(d, "IPPool/pool-1")).await;
    assert_eq!((datastore.counters().losses, datastore.status().held.get(&Kind::BgpPeer)), (0, None));
}
