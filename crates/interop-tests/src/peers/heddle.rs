//! Our own daemon: `heddle route-reflector`, asked over its admin socket (docs/api.md).

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json as object};

use super::{Daemon, START, flag, json, list, number, strings, text};
use crate::lab::Host;
use crate::process::{Process, Signal, read_log};
use crate::view::{Attributes, Family, Field, Route, Session};
use crate::wait::{PATIENCE, wait_for};

/// A running `heddle route-reflector`. When it drops, its log is searched: an ERROR or a panic fails the test.
#[derive(Debug)]
pub struct Heddle {
    host: Arc<Host>,
    process: Process,
    socket: PathBuf,
    log: PathBuf,
}

/// The `heddle` program: `HEDDLE_BIN`, or built here from the workspace.
///
/// # Panics
/// When it cannot be built.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = env::var_os("HEDDLE_BIN") {
            return PathBuf::from(path);
        }
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo).args(["build", "--quiet", "-p", "heddle"]).current_dir(manifest).status();
        assert!(status.as_ref().is_ok_and(ExitStatus::success), "cargo build -p heddle: {status:?}");
        // This test program lies in TARGET/PROFILE/deps.
        let own = env::current_exe().expect("the path of this program");
        let target = own.ancestors().nth(3).expect("a test program lies in a target directory");
        target.join("debug/heddle")
    })
}

impl Heddle {
    /// Starts it with the TOML of `config`, before which stands `[api]` with a socket of its own.
    #[track_caller]
    #[must_use]
    pub fn start(host: &Arc<Host>, config: &str) -> Self {
        Self::start_named(host, config, "heddle")
    }

    /// As [`Self::start`], where several run on one host: `name` tells their files apart.
    #[track_caller]
    #[must_use]
    pub fn start_named(host: &Arc<Host>, config: &str, name: &str) -> Self {
        let socket = host.path(&format!("{name}.sock"));
        let file = host.write(&format!("{name}.toml"), &with_preface(&socket, config));
        let mut command = host.netns().command(&program().to_string_lossy());
        command.arg("route-reflector").arg("--config").arg(file).env("NO_COLOR", "1");
        let log = host.log(name);
        let process = Process::spawn(name, command, &log);
        let mut heddle = Self { host: Arc::clone(host), process, socket, log };
        wait_for(&format!("{}: heddle answers", host.name()), START, || {
            heddle.process.assert_alive();
            heddle.get("/v1/version")
        });
        heddle
    }

    /// The configuration file.
    fn file(&self) -> PathBuf {
        self.socket.with_extension("toml")
    }

    /// Writes a new configuration file and tells the daemon with SIGHUP; returns when it has been applied.
    #[track_caller]
    pub fn reload(&self, config: &str) {
        let before = self.applied_at();
        self.write_config(config);
        self.process.signal(Signal::Hup);
        wait_for(&format!("{}: the new configuration is applied", self.host.name()), START, || {
            let now = self.applied_at();
            if now == before { Err(format!("applied at {now:?}")) } else { Ok(()) }
        });
    }

    fn applied_at(&self) -> Option<String> {
        self.get("/v1/summary").ok().map(|summary| text(&summary, "config_applied_at").to_owned())
    }

    /// Replaces the configuration file without telling the daemon.
    pub fn write_config(&self, config: &str) {
        fs::write(self.file(), with_preface(&self.socket, config)).expect("the configuration file can be written");
    }

    /// Runs `heddle ARGS --socket SOCKET` in the namespace.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = self.host.netns().command(&program().to_string_lossy());
        command.args(args).arg("--socket").arg(&self.socket).env("NO_COLOR", "1");
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Runs `heddle ARGS --socket SOCKET`, words split at spaces; it must succeed. Returns its standard output.
    #[track_caller]
    pub fn expect(&self, args: &str) -> String {
        let words: Vec<&str> = args.split_whitespace().collect();
        let output = self.run(&words);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "heddle {args}: {}\n{out}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        out
    }

