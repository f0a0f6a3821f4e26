//! An API server on loopback that does what a test tells it to: lists, pages, watches and bookmarks as Kubernetes has them,
//! and everything that can go wrong between them.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod objects;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heddle_datastore::{KubernetesOptions, KubernetesSource};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// An answer with this code, and the header `Retry-After`, if there is one.
    Code(u16, Option<u64>),
    /// The answer ends after so many octets of its body.
    Cut(usize),
    /// There is no answer as long as this fault is there.
    Hang,
    /// A watch begins, and its first event is this error.
    Error(u16),
}

#[derive(Clone, Debug)]
struct Planned {
    /// What the request has to contain.
    of: String,
    fault: Fault,
    times: usize,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    /// Watches cannot begin before.
    oldest: u64,
    /// By path of the collection in all namespaces, then by namespace and name.
    objects: BTreeMap<String, BTreeMap<(String, String), Value>>,
    events: Vec<(u64, String, &'static str, Value)>,
    /// Lists that are read page by page.
    lists: BTreeMap<String, (u64, Vec<Value>)>,
    faults: Vec<Planned>,
    requests: Vec<String>,
    apis: BTreeMap<String, BTreeSet<&'static str>>,
    /// Fields by which custom resources can be selected.
    selectable: bool,
    down: bool,
    /// Connections stay, and nothing comes.
    frozen: bool,
    /// With each change of it connections end.
    generation: u64,
    bookmarks: u64,
    piece: usize,
    connections: usize,
}

/// The server.
#[derive(Clone)]
pub(crate) struct ApiServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    news: watch::Sender<u64>,
    task: Arc<JoinHandle<()>>,
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if Arc::strong_count(&self.task) == 1 {
            self.task.abort();
        }
    }
}

pub(crate) const STORED: &str = "crd.projectcalico.org/v1";
pub(crate) const NATIVE: &str = "projectcalico.org/v3";
const CALICO: [&str; 8] = [
    "bgpconfigurations",
    "bgppeers",
    "bgpfilters",
    "ippools",
    "blockaffinities",
    "caliconodestatuses",
    "ipamblocks",
    "clusterinformations",
];

impl ApiServer {
    /// With Calico's stored API, and nothing in it.
    pub(crate) async fn start() -> Self {
        let server = Self::bare().await;
        server.serve_api(STORED, &CALICO);
        server
    }

