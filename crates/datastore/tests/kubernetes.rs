//! What the source makes of an API server, whatever that does.

mod api_server;

use api_server::objects::*;
use api_server::{ApiServer, Fault, NATIVE, STORED};
use heddle_datastore::*;
use heddle_resources::{BgpPeer, Kind, Node, Secret};
use serde_json::json;

#[tokio::test]
async fn all_kinds_are_listed_and_followed() {
    let server = ApiServer::start().await;
    for object in [node("n1"), node("n2"), peer("rack1"), pool(1), advertising(), service("web"), slice("web")] {
        server.set(object);
    }
    server.set(calico("BGPFilter", "f", json!({ "exportV4": [{ "action": "Reject" }] })));
    server.set(calico("CalicoNodeStatus", "s", json!({ "node": "n1", "classes": ["BGP"], "updatePeriodSeconds": 10 })));
    server.set(affinity("n1", 1));
    let datastore = Datastore::start(server.source());
    let mut watch = datastore.subscribe();
    let snapshot = synced(&datastore).await;
    assert_eq!(
        names(&snapshot),
        [
            "Node/n1",
            "Node/n2",
            "BGPConfiguration/default",
            "BGPPeer/rack1",
            "BGPFilter/f",
            "IPPool/pool-1",
            "BlockAffinity/n1-10-9-1-0-26",
            "Service/default/web",
            "EndpointSlice/default/web",
            "CalicoNodeStatus/s",
        ]
    );
    let n1 = snapshot.named::<Node>("n1").expect("a node");
    assert_eq!(n1.spec.bgp.ipv4_address.map(|a| a.to_string()).as_deref(), Some("10.0.0.1/24"));
    assert_eq!((n1.spec.pod_cidrs.len(), n1.metadata.labels.get("rack")), (1, Some("1")));
    assert!(datastore.status().problems.is_empty() && datastore.status().revision.is_some());
    assert!(matches!(watch.next().await, Some(Event::Snapshot(_))));
    server.set(peer("rack2"));
    until(&datastore, "a new peer", |d| has(d, "BGPPeer/rack2")).await;
    server.delete(&peer("rack1"));
    until(&datastore, "a peer is gone", |d| !has(d, "BGPPeer/rack1")).await;
    // What only the API server counts as a change is none; the peer behind it shows that it was seen.
    let version = datastore.status().version;
    let mut heartbeat = node("n1");
    heartbeat["metadata"]["annotations"]["other"] = "x".into();
    server.set(heartbeat);
    server.set(node("n3"));
    until(&datastore, "a new node", |d| has(d, "Node/n3")).await;
    assert_eq!(datastore.status().version, version + 1);
    let lists = ["/nodes", "/bgppeers", "/services"].map(|resource| server.lists(resource));
    assert_eq!(lists, [1, 1, 1]);
}

#[tokio::test]
async fn lists_of_many_pages_in_pieces_of_any_size() {
    for piece in [1 << 20, 700, 11] {
        let server = ApiServer::start().await;
        server.pieces(piece);
        (0..1201).for_each(|n| server.set(node(&format!("n{n}"))));
        let datastore = Datastore::start(server.source());
        assert_eq!(synced(&datastore).await.all::<Node>().count(), 1201, "{piece}");
        assert_eq!(server.requests(&["/nodes", "limit=500"]).len(), 3);
        server.set(node("one-more"));
        until(&datastore, "a new node", |d| has(d, "Node/one-more")).await;
    }
}

/// The rest of a list is gone when it is asked for.
#[tokio::test]
async fn a_continue_token_that_expires_is_answered_by_a_whole_list() {
    let server = ApiServer::start().await;
    (0..600).for_each(|n| server.set(node(&format!("n{n}"))));
    server.fault("/nodes continue=", Fault::Code(410, None), 1);
    let datastore = Datastore::start(server.source());
    assert_eq!(synced(&datastore).await.all::<Node>().count(), 600);
    assert_eq!(server.lists("/nodes"), 2);
}

