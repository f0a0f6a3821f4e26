//! A real etcd on the loopback interface.

pub mod calico;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::free_port::free_port;
use crate::http::{self, Tls};
use crate::process::{Process, Signal, lasting};
use crate::tls::Authority;
use crate::wait::wait_for;

/// The time that etcd gets to answer after its start.
const START: Duration = Duration::from_secs(60);

/// How an etcd is to be.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// The program; without it, the one that `scripts/kubernetes` built.
    pub program: Option<PathBuf>,
    /// Serve with TLS, with a certificate of this authority, and demand one of it from clients.
    pub tls: Option<&'a Authority>,
    /// More arguments.
    pub arguments: Vec<String>,
}

/// A running etcd of one member. Its data is in the directory that it was started with; whoever made that removes it.
#[derive(Debug)]
pub struct Etcd {
    program: PathBuf,
    arguments: Vec<String>,
    client: EtcdClient,
    log: PathBuf,
    process: Option<Process>,
}

/// Who reads and writes keys, by the JSON gateway of the v3 API.
#[derive(Clone, Debug)]
pub struct EtcdClient {
    url: String,
    agent: ureq::Agent,
    user: Option<(String, String)>,
}

impl Deref for Etcd {
    type Target = EtcdClient;

    fn deref(&self) -> &EtcdClient {
        &self.client
    }
}

impl Etcd {
    /// Starts one with its data in `directory`, and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    #[must_use]
    pub fn start(directory: &Path, options: &Options<'_>) -> Self {
        let built = || crate::kubernetes::program("etcd").unwrap_or_else(|missing| panic!("{missing}"));
        let program = options.program.clone().unwrap_or_else(built);
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{}", free_port());
        let peers = format!("http://127.0.0.1:{}", free_port());
        let path = |file: &str| directory.join(file).display().to_string();
        let mut arguments: Vec<String> = [
            ("--data-dir", path("etcd")),
            ("--listen-client-urls", url.clone()),
            ("--advertise-client-urls", url.clone()),
            ("--listen-peer-urls", peers.clone()),
            ("--initial-advertise-peer-urls", peers.clone()),
            ("--initial-cluster", format!("default={peers}")),
            ("--log-level", "warn".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        let mut tls = Tls::None;
        if let Some(authority) = options.tls {
            let server = authority.issue("etcd", &[], &[]).write(directory, "etcd");
            // The gateway refuses clients whose certificate has a name where users have passwords.
            let client = authority.issue("", &[], &[]);
            let ca = authority.write(directory);
            arguments.extend(["--cert-file".to_owned(), server.certificate.display().to_string()]);
            arguments.extend(["--key-file".to_owned(), server.key.display().to_string()]);
            arguments.extend(["--trusted-ca-file".to_owned(), ca.display().to_string()]);
            arguments.push("--client-cert-auth".to_owned());
            tls = Tls::Authority { authority, client: Some(client) };
        }
        // What is lost when the machine fails is lost to a test in any case.
        if supports(&program, "--unsafe-no-fsync") {
            arguments.push("--unsafe-no-fsync".to_owned());
        }
        arguments.extend(options.arguments.iter().cloned());
        let agent = http::agent(&tls, http::TIMEOUT);
        let log = directory.join("etcd.log");
        let client = EtcdClient { url, agent, user: None };
        let mut etcd = Self { program, arguments, client, log, process: None };
        etcd.start_again();
        etcd
    }

    /// Starts it again, with the data that it had.
    ///
    /// # Panics
    /// When it runs, or does not answer.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "etcd runs");
        let mut command = lasting(&self.program);
        command.args(&self.arguments);
        let mut process = Process::spawn_lasting("etcd", command, &self.log);
        wait_for("etcd answers", START, || {
            process.assert_alive();
            http::call(&self.client.agent, "GET", &format!("{}/health", self.client.url), &[], None)?.success()
        });
        self.process = Some(process);
    }

    /// Ends it.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn stop(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            process.end(signal);
        }
    }

    /// Stops it where it is; who asks it waits.
    #[track_caller]
    pub fn pause(&self) {
        self.process.iter().for_each(|process| process.signal(Signal::Stop));
    }

    /// Lets it go on.
    #[track_caller]
    pub fn resume(&self) {
        self.process.iter().for_each(|process| process.signal(Signal::Cont));
    }

    /// From now on it is this user who calls; it is asked for a token each time.
    pub fn become_user(&mut self, name: &str, password: &str) {
        self.client.user = Some((name.to_owned(), password.to_owned()));
    }

    /// Who does what a test does, also while this one is ended and started again.
    #[must_use]
    pub fn client(&self) -> EtcdClient {
        self.client.clone()
    }

    /// The port for clients.
    ///
    /// # Panics
    /// Never: we chose it.
    #[must_use]
    pub fn port(&self) -> u16 {
        let port = self.client.url.rsplit(':').next().and_then(|port| port.parse().ok());
        port.expect("the URL ends with a port")
    }

    /// The end of its log, for messages.
    #[must_use]
    pub fn log(&self) -> String {
        crate::process::tail(&self.log, 40)
    }
}

