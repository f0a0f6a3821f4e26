//! A real API server of Kubernetes with a real etcd, on the loopback interface.
//!
//! There are no controllers, no scheduler and no kubelet: what is in the cluster is what the test put there. `scripts/kubernetes` builds
//! the programs from the versions that `kube-apiserver/go.mod` pins, once.
//!
//! - [`Cluster`] starts, stops and disturbs the servers;
//! - [`client::Client`] is the test's own hand in it: manifests in, objects out, watches;
//! - [`door::Door`] lets a network namespace reach the API server, and can be shut.
//!
//! Whoever is tested gets a kubeconfig file ([`Cluster::kubeconfig`]).

pub mod calico;
pub mod client;
pub mod door;
mod programs;
pub mod throttle;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

pub use calico::CalicoApi;
pub use programs::program;

use self::client::{Client, parse};
use self::throttle::Throttle;
use crate::etcd::{self, Etcd};
use crate::free_port::free_port;
use crate::process::{Process, Signal, lasting, tail};
use crate::tls::{self, Authority};
use crate::wait::{PATIENCE, wait_for};

/// The time that an API server gets until it is ready: it makes its roles and its definitions first.
const START: Duration = Duration::from_secs(180);

/// The test's own token, of a member of `system:masters`.
const ADMIN_TOKEN: &str = "heddle-tests-admin";

/// How a cluster is to be.
#[derive(Debug, Default)]
pub struct Options {
    /// Calico's definitions that it has from the start.
    pub calico: Vec<CalicoApi>,
    /// More arguments of `kube-apiserver`; where one is given twice the last counts.
    pub arguments: Vec<String>,
    /// Another etcd than the one that `scripts/kubernetes` builds.
    pub etcd: Option<PathBuf>,
    /// Names and addresses beside `localhost` under which it will be reached.
    pub names: Vec<String>,
}

/// A running API server and its etcd. When it is dropped nothing of it is left.
#[derive(Debug)]
pub struct Cluster {
    // In this order: the API server ends first, the directory goes last.
    server: Option<Process>,
    etcd: Etcd,
    arguments: Vec<String>,
    program: PathBuf,
    port: u16,
    authority: Authority,
    admin: Client,
    defined: Mutex<Vec<String>>,
    calico: CalicoApi,
    directory: TempDir,
}