    /// `GET PATH` of the admin API.
    ///
    /// # Errors
    /// The error body, or why there was no answer.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.request("GET", path, "")
    }

    /// `POST PATH` of the admin API.
    ///
    /// # Errors
    /// The error body, or why there was no answer.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.request("POST", path, &body.to_string())
    }

    /// An action on a peer, as `("down", {"text": "maintenance"})`; it must succeed.
    #[track_caller]
    pub fn act(&self, peer: &str, action: &str, body: &Value) -> Value {
        let path = format!("/v1/peers/{}/{action}", peer.replace('%', "%25"));
        self.post(&path, body).unwrap_or_else(|error| panic!("{}: POST {path}: {error}", self.host.name()))
    }

    /// `down` with a text for the other operator.
    #[track_caller]
    pub fn shut_down(&self, peer: &str, reason: &str) {
        self.act(peer, "down", &object!({ "text": reason }));
    }

    /// HTTP/1.0, so that the end of the body is the end of the connection.
    fn request(&self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let mut stream = UnixStream::connect(&self.socket).map_err(|error| format!("admin socket: {error}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(120))).map_err(|error| error.to_string())?;
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: heddle\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(|error| format!("admin socket: {error}"))?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no HTTP answer: {answer:?}"))?;
        if head.split_whitespace().nth(1) == Some("200") { json(body) } else { Err(format!("{head}\n{body}")) }
    }

    /// Everything about one peer.
    ///
    /// # Errors
    /// What came instead.
    pub fn peer(&self, address: &str) -> Result<Value, String> {
        self.get(&format!("/v1/peers/{}", address.replace('%', "%25")))
    }

    /// All peers, short.
    ///
    /// # Errors
    /// What came instead.
    pub fn peers(&self) -> Result<Vec<Value>, String> {
        Ok(list(&self.get("/v1/peers")?, "peers").to_vec())
    }

    /// Waits until a peer is established and returns everything about it.
    #[track_caller]
    pub fn wait_peer(&self, address: &str) -> Value {
        wait_for(&format!("{}: {address} is established", self.host.name()), PATIENCE, || {
            let peer = self.peer(address)?;
            if text(&peer, "state") == "established" { Ok(peer) } else { Err(peer.to_string()) }
        })
    }

    /// The capabilities that both sides advertised, by name.
    ///
    /// # Errors
    /// What came instead.
    pub fn common_capabilities(&self, address: &str) -> Result<Vec<String>, String> {
        let peer = self.peer(address)?;
        let both = list(&peer, "capabilities").iter().filter(|one| flag(one, "advertised") && flag(one, "received"));
        Ok(both.map(|one| text(one, "name").to_owned()).collect())
    }

    /// The process, for signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.end(Signal::Kill);
    }

    /// Ends it with SIGTERM.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.end(Signal::Term)
    }

    /// Everything that it logged.
    #[must_use]
    pub fn log(&self) -> String {
        read_log(&self.log)
    }
}

impl Drop for Heddle {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let log = self.log();
        let bugs: Vec<&str> = log
            .lines()
            .filter(|line| line.split_whitespace().take(3).any(|word| word == "ERROR") || line.contains("panicked at"))
            .collect();
        assert!(bugs.is_empty(), "{}: the log of heddle has errors of ours:\n{}", self.host.name(), bugs.join("\n"));
    }
}

impl Daemon for Heddle {
    fn name(&self) -> &str {
        self.host.name()
    }

    fn session(&self, peer: &str) -> Result<Session, String> {
        let peer = self.peer(peer)?;
        let state = text(&peer, "state").to_owned();
        let count = number(&peer, "established_count").unwrap_or(0);
        Ok(Session { established: state == "established", state, incarnation: format!("establishment {count}") })
    }

    fn routes(&self, family: Family) -> Result<Vec<Route>, String> {
        let name = if family == Family::Ipv4 { "ipv4-unicast" } else { "ipv6-unicast" };
        read_routes(&self.get(&format!("/v1/routes?family={name}"))?)
    }

    fn paths(&self, prefix: &str) -> Result<Vec<Route>, String> {
        read_routes(&self.get(&format!("/v1/routes?prefix={prefix}"))?)
    }

    fn blind_to(&self) -> &'static [Field] {
        &[]
    }
}

fn with_preface(socket: &Path, config: &str) -> String {
    format!("{config}\n[api]\nsocket = \"{}\"\n", socket.display())
}

fn read_routes(answer: &Value) -> Result<Vec<Route>, String> {
    let mut all = Vec::new();
    for destination in list(answer, "routes") {
        if destination.get("error").is_some() {
            return Err(destination.to_string());
        }
        let prefix = text(destination, "prefix");
        all.extend(list(destination, "paths").iter().map(|path| read_path(prefix, path)));
    }
    Ok(all)
}

fn read_path(prefix: &str, path: &Value) -> Route {
    let empty = Value::Null;
    let given = path.get("attributes").unwrap_or(&empty);
    let attributes = Attributes {
        origin: match text(given, "origin") {
            "igp" => "IGP".to_owned(),
            "egp" => "EGP".to_owned(),
            other => other.to_owned(),
        },
        as_path: text(given, "as_path").to_owned(),
        next_hop: text(given, "next_hop").to_owned(),
        med: number(given, "med"),
        local_pref: number(given, "local_pref"),
        atomic_aggregate: flag(given, "atomic_aggregate"),
        aggregator: given
            .get("aggregator")
            .map(|value| format!("{} {}", number(value, "asn").unwrap_or(0), text(value, "router_id"))),
        communities: strings(given, "communities"),
        extended_communities: strings(given, "extended_communities")
            .iter()
            .map(|community| match community.split_once(':') {
                Some((kind, rest)) => format!("{kind} {rest}"),
                None => community.trim_start_matches("0x").to_owned(),
            })
            .collect(),
        large_communities: strings(given, "large_communities"),
        originator_id: given.get("originator_id").and_then(Value::as_str).map(str::to_owned),
        cluster_list: strings(given, "cluster_list"),
        aigp: given.get("aigp").and_then(Value::as_u64),
        unknown: list(given, "other")
            .iter()
            .filter_map(|other| {
                let code = u8::try_from(number(other, "code")?).ok()?;
                Some((code, text(other, "value_hex").to_owned()))
            })
            .collect(),
    };
    Route {
        prefix: prefix.to_owned(),
        path_id: number(path, "path_id_received"),
        from: text(path, "peer").to_owned(),
        best: text(path, "status") == "best",
        stale: flag(path, "stale"),
        attributes: attributes.normalized(),
    }
}