impl EtcdClient {
    /// The URL for clients.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls the JSON gateway of the v3 API: `call("kv/range", …)`. Keys and values are in base64 there.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn call(&self, method: &str, body: &Value) -> Result<Value, String> {
        let user = self.user.as_ref();
        let token = user.map(|(name, password)| self.log_in(name, password)).transpose()?;
        self.call_as(token.as_deref(), method, body)
    }

    /// A call with a token that a login gave.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn call_as(&self, token: Option<&str>, method: &str, body: &Value) -> Result<Value, String> {
        let headers: Vec<(&str, &str)> = token.iter().map(|token| ("Authorization", *token)).collect();
        let url = format!("{}/v3/{method}", self.url);
        http::call(&self.agent, "POST", &url, &headers, Some(("application/json", &body.to_string())))?.success()
    }

    /// Writes a key and returns the revision.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn put(&self, key: &str, value: &str) -> Result<u64, String> {
        revision(&self.call("kv/put", &json!({"key": BASE64.encode(key), "value": BASE64.encode(value)}))?)
    }

    /// Removes a key and returns the revision.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn delete(&self, key: &str) -> Result<u64, String> {
        revision(&self.call("kv/deleterange", &json!({"key": BASE64.encode(key)}))?)
    }

    /// The value of a key, if it has one.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.entry(key)?.map(|(value, _)| value))
    }

    /// The value of a key and the revision at which it was written, if there is one.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn entry(&self, key: &str) -> Result<Option<(Vec<u8>, String)>, String> {
        let answer = self.call("kv/range", &json!({"key": BASE64.encode(key)}))?;
        let Some(value) = answer.pointer("/kvs/0") else { return Ok(None) };
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        // An empty value is left out.
        let octets = BASE64.decode(text("value")).map_err(|error| error.to_string())?;
        Ok(Some((octets, text("mod_revision").to_owned())))
    }

    /// The present revision.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn revision(&self) -> Result<u64, String> {
        revision(&self.call("kv/range", &json!({"key": BASE64.encode("/"), "count_only": true}))?)
    }

    /// Forgets all that was before the present revision, and returns that.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn compact(&self) -> Result<u64, String> {
        let revision = self.revision()?;
        self.call("kv/compaction", &json!({"revision": revision.to_string(), "physical": true}))?;
        Ok(revision)
    }

    /// From now on clients need a name and a password: makes the user `root`, who may do everything, and demands it.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn require_users(&self, password: &str) -> Result<(), String> {
        self.call("auth/user/add", &json!({"name": "root", "password": password}))?;
        self.call("auth/role/add", &json!({"name": "root"}))?;
        self.call("auth/user/grant", &json!({"user": "root", "role": "root"}))?;
        self.call("auth/enable", &json!({})).map(|_| ())
    }

    /// The token of a user.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn log_in(&self, name: &str, password: &str) -> Result<String, String> {
        let answer = self.call_as(None, "auth/authenticate", &json!({"name": name, "password": password}))?;
        answer.get("token").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("no token: {answer}"))
    }

    /// A user who may read and write the keys that begin with `prefix`, by a role of the same name.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn add_user(&self, name: &str, password: &str, prefix: &str) -> Result<(), String> {
        self.call("auth/user/add", &json!({"name": name, "password": password}))?;
        self.call("auth/role/add", &json!({"name": name}))?;
        self.grant(name, prefix)?;
        self.call("auth/user/grant", &json!({"user": name, "role": name})).map(|_| ())
    }

    /// From now on a role may read and write the keys that begin with `prefix`.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn grant(&self, role: &str, prefix: &str) -> Result<(), String> {
        self.permit(role, "READWRITE", prefix, &end(prefix))
    }

    /// From now on it may read them, and not write them if it might before.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn grant_reading(&self, role: &str, prefix: &str) -> Result<(), String> {
        self.permit(role, "READ", prefix, &end(prefix))
    }

    /// From now on it may read and write one key.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn grant_key(&self, role: &str, key: &str) -> Result<(), String> {
        self.permit(role, "READWRITE", key, &[])
    }

    fn permit(&self, role: &str, what: &str, key: &str, end: &[u8]) -> Result<(), String> {
        let permission = json!({"permType": what, "key": BASE64.encode(key), "range_end": BASE64.encode(end)});
        self.call("auth/role/grant", &json!({"name": role, "perm": permission})).map(|_| ())
    }

    /// It may not any more.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn revoke(&self, role: &str, prefix: &str) -> Result<(), String> {
        let (key, end) = (BASE64.encode(prefix), BASE64.encode(end(prefix)));
        self.call("auth/role/revoke", &json!({"role": role, "key": key, "range_end": end})).map(|_| ())
    }
}

/// The end of the range of keys that begin with `prefix`: the first key behind it.
fn end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

fn revision(answer: &Value) -> Result<u64, String> {
    let text = answer.pointer("/header/revision").and_then(Value::as_str);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| format!("no revision: {answer}"))
}

/// Whether a program's help names an option.
fn supports(program: &Path, option: &str) -> bool {
    let help = Command::new(program).arg("--help").output();
    help.is_ok_and(|help| [help.stdout, help.stderr].iter().any(|text| String::from_utf8_lossy(text).contains(option)))
}