#[tokio::test]
async fn every_answer_may_be_cut_off_anywhere() {
    for after in [0, 1, 100, 2000] {
        let server = ApiServer::start().await;
        (0..30).for_each(|n| server.set(pool(n)));
        server.fault("ippools limit", Fault::Cut(after), 2);
        server.fault("bgpfilters watch", Fault::Cut(0), 1);
        let datastore = Datastore::start(server.source());
        assert_eq!(synced(&datastore).await.len(), 30, "{after}");
        // A watch that is cut within an event goes on behind the last whole one.
        server.fault("ippools watch", Fault::Cut(after), 2);
        server.cut_connections();
        server.set(pool(40));
        server.set(pool(41));
        until(&datastore, "both pools", |d| has(d, "IPPool/pool-40") && has(d, "IPPool/pool-41")).await;
        server.heal();
        assert_eq!(datastore.status().held.len(), 0);
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let server = ApiServer::start().await;
    server.set(peer("rack1"));
    server.fault("bgppeers limit", Fault::Code(429, Some(1)), 2);
    server.fault("/apis", Fault::Code(503, None), 2);
    server.fault("/nodes limit", Fault::Code(500, None), 2);
    server.fault("ippools watch", Fault::Code(429, Some(1)), 1);
    let datastore = Datastore::start(server.source());
    assert_eq!(names(&*synced(&datastore).await), ["BGPPeer/rack1"]);
    assert_eq!(server.lists("bgppeers"), 3);
    server.set(pool(1));
    until(&datastore, "a pool", |d| has(d, "IPPool/pool-1") && in_sync(d)).await;
    let error = datastore.status().last_error.map(|(_, e)| e.to_string()).expect("there were some");
    assert!(error.contains("the API server answers"), "{error}");
}

/// Versions that are too old, told by the answer and in the watch: a list says what was missed.
#[tokio::test]
async fn what_was_missed_is_listed() {
    let server = ApiServer::start().await;
    (0..4).for_each(|n| server.set(pool(n)));
    let datastore = Datastore::start(server.source());
    assert_eq!(synced(&datastore).await.len(), 4);
    server.until("all watch", |s| s.requests(&["ippools", "watch"]).len() == 1).await;
    server.delete_unseen(&pool(1));
    server.set_unseen(pool(7));
    server.compact();
    until(&datastore, "the list", |d| has(d, "IPPool/pool-7") && !has(d, "IPPool/pool-1")).await;
    server.delete_unseen(&pool(2));
    server.fault("ippools watch", Fault::Error(410), 1);
    server.cut_connections();
    until(&datastore, "the list", |d| !has(d, "IPPool/pool-2")).await;
    assert_eq!(synced(&datastore).await.len(), 3);
}

/// With a bookmark a watch goes on where the server has long forgotten the last change of the kind.
#[tokio::test]
async fn bookmarks_spare_lists() {
    let server = ApiServer::start().await;
    server.set(peer("rack1"));
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    server.until("all watch", |s| s.requests(&["watch"]).len() >= 7).await;
    server.set(pool(1));
    until(&datastore, "a pool", |d| has(d, "IPPool/pool-1")).await;
    server.compact();
    server.until("lists", |s| s.lists("bgppeers") == 2 && s.requests(&["bgppeers", "watch"]).len() > 2).await;
    let (lists, watches) = (server.lists("bgppeers"), server.requests(&["bgppeers", "watch"]).len());
    for _ in 0..10 {
        server.bookmark();
    }
    server.cut_connections();
    let again = |s: &ApiServer| s.requests(&["bgppeers", "watch"]).len() > watches;
    server.until("the watch goes on", again).await;
    let newest = server.requests(&["bgppeers", "watch"]).pop().expect("a watch");
    server.set(peer("rack2"));
    until(&datastore, "a peer", |d| has(d, "BGPPeer/rack2")).await;
    assert_eq!(server.lists("bgppeers"), lists, "{newest}");
}

#[tokio::test]
async fn a_server_that_is_away_changes_nothing() {
    let server = ApiServer::start().await;
    server.set(peer("rack1"));
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    server.down(true);
    until(&datastore, "lost", |d| matches!(d.status().state, State::Lost(_))).await;
    let (since, version) = (datastore.status().since, datastore.status().version);
    server.set(peer("rack2"));
    server.delete(&peer("rack1"));
    let errors = datastore.counters().errors;
    until(&datastore, "more errors", |d| d.counters().errors > errors + 10).await;
    let status = datastore.status();
    assert!(matches!(&status.state, State::Lost(e) if e.to_string().contains("no answer")), "{}", status.state);
    assert_eq!((status.since, status.version, has(&datastore, "BGPPeer/rack1")), (since, version, true));
    server.down(false);
    until(&datastore, "in sync again", in_sync).await;
    until(&datastore, "what happened", |d| has(d, "BGPPeer/rack2") && !has(d, "BGPPeer/rack1")).await;
    assert_eq!(server.lists("bgppeers"), 1, "it went on where it was");
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let server = ApiServer::start().await;
    server.down(true);
    let datastore = Datastore::start(server.source());
    let mut watch = datastore.subscribe();
    until(&datastore, "an error", |d| d.counters().errors > 3).await;
    assert!(datastore.status().state.to_string().starts_with("waiting for an answer of http://127.0.0.1"));
    assert!(watch.try_next().is_none());
    server.down(false);
    assert!(synced(&datastore).await.is_empty());
}

/// A list that lacks most objects is not believed before a second one, later, agrees; a deletion that is told is.
#[tokio::test]
async fn a_list_that_came_out_short_is_doubted() {
    let server = ApiServer::start().await;
    (0..20).for_each(|n| server.set(pool(n)));
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    (0..15).for_each(|n| server.delete_unseen(&pool(n)));
    server.compact();
    until(&datastore, "doubt", |d| d.status().held.get(&Kind::IpPool) == Some(&15)).await;
    assert_eq!(datastore.snapshot().map(|s| s.len()), Some(20));
    // One of them is there all the same, and one that is told to go goes.
    server.set(pool(3));
    server.delete(&pool(16));
    until(&datastore, "one goes", |d| !has(d, "IPPool/pool-16")).await;
    until(&datastore, "one of them is back", |d| d.status().held.get(&Kind::IpPool) == Some(&14)).await;
    // The second list comes by itself.
    until(&datastore, "it is believed", |d| d.status().held.is_empty()).await;
    assert_eq!(datastore.snapshot().map(|s| s.len()), Some(5));
}

#[tokio::test]
async fn what_is_not_permitted_is_said_and_the_rest_works() {
    let server = ApiServer::start().await;
    for object in [peer("rack1"), advertising(), service("web"), slice("web")] {
        server.set(object);
    }
    server.fault("/services", Fault::Code(403, None), usize::MAX);
    let datastore = Datastore::start(server.source());
    let snapshot = synced(&datastore).await;
    assert_eq!(
        names(&snapshot),
        ["BGPConfiguration/default", "BGPPeer/rack1", "EndpointSlice/default/web"],
        "all but the services"
    );
    let said = problems(&datastore, "Service");
    assert!(said.len() == 1 && said[0].contains("not permitted") && said[0].contains("ignored"), "{said:?}");
    server.set(peer("rack2"));
    until(&datastore, "a peer", |d| has(d, "BGPPeer/rack2")).await;
    // Once it is permitted nothing needs to be restarted.
    server.heal();
    until(&datastore, "services", |d| has(d, "Service/default/web")).await;
    until(&datastore, "no problem", |d| problems(d, "Service").is_empty()).await;
}

/// Sessions without the filters that they should have would tell the world too much.
#[tokio::test]
async fn a_kind_that_sessions_need_is_waited_for() {
    let server = ApiServer::start().await;
    server.set(peer("rack1"));
    server.fault("bgpfilters", Fault::Code(403, None), usize::MAX);
    let datastore = Datastore::start(server.source());
    let waits = |d: &Datastore| d.status().state.to_string() == "waiting for the first list of BGPFilter";
    until(&datastore, "all else", |d| waits(d) && !problems(d, "BGPFilter").is_empty()).await;
    assert!(datastore.snapshot().is_none());
    server.heal();
    assert_eq!(synced(&datastore).await.len(), 1);
    assert!(problems(&datastore, "BGPFilter").is_empty());
    // What is taken away later costs nothing but news.
    server.fault("bgpfilters", Fault::Code(403, None), usize::MAX);
    server.cut_connections();
    let lost = |d: &Datastore| matches!(&d.status().state, State::Lost(e) if e.to_string().contains("not permitted"));
    until(&datastore, "lost", |d| lost(d) && problems(d, "BGPFilter").len() == 1).await;
    assert!(problems(&datastore, "BGPFilter")[0].contains("last good state"));
    server.set(peer("rack2"));
    until(&datastore, "a peer", |d| has(d, "BGPPeer/rack2")).await;
    assert!(matches!(datastore.status().state, State::Lost(_)));
    server.heal();
    until(&datastore, "in sync", in_sync).await;
}

#[tokio::test]
async fn nothing_is_told_before_the_slowest_kind() {
    let server = ApiServer::start().await;
    server.set(peer("rack1"));
    server.fault("blockaffinities", Fault::Hang, 1);
    let datastore = Datastore::start(server.source());
    let waits = |d: &Datastore| d.status().state.to_string() == "waiting for the first list of BlockAffinity";
    until(&datastore, "all else", waits).await;
    server.set(peer("rack2"));
    let two = |d: &Datastore| d.status().objects.get(&Kind::BgpPeer) == Some(&2);
    until(&datastore, "a change meanwhile", two).await;
    assert!(datastore.snapshot().is_none());
    server.heal();
    assert_eq!(synced(&datastore).await.len(), 2);
}

#[tokio::test]
async fn only_secrets_of_sessions_are_read_by_name() {
    let server = ApiServer::start().await;
    server.set(node("n1"));
    server.set(peer_with_password("a", "bgp-a"));
    server.set(peer_with_password("b", "bgp-b"));
    let mut elsewhere = peer_with_password("c", "bgp-c");
    elsewhere["spec"]["node"] = "n2".into();
    server.set(elsewhere);
    for name in ["bgp-a", "bgp-c", "other"] {
        server.set(secret(name, "one"));
    }
    let datastore = Datastore::start(server.source());
    let snapshot = synced(&datastore).await;
    assert_eq!(snapshot.all::<Secret>().count(), 1);
    assert_eq!(password(&datastore, "bgp-a").as_deref(), Some("one"));
    server.set(secret("bgp-a", "two"));
    until(&datastore, "a new password", |d| password(d, "bgp-a").as_deref() == Some("two")).await;
    server.set(secret("bgp-b", "late"));
    until(&datastore, "a secret that comes late", |d| password(d, "bgp-b").as_deref() == Some("late")).await;
    // Changes while nobody watches are found all the same.
    server.set_unseen(secret("bgp-a", "three"));
    server.cut_connections();
    until(&datastore, "a new password", |d| password(d, "bgp-a").as_deref() == Some("three")).await;
    server.delete(&secret("bgp-b", ""));
    until(&datastore, "a secret is gone", |d| password(d, "bgp-b").is_none()).await;
    // A peer that needs it no more, and one that comes to need another.
    server.set(peer_with_password("a", "other"));
    until(&datastore, "the other", |d| password(d, "other").is_some() && password(d, "bgp-a").is_none()).await;
    assert!(server.requests(&["bgp-c"]).is_empty());
    let all = server.requests(&["secrets"]);
    assert!(all.iter().all(|r| r.contains("bgp-") || r.contains("other")), "{all:?}");
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_said_and_all_else_works() {
    let server = ApiServer::start().await;
    server.set(node("n1"));
    server.set(peer_with_password("a", "bgp-a"));
    server.set(secret("bgp-a", "one"));
    server.fault("secrets", Fault::Code(403, None), usize::MAX);
    let datastore = Datastore::start(server.source());
    assert_eq!(synced(&datastore).await.len(), 2);
    let said = problems(&datastore, "Secret/kube-system/bgp-a");
    assert!(said.len() == 1 && said[0].contains("not permitted"), "{said:?}");
    server.heal();
    until(&datastore, "the secret", |d| d.snapshot().is_some_and(|s| s.len() == 3)).await;
    until(&datastore, "no problem", |d| d.status().problems.is_empty()).await;
}

#[tokio::test]
async fn only_affinities_of_the_node_are_kept() {
    for selectable in [false, true] {
        let server = ApiServer::start().await;
        if selectable {
            server.select_by_field();
        }
        (0..3).for_each(|n| server.set(affinity("n1", n)));
        (3..40).for_each(|n| server.set(affinity("n2", n)));
        let mut broken = affinity("n2", 50);
        broken["spec"]["cidr"] = "nonsense".into();
        server.set(broken);
        let datastore = Datastore::start(server.source());
        assert_eq!(synced(&datastore).await.len(), 3, "{selectable}");
        assert!(datastore.status().problems.is_empty());
        server.set(affinity("n2", 60));
        server.set(affinity("n1", 61));
        until(&datastore, "a block", |d| d.snapshot().is_some_and(|s| s.len() == 4)).await;
        let watches = server.requests(&["blockaffinities", "watch"]);
        assert!(watches.iter().all(|w| w.contains("fieldSelector") == selectable), "{watches:?}");
    }
}

#[tokio::test]
async fn pods_are_those_of_the_node() {
    let server = ApiServer::start().await;
    let pod = |name: &str, node: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" },
            "spec": { "nodeName": node, "containers": [{ "name": "c" }] },
            "status": { "phase": "Running", "podIP": "10.1.0.1" },
        })
    };
    server.set(pod("a", "k1"));
    server.set(pod("b", "k2"));
    // A node's own source has no use for them: the kernel's routes tell of pods, and sooner.
    let node = Datastore::start(server.source());
    assert!(synced(&node).await.is_empty());
    assert_eq!(server.requests(&["/pods"]), Vec::<String>::new());
    drop(node);
    let options =
        KubernetesOptions { pods: PodUse::OfNode, kubernetes_node: Some("k1".into()), ..KubernetesOptions::of("n1") };
    let datastore = Datastore::start(server.source_with(options));
    assert_eq!(names(&*synced(&datastore).await), ["Pod/default/a"]);
    assert!(server.requests(&["/pods"]).iter().all(|r| r.contains("fieldSelector=spec.nodeName%3Dk1")));
}