    /// Without an API of Calico's.
    pub(crate) async fn bare() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { revision: 100, piece: 1 << 20, ..State::default() }));
        let news = watch::Sender::new(0);
        let (of_task, news_of_task) = (Arc::clone(&state), news.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (tell, news) = (news_of_task.clone(), news_of_task.subscribe());
                let connection = Connection { state: Arc::clone(&of_task), tell, news };
                tokio::spawn(connection.run(stream));
            }
        });
        Self { address, state, news, task: Arc::new(task) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let done = with(&mut self.lock());
        self.news.send_modify(|n| *n += 1);
        done
    }

    /// A configuration that reaches it.
    pub(crate) fn config(&self) -> kube::Config {
        kube::Config::new(format!("http://{}", self.address).parse().expect("an address"))
    }

    /// A source of it for the node `n1`.
    pub(crate) fn source(&self) -> KubernetesSource {
        let spread = std::time::Duration::from_millis(250);
        self.source_with(KubernetesOptions { spread, ..KubernetesOptions::of("n1") })
    }

    pub(crate) fn source_with(&self, options: KubernetesOptions) -> KubernetesSource {
        KubernetesSource::connect(&self.config(), options).expect("a client")
    }

    /// Serves these resources of Calico's in an API.
    pub(crate) fn serve_api(&self, api: &str, resources: &[&'static str]) {
        self.change(|s| s.apis.insert(api.to_owned(), resources.iter().copied().collect()));
    }

    pub(crate) fn serve_all(&self, api: &str) {
        self.serve_api(api, &CALICO);
    }

    pub(crate) fn withdraw_api(&self, api: &str) {
        self.change(|s| {
            s.apis.remove(api);
            s.generation += 1;
        });
    }

    pub(crate) fn select_by_field(&self) {
        self.change(|s| s.selectable = true);
    }

    /// Answers come in pieces of so many octets.
    pub(crate) fn pieces(&self, size: usize) {
        self.change(|s| s.piece = size);
    }

    /// Makes or changes an object.
    pub(crate) fn set(&self, object: Value) {
        self.change(|s| s.set(object));
    }

    /// Makes or changes objects of which no watch tells.
    pub(crate) fn set_unseen(&self, object: Value) {
        self.unseen(|s| s.set(object));
    }

    pub(crate) fn delete(&self, object: &Value) {
        self.change(|s| s.delete(object));
    }

    pub(crate) fn delete_unseen(&self, object: &Value) {
        self.unseen(|s| s.delete(object));
    }

    fn unseen(&self, with: impl FnOnce(&mut State)) {
        self.change(|s| {
            let events = s.events.len();
            with(s);
            s.events.truncate(events);
        });
    }

    /// Ends all watches, and forgets all versions before now.
    pub(crate) fn compact(&self) {
        self.change(|s| {
            s.oldest = s.revision + 1;
            s.revision += 1;
            s.generation += 1;
        });
    }

    /// Ends all connections.
    pub(crate) fn cut_connections(&self) {
        self.change(|s| s.generation += 1);
    }

    /// Tells all watches the present version.
    pub(crate) fn bookmark(&self) {
        self.change(|s| {
            s.revision += 1;
            s.bookmarks = s.revision;
        });
    }

    /// From now on connections end at once, or not.
    pub(crate) fn down(&self, down: bool) {
        self.change(|s| {
            s.down = down;
            s.generation += 1;
        });
    }

    /// It is set back to an earlier version, as from a backup, and ends all connections.
    pub(crate) fn set_back(&self, revision: u64) {
        self.change(|s| {
            s.revision = revision;
            s.events.retain(|(of, ..)| *of <= revision);
            s.generation += 1;
        });
    }

    /// The version that it has.
    pub(crate) fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// From now on it keeps connections and says nothing, or it goes on.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.change(|s| s.frozen = frozen);
    }

    /// The next requests that contain a text go wrong.
    pub(crate) fn fault(&self, of: &str, fault: Fault, times: usize) {
        self.change(|s| s.faults.push(Planned { of: of.to_owned(), fault, times }));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.change(|s| s.faults.clear());
    }

    /// The requests so far that contain all of these texts.
    pub(crate) fn requests(&self, of: &[&str]) -> Vec<String> {
        self.lock().requests.iter().filter(|r| of.iter().all(|text| r.contains(text))).cloned().collect()
    }

    /// Lists of a resource so far; pages after the first, and lists of one object for its version, are not counted.
    pub(crate) fn lists(&self, resource: &str) -> usize {
        let all = self.requests(&[resource]);
        let is_list = |r: &&String| ["watch=true", "continue=", "limit=1"].iter().all(|text| !r.contains(text));
        all.iter().filter(is_list).count()
    }

    /// Connections that are open now.
    pub(crate) fn connections(&self) -> usize {
        self.lock().connections
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let mut news = self.news.subscribe();
        let waiting = async {
            while !is_so(self) {
                news.changed().await.expect("it runs");
            }
        };
        let done = tokio::time::timeout(std::time::Duration::from_secs(90), waiting).await;
        assert!(done.is_ok(), "never: {what}; {:?}", self.requests(&[]));
    }
}

/// The collection of an object, in all namespaces.
fn collection(object: &Value) -> String {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let plural = match text("kind") {
        "Node" => "nodes",
        "Service" => "services",
        "Secret" => "secrets",
        "Pod" => "pods",
        "EndpointSlice" => "endpointslices",
        "BGPConfiguration" => "bgpconfigurations",
        "BGPPeer" => "bgppeers",
        "BGPFilter" => "bgpfilters",
        "IPPool" => "ippools",
        "BlockAffinity" => "blockaffinities",
        "CalicoNodeStatus" => "caliconodestatuses",
        "ClusterInformation" => "clusterinformations",
        other => panic!("{other}"),
    };
    let version = text("apiVersion");
    if version.contains('/') { format!("/apis/{version}/{plural}") } else { format!("/api/{version}/{plural}") }
}

