//! What the source makes of an API server that is cut off, busy, frozen, set back, or about to lose Calico's old objects.

mod api_server;

use api_server::objects::*;
use api_server::{ApiServer, Fault};
use heddle_datastore::*;
use heddle_resources::Kind;

/// Something happens while nobody is connected.
async fn away(server: &ApiServer, what: impl FnOnce()) {
    server.down(true);
    server.until("nobody is connected", |s| s.connections() == 0).await;
    what();
    server.down(false);
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