#[tokio::test]
async fn services_are_read_where_they_are_advertised() {
    let server = ApiServer::start().await;
    server.set(service("web"));
    server.set(slice("web"));
    let datastore = Datastore::start(server.source());
    assert!(synced(&datastore).await.is_empty());
    assert!(server.requests(&["services"]).is_empty() && server.requests(&["endpointslices"]).is_empty());
    server.set(advertising());
    until(&datastore, "services", |d| d.snapshot().is_some_and(|s| s.len() == 3)).await;
    server.delete(&advertising());
    until(&datastore, "no services", |d| d.snapshot().is_some_and(|s| s.is_empty())).await;
    let options = KubernetesOptions { services: ServiceUse::Always, ..KubernetesOptions::of("n1") };
    let always = Datastore::start(server.source_with(options));
    assert_eq!(synced(&always).await.len(), 2);
    // Of the two that run, neither is to ask for what the third one is kept from.
    drop((datastore, always));
    // What is there from the beginning is there before anybody is told: a restart withdraws no service.
    server.set(advertising());
    server.fault("/services limit", Fault::Hang, 1);
    let restarted = Datastore::start(server.source());
    until(&restarted, "slices", |d| d.status().objects.get(&Kind::EndpointSlice) == Some(&1)).await;
    assert!(restarted.snapshot().is_none());
    server.heal();
    assert_eq!(synced(&restarted).await.len(), 3);
}