fn key(object: &Value) -> (String, String) {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

impl State {
    fn set(&mut self, mut object: Value) {
        self.revision += 1;
        let (collection, key) = (collection(&object), key(&object));
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        object["metadata"]["managedFields"] = json!([{ "manager": "test", "fieldsV1": { "f:spec": {} } }]);
        let before = self.objects.entry(collection.clone()).or_default().insert(key, object.clone());
        let what = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.events.push((self.revision, collection, what, object));
    }

    fn delete(&mut self, object: &Value) {
        self.revision += 1;
        let collection = collection(object);
        let gone = self.objects.get_mut(&collection).and_then(|all| all.remove(&key(object)));
        let mut gone = gone.expect("it is there");
        gone["metadata"]["resourceVersion"] = self.revision.to_string().into();
        self.events.push((self.revision, collection, "DELETED", gone));
    }

    fn fault(&mut self, request: &str) -> Option<Fault> {
        let planned =
            self.faults.iter_mut().find(|f| f.times > 0 && f.of.split(' ').all(|text| request.contains(text)))?;
        planned.times -= 1;
        Some(planned.fault.clone())
    }
}

struct Connection {
    state: Arc<Mutex<State>>,
    tell: watch::Sender<u64>,
    news: watch::Receiver<u64>,
}

/// An answer.
enum Answer {
    Whole(u16, Value),
    Watch {
        collection: String,
        namespace: Option<String>,
        selector: Option<(String, String)>,
        from: u64,
        first: Vec<Value>,
    },
}

struct Request {
    path: String,
    query: BTreeMap<String, String>,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(mut self, mut stream: TcpStream) {
        let generation = {
            let mut state = self.lock();
            if state.down {
                return;
            }
            state.connections += 1;
            state.generation
        };
        let mut news = self.news.clone();
        let state = Arc::clone(&self.state);
        let cut = async move {
            while state.lock().unwrap_or_else(PoisonError::into_inner).generation == generation {
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        let served = async { while self.request(&mut stream).await.is_some() {} };
        tokio::select! {
            () = cut => {}
            () = served => {}
        }
        self.lock().connections -= 1;
        self.tell.send_modify(|n| *n += 1);
    }

    async fn thawed(&mut self) -> Option<()> {
        while self.lock().frozen {
            self.news.changed().await.ok()?;
        }
        Some(())
    }

    /// One request and its answer; none: the connection ends.
    async fn request(&mut self, stream: &mut TcpStream) -> Option<()> {
        let line = read_request(stream).await?;
        let target = line.split(' ').nth(1)?.to_owned();
        let fault = {
            let mut state = self.lock();
            state.requests.push(target.clone());
            state.fault(&target)
        };
        // Whoever waits for a request hears of it.
        self.tell.send_modify(|n| *n += 1);
        self.thawed().await?;
        let piece = self.lock().piece;
        match fault {
            Some(Fault::Hang) => {
                loop {
                    self.news.changed().await.ok()?;
                    if self.lock().faults.is_empty() {
                        break;
                    }
                }
                self.answer(stream, &target, piece, None, None).await
            }
            Some(Fault::Code(code, retry)) => {
                let status = json!({ "kind": "Status", "code": code, "message": format!("fault {code}") });
                let retry = retry.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
                whole(stream, code, &retry, &status.to_string(), piece, None).await
            }
            Some(Fault::Cut(after)) => {
                self.answer(stream, &target, piece, Some(after), None).await;
                None
            }
            Some(Fault::Error(code)) => self.answer(stream, &target, piece, None, Some(code)).await,
            None => self.answer(stream, &target, piece, None, None).await,
        }
    }

    async fn answer(
        &mut self,
        stream: &mut TcpStream,
        target: &str,
        piece: usize,
        cut: Option<usize>,
        error: Option<u16>,
    ) -> Option<()> {
        let answer = respond(&mut self.lock(), &parse(target));
        match answer {
            Answer::Whole(code, body) => whole(stream, code, "", &body.to_string(), piece, cut).await,
            Answer::Watch { collection, namespace, selector, from, first } => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.ok()?;
                if let Some(code) = error {
                    let event = json!({ "type": "ERROR", "object": { "kind": "Status", "code": code } });
                    chunk(stream, &format!("{event}\n")).await?;
                    stream.write_all(b"0\r\n\r\n").await.ok()?;
                    return Some(());
                }
                let (mut from, mut sent, mut marked) = (from, 0, 0);
                for object in first {
                    chunk(stream, &format!("{}\n", json!({ "type": "ADDED", "object": object }))).await?;
                }
                loop {
                    self.thawed().await?;
                    let (lines, bookmarks) = {
                        let state = self.lock();
                        let mut text = String::new();
                        for (revision, of, what, object) in &state.events {
                            let wanted = *of == collection
                                && namespace.as_ref().is_none_or(|n| *n == key(object).0)
                                && selector.as_ref().is_none_or(|s| selects(object, s));
                            if *revision > from && wanted {
                                text += &format!("{}\n", json!({ "type": what, "object": object }));
                            }
                        }
                        from = from.max(state.events.last().map_or(0, |e| e.0));
                        if state.bookmarks > marked.max(from) {
                            marked = state.bookmarks;
                            let object = json!({ "metadata": { "resourceVersion": marked.to_string() } });
                            text += &format!("{}\n", json!({ "type": "BOOKMARK", "object": object }));
                        }
                        (text, marked)
                    };
                    marked = bookmarks;
                    for part in lines.as_bytes().chunks(piece) {
                        let rest = cut.map_or(part.len(), |cut| part.len().min(cut - sent));
                        let part = part.get(..rest)?;
                        chunk(stream, &String::from_utf8_lossy(part)).await?;
                        sent += part.len();
                        if cut == Some(sent) {
                            return None;
                        }
                    }
                    let mut octet = [0];
                    tokio::select! {
                        changed = self.news.changed() => changed.ok()?,
                        _ = stream.read(&mut octet) => return None,
                    }
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()?.lines().next().map(str::to_owned)
}

async fn whole(
    stream: &mut TcpStream,
    code: u16,
    headers: &str,
    body: &str,
    piece: usize,
    cut: Option<usize>,
) -> Option<()> {
    let head = format!("HTTP/1.1 {code} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok()?;
    let body = body.as_bytes().get(..cut.unwrap_or(body.len()).min(body.len()))?;
    for part in body.chunks(piece) {
        stream.write_all(part).await.ok()?;
        tokio::task::yield_now().await;
    }
    cut.is_none().then_some(())
}

async fn chunk(stream: &mut TcpStream, text: &str) -> Option<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.ok()
}

fn parse(target: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decoded = |text: &str| {
        let mut out = Vec::new();
        let mut octets = text.bytes();
        while let Some(c) = octets.next() {
            if c == b'%' {
                let hex = [octets.next().unwrap_or(0), octets.next().unwrap_or(0)];
                out.push(u8::from_str_radix(&String::from_utf8_lossy(&hex), 16).expect("hex"));
            } else {
                out.push(c);
            }
        }
        String::from_utf8(out).expect("text")
    };
    let query = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.to_owned(), decoded(v)));
    Request { path: path.to_owned(), query: query.collect() }
}

fn error(code: u16, message: &str) -> Answer {
    Answer::Whole(code, json!({ "kind": "Status", "apiVersion": "v1", "code": code, "message": message }))
}

/// There is no object of this name.
fn not_found(collection: &str, name: &str) -> Answer {
    let plural = collection.rsplit('/').next().unwrap_or_default();
    let details = json!({ "name": name, "kind": plural });
    let message = format!("{plural} \"{name}\" not found");
    let status = json!({ "kind": "Status", "code": 404, "reason": "NotFound", "message": message, "details": details });
    Answer::Whole(404, status)
}

fn selects(object: &Value, (field, value): &(String, String)) -> bool {
    let found = field.split('.').fold(object, |value, name| &value[name]);
    found.as_str().unwrap_or_default() == value
}

/// `/apis/GROUP/VERSION/PLURAL` of all namespaces, the namespace, and the name.
fn split(path: &str) -> Option<(String, Option<String>, Option<String>)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (prefix, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => (format!("/api/{version}"), rest),
        ["apis", group, version, rest @ ..] => (format!("/apis/{group}/{version}"), rest),
        _ => return None,
    };
    match rest {
        ["namespaces", namespace, plural, name @ ..] => {
            Some((format!("{prefix}/{plural}"), Some((*namespace).to_owned()), name.first().map(|n| (*n).to_owned())))
        }
        [plural, name @ ..] => Some((format!("{prefix}/{plural}"), None, name.first().map(|n| (*n).to_owned()))),
        [] => None,
    }
}

fn respond(state: &mut State, request: &Request) -> Answer {
    if request.path == "/apis" {
        let version = |api: &String| {
            let (group, _) = api.split_once('/').expect("a group");
            json!({ "name": group, "versions": [{ "groupVersion": api }] })
        };
        let groups: Vec<Value> = state.apis.keys().map(version).collect();
        return Answer::Whole(200, json!({ "kind": "APIGroupList", "groups": groups }));
    }
    if let Some(resources) = request.path.strip_prefix("/apis/").and_then(|api| state.apis.get(api)) {
        let resources: Vec<Value> = resources.iter().map(|name| json!({ "name": name })).collect();
        return Answer::Whole(200, json!({ "kind": "APIResourceList", "resources": resources }));
    }
    let Some((collection, namespace, name)) = split(&request.path) else { return error(404, "no such path") };
    if let Some((api, plural)) = collection.strip_prefix("/apis/").and_then(|rest| rest.rsplit_once('/'))
        && api.contains("calico")
        && !state.apis.get(api).is_some_and(|resources| resources.contains(plural))
    {
        return error(404, "the server could not find the requested resource");
    }
    if let Some(name) = name {
        let key = (namespace.unwrap_or_default(), name);
        let found = state.objects.get(&collection).and_then(|all| all.get(&key));
        return found.map_or_else(|| not_found(&collection, &key.1), |object| Answer::Whole(200, object.clone()));
    }
    let selector = request.query.get("fieldSelector").and_then(|s| s.split_once('='));
    let selector = selector.map(|(field, value)| (field.to_owned(), value.to_owned()));
    if let Some((field, _)) = &selector {
        let known = match field.as_str() {
            "metadata.name" => true,
            "spec.nodeName" => collection.ends_with("/pods"),
            _ => state.selectable,
        };
        if !known {
            return error(400, &format!("field label not supported: {field}"));
        }
    }
    if request.query.get("watch").is_some_and(|w| w == "true") {
        return watch_from(state, request, collection, namespace, selector);
    }
    list(state, request, &collection, namespace.as_deref(), selector.as_ref())
}

fn watch_from(
    state: &State,
    request: &Request,
    collection: String,
    namespace: Option<String>,
    selector: Option<(String, String)>,
) -> Answer {
    let from = request.query.get("resourceVersion").map(|version| version.parse().expect("a version of ours"));
    // Without a version it begins with what is there.
    let Some(from) = from else {
        let all = state.objects.get(&collection).into_iter().flatten();
        let wanted = all.filter(|(key, object)| {
            namespace.as_ref().is_none_or(|n| key.0 == *n) && selector.as_ref().is_none_or(|s| selects(object, s))
        });
        let first = wanted.map(|(_, object)| object.clone()).collect();
        return Answer::Watch { collection, namespace, selector, from: state.revision, first };
    };
    // One that it does not have yet is no error: it says nothing until it has it.
    if from > 0 && from < state.oldest {
        return error(410, "too old resource version");
    }
    Answer::Watch { collection, namespace, selector, from, first: Vec::new() }
}

fn list(
    state: &mut State,
    request: &Request,
    collection: &str,
    namespace: Option<&str>,
    selector: Option<&(String, String)>,
) -> Answer {
    let (revision, mut rest) = match request.query.get("continue") {
        Some(token) => match state.lists.remove(token) {
            Some(list) => list,
            None => return error(410, "the continue token has expired"),
        },
        None => {
            let all = state.objects.get(collection).into_iter().flatten();
            let wanted = all.filter(|(key, object)| {
                namespace.is_none_or(|n| key.0 == n) && selector.is_none_or(|s| selects(object, s))
            });
            (state.revision, wanted.map(|(_, object)| object.clone()).collect())
        }
    };
    let limit = request.query.get("limit").map_or(usize::MAX, |l| l.parse().expect("a number"));
    let next = rest.split_off(limit.min(rest.len()));
    // As Kubernetes' own kinds are listed.
    if collection.starts_with("/api/") {
        for object in &mut rest {
            let fields = object.as_object_mut().expect("an object");
            fields.remove("kind");
            fields.remove("apiVersion");
        }
    }
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if !next.is_empty() {
        let token = format!("{collection}+{revision}={}", next.len());
        metadata["continue"] = token.clone().into();
        metadata["remainingItemCount"] = next.len().into();
        state.lists.insert(token, (revision, next));
    }
    Answer::Whole(200, json!({ "kind": "List", "apiVersion": "v1", "metadata": metadata, "items": rest }))
}