impl Cluster {
    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    /// When it is not built or does not become ready.
    #[track_caller]
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let directory = programs::directory();
        let path = directory.path();
        let etcd = Etcd::start(path, &etcd::Options { program: options.etcd.clone(), ..etcd::Options::default() });
        let authority = Authority::new();
        let port = free_port();
        let mut arguments = arguments(path, &authority, port, &options.names);
        arguments.push(format!("--etcd-servers={}", etcd.url()));
        arguments.extend(options.arguments.iter().cloned());
        let program = program("kube-apiserver").unwrap_or_else(|missing| panic!("{missing}"));
        let admin = Client::new(&format!("https://127.0.0.1:{port}"), ADMIN_TOKEN, &authority);
        let mut cluster = Self {
            server: None,
            etcd,
            arguments,
            program,
            port,
            authority,
            admin,
            defined: Mutex::default(),
            calico: options.calico.first().copied().unwrap_or(CalicoApi::Crd),
            directory,
        };
        cluster.start_again();
        for &calico in &options.calico {
            cluster.define(calico.definitions());
        }
        cluster
    }

    /// Applies definitions of objects, and waits until the server has them.
    ///
    /// # Panics
    /// When it does not take them.
    #[track_caller]
    pub fn define(&self, definitions: &str) {
        let definitions = parse(definitions);
        let paths: Vec<String> = definitions
            .iter()
            .map(|definition| {
                let applied = self.admin.apply_object(definition).unwrap_or_else(|error| panic!("{error}"));
                let word = |pointer: &str| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                format!(
                    "/apis/{}/{}/{}",
                    word("/spec/group"),
                    word("/spec/versions/0/name"),
                    word("/spec/names/plural")
                )
            })
            .collect();
        self.defined.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
        self.wait_defined();
    }

    /// Waits until what was defined is served: a server that is ready may still answer 429 for it.
    #[track_caller]
    fn wait_defined(&self) {
        let paths = self.defined.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for path in paths {
            wait_for(&format!("{path} is served"), PATIENCE, || self.admin.get(&path));
        }
    }

    /// The URL of the API server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The port of the API server on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who vouches for the API server, and for whoever has a certificate of it.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A client who may do everything.
    #[must_use]
    pub fn admin(&self) -> &Client {
        &self.admin
    }

    /// A client with the token of [`Cluster::admin`] that waits at most this long for an answer.
    #[must_use]
    pub fn impatient(&self, timeout: Duration) -> Client {
        Client::with_timeout(&self.url(), ADMIN_TOKEN, &self.authority, timeout)
    }

    /// A client with a token of [`Cluster::service_account`].
    #[must_use]
    pub fn client(&self, token: &str) -> Client {
        Client::new(&self.url(), token, &self.authority)
    }

    /// Where Calico's objects are kept: in the first API that it was started with.
    #[must_use]
    pub fn calico(&self) -> CalicoApi {
        self.calico
    }

    /// etcd behind the API server.
    #[must_use]
    pub fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// etcd behind the API server, to stop it and start it again.
    pub fn etcd_mut(&mut self) -> &mut Etcd {
        &mut self.etcd
    }

    /// A directory that lives as long as the cluster.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The end of the API server's log.
    #[must_use]
    pub fn log(&self) -> String {
        tail(&self.directory.path().join("kube-apiserver.log"), 60)
    }

    /// A service account, made if it is not there (with its namespace), and a token of it, as a pod would have it. What it may do, roles
    /// and bindings say: it is `system:serviceaccount:NAMESPACE:NAME`.
    ///
    /// # Panics
    /// When the API server refuses.
    #[track_caller]
    #[must_use]
    pub fn service_account(&self, namespace: &str, name: &str) -> String {
        let metadata = json!({"name": name, "namespace": namespace});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        ];
        for object in &objects {
            self.admin.apply_object(object).unwrap_or_else(|error| panic!("{error}"));
        }
        let wish = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let answer = self.admin.post(&path, &wish).unwrap_or_else(|error| panic!("{error}"));
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        token.unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// A kubeconfig file for a token. `server` is where the API server is reached if that is not [`Cluster::url`].
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn kubeconfig(&self, token: Option<&str>, server: Option<&str>) -> PathBuf {
        let url = self.url();
        let server = server.unwrap_or(&url);
        let token = token.unwrap_or(ADMIN_TOKEN);
        let ca = self.directory.path().join("ca.crt");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": server, "certificate-authority": ca, "tls-server-name": "localhost"}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        let name = format!("kubeconfig-{:016x}", programs::fingerprint(&format!("{server} {token}")));
        tls::write(self.directory.path(), &name, &config.to_string())
    }

    /// Ends the API server; etcd keeps what is in it.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn stop(&mut self, signal: Signal) {
        if let Some(mut server) = self.server.take() {
            server.end(signal);
        }
    }

    /// Starts the API server again, at the same address, and waits until it is ready.
    ///
    /// # Panics
    /// When it runs or does not become ready.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.start_without_waiting();
        self.wait_ready();
    }

    /// [`Cluster::start_again`] that leaves the wait to [`Cluster::wait_ready`].
    ///
    /// # Panics
    /// When it runs.
    #[track_caller]
    pub fn start_without_waiting(&mut self) {
        assert!(self.server.is_none(), "the API server runs");
        let mut command = lasting(&self.program);
        command.args(&self.arguments);
        let log = self.directory.path().join("kube-apiserver.log");
        self.server = Some(Process::spawn_lasting("kube-apiserver", command, &log));
    }

    /// Waits until the API server says that it is ready, and serves what was defined.
    ///
    /// # Panics
    /// When it does not, or ends.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let (admin, server) = (&self.admin, &mut self.server);
        wait_for("the API server is ready", START, || {
            server.iter_mut().for_each(Process::assert_alive);
            admin.get("/readyz")
        });
        self.wait_defined();
    }

    /// Stops the API server where it is (SIGSTOP): connections stay, and nothing comes.
    #[track_caller]
    pub fn pause(&self) {
        self.server.iter().for_each(|server| server.signal(Signal::Stop));
    }

    /// Lets it go on.
    #[track_caller]
    pub fn resume(&self) {
        self.server.iter().for_each(|server| server.signal(Signal::Cont));
    }

    /// The resident memory of the API server in KiB.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.server.as_ref().map(|server| server.memory("VmRSS") >> 10)
    }

    /// Forgets in etcd all that was, and in the API server too: kills it and starts it again. Whoever goes on from an older version is
    /// then told 410.
    ///
    /// # Panics
    /// When etcd refuses or the API server does not become ready.
    #[track_caller]
    pub fn forget_history(&mut self) -> u64 {
        self.stop(Signal::Kill);
        // The version that is compacted to can still be asked for.
        self.etcd.put("/heddle-tests/forgotten", "").unwrap_or_else(|error| panic!("{error}"));
        let revision = self.etcd.compact().unwrap_or_else(|error| panic!("{error}"));
        self.start_again();
        revision
    }

    /// Answers 429 to every request of a service account as long as what is returned lives.
    ///
    /// # Panics
    /// When the API server refuses.
    #[track_caller]
    #[must_use]
    pub fn throttle(&self, namespace: &str, name: &str) -> Throttle<'_> {
        Throttle::new(self, namespace, name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("---- kube-apiserver\n{}\n---- etcd\n{}", self.log(), self.etcd.log());
        if std::env::var_os("HEDDLE_INTEROP_KEEP").is_some() {
            self.directory.disable_cleanup(true);
            eprintln!("kept: {}", self.directory.path().display());
        }
    }
}

/// The arguments of `kube-apiserver`, without etcd's.
fn arguments(directory: &Path, authority: &Authority, port: u16, names: &[String]) -> Vec<String> {
    let ca = authority.write(directory);
    let server = authority.issue("kube-apiserver", &[], names).write(directory, "kube-apiserver");
    let signing = tls::write_signing_key(directory, "service-accounts");
    let tokens = format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n");
    let tokens = tls::write(directory, "tokens.csv", &tokens);
    let paths = [
        ("client-ca-file", &ca),
        ("tls-cert-file", &server.certificate),
        ("tls-private-key-file", &server.key),
        ("token-auth-file", &tokens),
        ("service-account-key-file", &signing.certificate),
        ("service-account-signing-key-file", &signing.key),
    ];
    let mut arguments: Vec<String> = [
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        // The address of no server has to be written into the service `kubernetes`.
        "--endpoint-reconciler-type=none",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.101.0.0/16,fd00:96::/112",
        "--allow-privileged=true",
        // No controller makes the account `default` that this would give to pods.
        "--disable-admission-plugins=ServiceAccount",
        "--profiling=false",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--secure-port={port}"));
    arguments.push(format!("--request-timeout={}s", throttle::LONGEST.as_secs()));
    arguments.extend(paths.map(|(name, path)| format!("--{name}={}", path.display())));
    arguments
}
