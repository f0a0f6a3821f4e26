//! The API over a real Unix socket, with a backend that holds fixed values.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use heddle_admin::node::Later;
use heddle_admin::server::{MAX_BODY, MAX_CONNECTIONS, MAX_STREAMS};
use heddle_admin::types::*;
use heddle_admin::{
    Access, AdminBackend, AdminServer, BindError, Client, ClientError, EventHub, EventReader, Node, RouteCursor,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

/// How many destinations the table has.
const TABLE: u32 = 50_000;

#[derive(Default)]
struct Fixed {
    hub: EventHub,
    /// Destinations that were computed.
    computed: Arc<AtomicU64>,
    /// Cursors that exist.
    cursors: Arc<AtomicU64>,
    asked: Mutex<Vec<String>>,
}

/// What only a node has.
#[derive(Debug)]
struct FixedNode;

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md")).unwrap()
}

/// The first example of the document after these words.
fn example(after: &str) -> String {
    let document = document();
    let rest = &document[document.find(after).unwrap_or_else(|| panic!("no {after}"))..];
    let begin = rest.find("```json\n").unwrap() + 8;
    rest[begin..begin + rest[begin..].find("```").unwrap()].to_owned()
}

impl Node for FixedNode {
    fn report(&self) -> Later<'_, NodeReport> {
        Box::pin(async { Ok(serde_json::from_str(&example("### Node")).unwrap()) })
    }

    fn fib(&self, _: FibQuery) -> Later<'_, FibPage> {
        Box::pin(async { Ok(serde_json::from_str(&example("### Forwarding table")).unwrap()) })
    }

    fn drain(&self, step: DrainStep) -> Later<'_, DrainReport> {
        let drained = match step {
            DrainStep::Drain => "lowered",
            DrainStep::Undo => "none",
        };
        Box::pin(async move { Ok(DrainReport { drained: drained.to_owned() }) })
    }
}

fn time(text: &str) -> WallTime {
    serde_json::from_value(serde_json::json!(text)).unwrap()
}

fn peer(address: &str) -> Peer {
    let text = include_str!("data/peer.json");
    let mut peer: Peer = serde_json::from_str(text).unwrap();
    peer.address = address.parse().unwrap();
    peer
}

fn no_peer(address: &PeerAddress) -> ApiError {
    ApiError::new(ErrorCode::PeerNotFound, format!("there is no peer {address}")).with_remedy("see `heddle show peers`")
}

impl AdminBackend for Fixed {
    type Routes = Walk;

    fn version(&self) -> Version {
        Version { program: "heddle".to_owned(), api: vec!["v1".to_owned()], ..Version::default() }
    }
    fn node(&self) -> Option<&dyn Node> {
        Some(&FixedNode)
    }
    async fn summary(&self) -> Result<Summary, ApiError> {
        Ok(serde_json::from_str(include_str!("data/summary.json")).unwrap())
    }
    async fn peers(&self) -> Result<Vec<Peer>, ApiError> {
        Ok(vec![peer("192.0.2.7"), peer("fe80::1%eth0")])
    }
    async fn peer(&self, address: &PeerAddress) -> Result<Peer, ApiError> {
        self.peers().await?.into_iter().find(|p| p.address == *address).ok_or_else(|| no_peer(address))
    }
    async fn routes(&self, query: RouteQuery) -> Result<Walk, ApiError> {
        self.asked.lock().await.push(format!("{query:?}"));
        if let Some(peer) = query.peer.filter(|p| *p != "192.0.2.7".parse().unwrap()) {
            return Err(no_peer(&peer));
        }
        self.cursors.fetch_add(1, Ordering::SeqCst);
        Ok(Walk { next: 0, computed: self.computed.clone(), cursors: self.cursors.clone() })
    }
    async fn act(&self, address: &PeerAddress, action: PeerAction) -> Result<ActionResult, ApiError> {
        self.peer(address).await?;
        let message = format!("{action:?}");
        Ok(ActionResult { peer: address.clone(), action: action.name().into(), changed: true, message })
    }
    fn events(&self) -> EventReader {
        self.hub.subscribe()
    }
    async fn config(&self) -> Result<RunningConfig, ApiError> {
        let applied_at = time("2026-05-04T10:00:00Z");
        Ok(RunningConfig { file: None, applied_at, toml: "[router]\nasn = 65001\n".to_owned() })
    }
    async fn config_diff(&self, source: ConfigSource) -> Result<ConfigDiff, ApiError> {
        if source.toml.as_deref() == Some("bad") {
            let mut error = ApiError::new(ErrorCode::ConfigInvalid, "new.toml:1: this is no TOML");
            error.details.push(ErrorDetail { line: Some(1), ..ErrorDetail::default() });
            return Err(error);
        }
        Ok(ConfigDiff { warnings: vec![format!("{source:?}")], ..ConfigDiff::default() })
    }
    async fn config_apply(&self, source: ConfigSource) -> Result<ConfigApplied, ApiError> {
        Ok(ConfigApplied { applied_at: time("2026-05-04T10:00:00Z"), diff: self.config_diff(source).await? })
    }
}