#[tokio::test]
async fn calicos_api_is_the_one_that_calico_would_use() {
    // Both: one of them is Calico's API server.
    let server = ApiServer::start().await;
    server.serve_all(NATIVE);
    server.set(peer("stored"));
    server.set(calico("BGPPeer", "wrong", json!({ "peerIP": "nobody" })));
    server.set(calico_in(NATIVE, "BGPPeer", "native", json!({ "peerIP": "192.0.2.2", "asNumber": 65001 })));
    let datastore = Datastore::start(server.source());
    assert_eq!(names(&*synced(&datastore).await), ["BGPPeer/stored"]);
    let options = KubernetesOptions { calico: Some(CalicoApi::Native), ..KubernetesOptions::of("n1") };
    let wanted = Datastore::start(server.source_with(options));
    assert_eq!(names(&*synced(&wanted).await), ["BGPPeer/native"]);
    // The old one is taken away: a migration to the native one is complete.
    server.withdraw_api(STORED);
    until(&datastore, "the other", |d| has(d, "BGPPeer/native") && !has(d, "BGPPeer/stored")).await;
    until(&datastore, "in sync", |d| in_sync(d) && d.status().problems.is_empty()).await;
    // None, or an old Calico without filters.
    let server = ApiServer::bare().await;
    let datastore = Datastore::start(server.source());
    let missing = |d: &Datastore| d.status().last_error.is_some_and(|(_, e)| e.to_string().contains("install Calico"));
    until(&datastore, "an error", missing).await;
    server.serve_api(STORED, &["bgpconfigurations", "bgppeers", "ippools", "blockaffinities"]);
    assert!(synced(&datastore).await.is_empty());
    assert!(server.requests(&["bgpfilters"]).is_empty());
}

