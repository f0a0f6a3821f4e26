//! Sessions between speakers, and what stops a start.

use std::net::SocketAddr;

use heddle_admin::types::RouteQuery;
use heddle_speaker::{Role, Speaker, StartError, StartOptions, read_config};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{World, soon};

const NETWORK: &str = "[[networks]]\nprefix = \"198.51.100.N/32\"\nnext_hop = \"192.0.2.1\"\n";

fn peer(n: u8, more: &str) -> String {
    format!("[[peers]]\naddress = \"NET.{n}\"\nport = PORT\nasn = 65001\nlocal_address = \"NET.OWN\"\n{more}\n")
}

fn speaker(own: u8, of: &str) -> String {
    format!("{of}{}", NETWORK.replace(".N/", &format!(".{own}/"))).replace("OWN", &own.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_speakers_exchange_their_routes() {
    let world = World::new(101);
    let a = world.start(1, &speaker(1, &peer(2, ""))).await;
    let b = world.start(2, &speaker(2, &peer(1, ""))).await;
    for (who, other, prefix) in [(&a, 2, "198.51.100.2/32"), (&b, 1, "198.51.100.1/32")] {
        who.established(world.ip(other)).await;
        who.peer_until(world.ip(other), "its route", |p| p.families.iter().any(|f| f.accepted == 1)).await;
        let query = RouteQuery { peer: Some(world.ip(other).into()), ..RouteQuery::default() };
        let mut routes = who.client.routes(&query).await.expect("routes");
        let route = soon("a route", routes.next()).await.expect("no error").expect("one route");
        assert_eq!(route.prefix.to_string(), prefix);
    }
    a.speaker.stop().await;
    b.speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_is_refused_and_leaves_no_trace() {
    let world = World::new(102);
    let first = world.start(1, "").await;
    let options = || StartOptions::new(Role::RouteReflector);
    let again = |toml: &str| read_config(toml, "test.toml").expect("valid");

    let same_socket = Speaker::start(again(&world.toml(1, "")), options()).await.expect_err("the socket is taken");
    assert!(matches!(same_socket, StartError::Api(_)), "{same_socket}");
    assert!(same_socket.to_string().contains("another instance already serves on"), "{same_socket}");

    let other_socket = world.toml(1, "").replace("1.sock", "other.sock");
    let same_port = Speaker::start(again(&other_socket), options()).await.expect_err("the port is taken");
    let text = same_port.to_string();
    assert!(text.contains(&format!("cannot listen on {}:{}", world.ip(1), world.port)), "{text}");
    assert!(!world.path("other.running").exists(), "no marker: the next start is not a restart");
    assert!(!world.path("other.sock").exists());
    assert!(first.summary().await.router.asn == 65001, "the first goes on");
    first.speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_over_tcp_and_nothing_else_is() {
    let world = World::new(120);
    let at = SocketAddr::new(world.ip(9), world.port);
    let rest = "[[peers]]\naddress = \"NET.2\"\nasn = 65001\npassive = true\n";
    let toml = world.toml(1, rest).replace("[api]\n", &format!("[api]\nmetrics = \"{at}\"\n"));
    let options = StartOptions::new(Role::RouteReflector);
    let speaker = Speaker::start(read_config(&toml, "test.toml").expect("valid"), options).await.expect("starts");
    let get = async |path: &str| {
        let mut stream = TcpStream::connect(at).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nHost: heddle\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        soon("an answer", stream.read_to_string(&mut answer)).await.expect("reads");
        answer
    };
    let metrics = get("/metrics").await;
    let series = format!("heddle_peer_up{{peer=\"{}\"}} 0", world.ip(2));
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains(&series), "{metrics}");
    assert!(get("/v1/config").await.starts_with("HTTP/1.1 404"));
    soon("the end", speaker.stop()).await;
}