struct Walk {
    next: u32,
    computed: Arc<AtomicU64>,
    cursors: Arc<AtomicU64>,
}

impl RouteCursor for Walk {
    async fn next(&mut self) -> Result<Option<Vec<Destination>>, ApiError> {
        let end = (self.next + 256).min(TABLE);
        if self.next == end {
            return Ok(None);
        }
        let attributes = Arc::new(RouteAttributes { as_path: "65001 65002 65003".to_owned(), ..Default::default() });
        let chunk = (self.next..end).map(|n| {
            let prefix = ipnetwork::IpNetwork::new(std::net::Ipv4Addr::from(n << 8).into(), 24).unwrap();
            let path =
                serde_json::json!({"status": "best", "origin_type": "ibgp", "peer": "192.0.2.7", "attributes": {}});
            let path = Path { attributes: attributes.clone(), ..serde_json::from_value(path).unwrap() };
            Destination { prefix, paths: vec![path] }
        });
        let chunk: Vec<_> = chunk.collect();
        self.computed.fetch_add(chunk.len() as u64, Ordering::SeqCst);
        self.next = end;
        Ok(Some(chunk))
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.cursors.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Running {
    dir: tempfile::TempDir,
    backend: Arc<Fixed>,
    client: Client,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Running {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heddle.sock");
        let backend = Arc::new(Fixed::default());
        let (stop, stopped) = oneshot::channel();
        let server = AdminServer::bind(&path, Access::Owner).unwrap();
        let server = tokio::spawn(server.serve(backend.clone(), async {
            let _ = stopped.await;
        }));
        Self { dir, backend, client: Client::new(path), stop, server }
    }

    fn path(&self) -> PathBuf {
        self.client.path().to_owned()
    }

    /// Sends text, and reads what comes until the server closes.
    async fn raw(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.path()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn raw_get(&self, target: &str) -> String {
        self.raw(&format!("GET {target} HTTP/1.1\r\nHost: heddle\r\nConnection: close\r\n\r\n")).await
    }
}

/// Waits until `condition` holds, for at most ten seconds.
async fn wait_for(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never true: {what}");
}

fn api_error(result: Result<impl std::fmt::Debug, ClientError>) -> ApiError {
    match result.unwrap_err() {
        ClientError::Api(error) => error,
        other => panic!("another error: {other}"),
    }
}

#[tokio::test]
async fn simple_requests_and_their_answers() {
    let running = Running::start();
    let client = &running.client;
    assert_eq!(client.version().await.unwrap().program, "heddle");
    assert_eq!(client.summary().await.unwrap(), running.backend.summary().await.unwrap());
    let peers = client.peers().await.unwrap().peers;
    assert_eq!(peers.len(), 2);
    assert_eq!((peers[0].received, peers[0].accepted, peers[0].advertised), (850, 840, 810));
    let link_local: PeerAddress = "fe80::1%eth0".parse().unwrap();
    assert_eq!(client.peer(&link_local).await.unwrap(), peer("fe80::1%eth0"));
    assert_eq!(client.config().await.unwrap(), running.backend.config().await.unwrap());
    let error = api_error(client.peer(&"192.0.2.8".parse().unwrap()).await);
    assert_eq!(error, no_peer(&"192.0.2.8".parse().unwrap()));
}

#[tokio::test]
async fn actions_carry_their_parameters() {
    let running = Running::start();
    let address: PeerAddress = "192.0.2.7".parse().unwrap();
    let actions = [
        PeerAction::Up,
        PeerAction::Down(Down { text: Some("maintenance \u{fc}ber Nacht".to_owned()) }),
        PeerAction::Refresh(Refresh { family: Some(Family::Ipv6Unicast), direction: RefreshDirection::In }),
        PeerAction::Clear(Clear::default()),
        PeerAction::Drain(Drain { undrain: true }),
    ];
    for action in actions {
        let result = running.client.act(&address, &action).await.unwrap();
        assert_eq!(result.message, format!("{action:?}"));
        assert_eq!(result.action, action.name());
    }
    // RFC 9003 §2: one octet of length.
    for (length, fits) in [(255, true), (256, false)] {
        let down = PeerAction::Down(Down { text: Some("x".repeat(length)) });
        assert_eq!(running.client.act(&address, &down).await.is_ok(), fits, "{length}");
    }
}

#[tokio::test]
async fn errors_have_their_status_and_a_body() {
    let running = Running::start();
    let cases = [
        ("/v2/summary", 404, "not_found"),
        ("/", 404, "not_found"),
        ("/v1/peers/192.0.2.8", 404, "peer_not_found"),
        ("/v1/peers/banana", 400, "bad_request"),
        ("/v1/peers/%ff", 400, "bad_request"),
        ("/v1/peers/192.0.2.7/up", 405, "method_not_allowed"),
        ("/v1/routes?prefix=10.0.0.0/33", 400, "bad_request"),
        ("/v1/routes?view=received", 400, "bad_request"),
        ("/v1/routes?family=ipv6-unicast&prefix=10.0.0.0/8", 400, "bad_request"),
        ("/v1/routes?prefx=10.0.0.0/8", 400, "bad_request"),
        ("/v1/routes?match=fuzzy", 400, "bad_request"),
        ("/v1/routes?peer=192.0.2.8", 404, "peer_not_found"),
    ];
    for (target, status, code) in cases {
        let answer = running.raw_get(target).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        assert!(head.contains("content-type: application/json"), "{target}: {answer}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["code"], code, "{target}");
        assert!(body["error"]["message"].as_str().unwrap().len() > 8, "{target}: {answer}");
        assert_eq!(head.to_lowercase().contains("\r\nallow: post"), status == 405, "{target}: {answer}");
    }
    let post = |target: &str, body: &str| {
        let length = body.len();
        format!("POST {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    for (target, body, status) in [
        ("/v1/peers/192.0.2.7/up", "", 200),
        ("/v1/peers/192.0.2.7/explode", "", 404),
        ("/v1/peers/192.0.2.7/down", "{\"txt\": \"x\"}", 400),
        ("/v1/peers/192.0.2.7/down", "[", 400),
        ("/v1/config/apply", "{\"toml\": \"bad\"}", 422),
        ("/v1/summary", "", 405),
    ] {
        let answer = running.raw(&post(target, body)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {body}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let running = Running::start();
    let source = ConfigSource { toml: Some("#".repeat(MAX_BODY)), file: None };
    let error = api_error(running.client.config_apply(&source).await);
    assert_eq!(error.code, ErrorCode::TooLarge);
    let source = ConfigSource { toml: Some("#".repeat(MAX_BODY - 100)), file: None };
    assert!(running.client.config_apply(&source).await.is_ok());
}

#[tokio::test]
async fn configurations_are_compared_and_applied() {
    let running = Running::start();
    let good = ConfigSource { toml: Some("[router]".to_owned()), file: Some("new.toml".to_owned()) };
    assert_eq!(running.client.config_diff(&good).await.unwrap().warnings, [format!("{good:?}")]);
    let applied = running.client.config_apply(&good).await.unwrap();
    assert_eq!(applied.diff.warnings, [format!("{good:?}")]);
    let bad = ConfigSource { toml: Some("bad".to_owned()), file: None };
    let error = api_error(running.client.config_apply(&bad).await);
    assert_eq!((error.code, error.details[0].line), (ErrorCode::ConfigInvalid, Some(1)));
    assert!(running.raw_get("/v1/config/diff").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_table_comes_whole_in_both_forms() {
    let running = Running::start();
    let mut lines = running.client.routes(&RouteQuery::default()).await.unwrap();
    let mut count = 0;
    while let Some(destination) = lines.next().await.unwrap() {
        assert_eq!(destination.paths[0].attributes.as_path, "65001 65002 65003");
        count += 1;
    }
    assert_eq!(count, TABLE);
    let mut pieces = running.client.routes_json(&RouteQuery::default()).await.unwrap();
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(value["routes"].as_array().unwrap().len(), TABLE as usize);
    assert_eq!(value["routes"][1]["prefix"], "0.0.1.0/24");
}

#[tokio::test]
async fn a_query_survives_the_way() {
    let running = Running::start();
    let query = RouteQuery {
        family: Some(Family::Ipv4Unicast),
        prefix: Some("10.1.2.0/24".parse().unwrap()),
        matching: Match::Longer,
        peer: Some("192.0.2.7".parse().unwrap()),
        view: RouteView::Received,
        explain: true,
    };
    drop(running.client.routes(&query).await.unwrap());
    assert_eq!(*running.backend.asked.lock().await, [format!("{query:?}")]);
    // An address is a prefix of its full length, and host bits are cleared.
    for (text, meant) in
        [("10.1.2.3", "10.1.2.3/32"), ("10.1.2.3/24", "10.1.2.0/24"), ("2001:db8::1", "2001:db8::1/128")]
    {
        let _ = running.raw_get(&format!("/v1/routes?peer=192.0.2.99&prefix={text}")).await;
        let asked = running.backend.asked.lock().await.last().unwrap().clone();
        let meant: ipnetwork::IpNetwork = meant.parse().unwrap();
        assert!(asked.contains(&format!("{:?}", Some(meant))), "{text}: {asked}");
    }
}

#[tokio::test]
async fn a_reader_that_stops_holds_up_nobody() {
    let running = Running::start();
    let mut stalled = UnixStream::connect(running.path()).await.unwrap();
    stalled.write_all(b"GET /v1/routes HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    // The walk stops as soon as the buffers are full …
    let computed = || running.backend.computed.load(Ordering::SeqCst);
    let mut last = 0;
    let mut still = 0;
    wait_for("the walk stands still", async || {
        let now = computed();
        still = if now == last && now > 0 { still + 1 } else { 0 };
        last = now;
        still > 20
    })
    .await;
    assert!(computed() < u64::from(TABLE) / 4, "{} of {TABLE} destinations were computed", computed());
    // … others are answered …
    assert!(running.client.summary().await.is_ok());
    // … and it goes when the reader goes.
    drop(stalled);
    wait_for("the cursor is gone", async || running.backend.cursors.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn streams_are_bounded_and_leave_room_for_requests() {
    let running = Running::start();
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        streams.push(running.client.events(&EventQuery::default()).await.unwrap());
    }
    assert_eq!(api_error(running.client.events(&EventQuery::default()).await).code, ErrorCode::Unavailable);
    assert_eq!(api_error(running.client.routes(&RouteQuery::default()).await).code, ErrorCode::Unavailable);
    assert!(running.client.summary().await.is_ok());
    streams.pop();
    wait_for("a slot is free again", async || running.client.events(&EventQuery::default()).await.is_ok()).await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let running = Running::start();
    let mut idle = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        idle.push(UnixStream::connect(running.path()).await.unwrap());
    }
    let error = api_error(running.client.summary().await);
    assert_eq!(error.code, ErrorCode::Unavailable, "{error}");
    drop(idle);
    wait_for("there is room again", async || running.client.summary().await.is_ok()).await;
}

#[tokio::test]
async fn events_come_live_and_the_stream_ends_with_the_server() {
    let running = Running::start();
    let mut events = running.client.events(&EventQuery::default()).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().kind, EventKind::Connected);
    let kind = EventKind::PeerState { from: PeerState::OpenConfirm, to: PeerState::Established, reset: None };
    running.backend.hub.publish(Some("192.0.2.7".parse().unwrap()), kind.clone());
    let event = events.next().await.unwrap().unwrap();
    assert_eq!((event.kind, event.peer), (kind, Some("192.0.2.7".parse().unwrap())));
    running.stop.send(()).unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().kind, EventKind::Stopping);
    assert!(events.next().await.unwrap().is_none());
    running.server.await.unwrap();
    assert!(!running.client.path().exists());
}

#[tokio::test]
async fn the_server_stops_though_a_reader_is_stalled() {
    let running = Running::start();
    let mut stalled = UnixStream::connect(running.path()).await.unwrap();
    stalled.write_all(b"GET /v1/routes HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    wait_for("the walk has begun", async || running.backend.cursors.load(Ordering::SeqCst) == 1).await;
    running.stop.send(()).unwrap();
    running.server.await.unwrap();
    assert_eq!(running.backend.cursors.load(Ordering::SeqCst), 0);
    drop(running.dir);
}

#[tokio::test]
async fn a_missing_socket_and_a_second_instance_are_said_so() {
    let running = Running::start();
    let error = AdminServer::bind(running.client.path(), Access::Owner).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert!(running.client.summary().await.is_ok(), "the first instance is not disturbed");

    let missing = Client::new(running.dir.path().join("none.sock"));
    assert!(matches!(missing.summary().await, Err(ClientError::NoSocket { .. })));
    let left_over = running.dir.path().join("left-over.sock");
    drop(std::os::unix::net::UnixListener::bind(&left_over).unwrap());
    assert!(matches!(Client::new(left_over).summary().await, Err(ClientError::NotServed { .. })));
}

#[tokio::test]
async fn metrics_are_open_metrics_with_bounded_labels() {
    let running = Running::start();
    let answer = running.raw_get("/metrics").await;
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in [
        "heddle_peers{state=\"established\"} 2",
        "heddle_peer_up{peer=\"192.0.2.7\"} 1",
        "heddle_peer_state{peer=\"fe80::1%eth0\"} 6",
        "heddle_peer_messages_total{peer=\"192.0.2.7\",direction=\"sent\",type=\"keepalive\"} 2881",
        "heddle_peer_prefixes_accepted{peer=\"192.0.2.7\",family=\"ipv4-unicast\"} 790",
        "heddle_peer_prefixes_accepted{peer=\"192.0.2.7\",family=\"ipv6-unicast\"} 50",
        "heddle_peer_prefix_limit{peer=\"192.0.2.7\",family=\"ipv4-unicast\"} 1000",
        "heddle_peer_flaps_total{peer=\"192.0.2.7\"} 2",
        "heddle_peer_last_reset_timestamp_seconds{peer=\"192.0.2.7\",code=\"6\",subcode=\"2\"} 1777888740",
        "heddle_peer_update_errors_total{peer=\"192.0.2.7\",action=\"treat_as_withdraw\"} 3",
        "heddle_peer_info{peer=\"192.0.2.7\",asn=\"65001\",description=\"the \\\"second\\\" reflector\",group=\"\"} 1",
        "heddle_rib_paths{family=\"ipv4-unicast\"} 1600",
        "heddle_memory_bytes 23068672",
        "heddle_tasks 1012",
        "# TYPE heddle_peer_messages counter",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let labels = line.split_once('{').map_or("", |(_, rest)| rest);
        assert!(!labels.contains("prefix="), "a series a route: {line}");
    }
    // Each metric of the document is there, and no other.
    let documented = documented_metrics(&document());
    let types = text.lines().filter_map(|l| l.strip_prefix("# TYPE "));
    let rendered: std::collections::BTreeSet<String> = types
        .map(|l| match l.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .collect();
    assert_eq!(rendered, documented);
}

/// The names in the first column of the table of metrics; `_x` continues the name before it.
fn documented_metrics(document: &str) -> std::collections::BTreeSet<String> {
    let mut names = std::collections::BTreeSet::new();
    let rows = document.lines().filter(|l| l.starts_with("| `heddle_"));
    for row in rows {
        let cell = row.split('|').nth(1).unwrap();
        let mut first = String::new();
        for word in cell.split('`').skip(1).step_by(2) {
            if word.starts_with("heddle_") {
                first = word.to_owned();
                names.insert(word.to_owned());
            } else {
                let stem = first.rsplit_once('_').unwrap().0;
                names.insert(format!("{stem}{word}"));
            }
        }
    }
    names
}

#[tokio::test]
async fn the_document_shows_what_the_types_are() {
    /// Reads the example as `T` and writes it again: no key may be lost, and none added.
    fn same<T: serde::Serialize + serde::de::DeserializeOwned>(text: &str) {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let typed: T = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), value);
    }
    same::<ErrorBody>(&example("An error has a status"));
    same::<Version>(&example("### Version"));
    same::<Summary>(&example("### Summary"));
    same::<PeerList>(&example("### Peers"));
    same::<LastReset>(&example("`last_reset`:"));
    same::<Peer>(&example("### One peer"));
    same::<ActionResult>(&example("### Actions"));
    same::<Destination>(&example("A walk over the table"));
    same::<Event>(&example("### Events"));
    same::<NodeReport>(&example("### Node"));
    same::<FibPage>(&example("### Forwarding table"));
    same::<DrainReport>(&example("### Drain"));
    same::<ConfigDiff>(&example("as on SIGHUP. Both answer"));
}

#[tokio::test]
async fn a_node_tells_of_itself_and_is_drained() {
    let running = Running::start();
    let client = &running.client;
    assert_eq!(client.node().await.unwrap().node, "node-1");
    assert_eq!(client.fib(&FibQuery::default()).await.unwrap().routes.len(), 1);
    assert_eq!(client.drain_node(DrainStep::Drain).await.unwrap().drained, "lowered");
    assert_eq!(client.drain_node(DrainStep::Undo).await.unwrap().drained, "none");
}