#[tokio::test]
async fn an_invalid_object_is_ignored_alone_and_keeps_its_last_good_state() {
    let server = ApiServer::start().await;
    server.set(peer("good"));
    let mut bad = peer("bad");
    bad["spec"]["peerIP"] = "192.0.2.300".into();
    server.set(bad.clone());
    let datastore = Datastore::start(server.source());
    assert_eq!(names(&*synced(&datastore).await), ["BGPPeer/good"]);
    let said = problems(&datastore, "BGPPeer/bad");
    assert!(said.len() == 1 && said[0].contains("spec.peerIP") && said[0].contains("ignored"), "{said:?}");
    bad["metadata"]["name"] = "good".into();
    server.set(bad);
    until(&datastore, "a problem", |d| !problems(d, "BGPPeer/good").is_empty()).await;
    assert!(problems(&datastore, "BGPPeer/good")[0].contains("last good state"));
    assert!(has(&datastore, "BGPPeer/good"));
    // So after a list, too, and a field that nobody knows is worth a word.
    server.compact();
    server.until("lists", |s| s.lists("bgppeers") > 1).await;
    let mut noted = peer("noted");
    noted["spec"]["exportv4"] = 1.into();
    server.set(noted);
    until(&datastore, "a note", |d| problems(d, "BGPPeer/noted").iter().any(|p| p.contains("exportv4"))).await;
    assert!(has(&datastore, "BGPPeer/good") && has(&datastore, "BGPPeer/noted"));
    server.set(peer("good"));
    server.delete_unseen(&peer("bad"));
    server.compact();
    until(&datastore, "no faults", |d| d.status().faults().count() == 0).await;
    server.delete(&peer("noted"));
    until(&datastore, "no problems", |d| d.status().problems.is_empty()).await;
    assert_eq!(datastore.snapshot().map(|s| s.all::<BgpPeer>().count()), Some(1));
}

#[tokio::test]
async fn with_the_datastore_its_connections_end() {
    let server = ApiServer::start().await;
    let datastore = Datastore::start(server.source());
    synced(&datastore).await;
    server.until("all watch", |s| s.requests(&["watch"]).len() >= 7).await;
    drop(datastore);
    server.until("no connections", |s| s.connections() == 0).await;
}

/// TLS is there, with what it needs.
#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_believed() {
    let server = ApiServer::start().await;
    server.down(true);
    let mut config = server.config();
    config.cluster_url = config.cluster_url.to_string().replace("http:", "https:").parse().expect("an address");
    config.root_cert = Some(Vec::new());
    let source = KubernetesSource::connect(&config, KubernetesOptions::of("n1")).expect("a client");
    let datastore = Datastore::start(source);
    until(&datastore, "errors", |d| d.counters().errors > 2).await;
    let error = datastore.status().last_error.map(|(_, e)| e.to_string()).expect("there were some");
    assert!(error.contains("no answer of the API server"), "{error}");
    assert!(datastore.snapshot().is_none() && server.requests(&[]).is_empty());
}
