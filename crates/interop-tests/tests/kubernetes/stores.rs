//! Where a node's objects may be, for cases that are the same wherever they are: a real API server, or a real etcd with TLS and users, as
//! a cluster on bare metal has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use heddle_datastore::{Endpoint, EtcdOptions as EtcdSourceOptions, EtcdTls, EtcdUser};
use heddle_interop_tests::etcd::{Etcd, EtcdClient, Options as EtcdOptions, calico};
use heddle_interop_tests::kubernetes::client::Client;
use heddle_interop_tests::kubernetes::door::Door;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::process::Signal;
use heddle_interop_tests::tls::{Authority, IssuedFiles};
use heddle_interop_tests::wait::PATIENCE;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::{ACCOUNT, NODE, permit};

/// How a node gets to its objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// Who makes objects there, also while the servers are ended and started again.
pub(crate) trait Hand {
    /// Makes an object of `projectcalico.org/v3` (or of Kubernetes', where there are such), or changes it.
    fn apply(&self, object: &Value) -> Result<(), String>;

    fn delete(&self, object: &Value) -> Result<(), String>;

    /// Whether it is served.
    fn is_ready(&self) -> Result<(), String>;

    /// What a node says of itself, by the names of Calico's annotations: `IPv4Address`, `IPv6Address`, `ASNumber` (a text), `Interfaces`;
    /// its version; and, where it has conditions, the status of `NetworkUnavailable`.
    fn node(&self, name: &str) -> Result<Value, String>;

    /// Takes such a word away.
    fn take_away(&self, name: &str, word: &str) -> Result<(), String>;

    /// A `CalicoNodeStatus`, with its version.
    fn status(&self, name: &str) -> Result<Value, String>;
}

/// Where a node's objects are.
pub(crate) trait Store {
    /// Where it is on the loopback interface.
    fn port(&self) -> u16;

    /// A node's way to it.
    fn access(&self, door: &Door) -> Access;

    fn hand(&self) -> Box<dyn Hand>;

    /// Whether there are services: of Kubernetes' objects etcd has none.
    fn has_services(&self) -> bool;

    /// Ends what the node speaks with.
    fn stop(&mut self, signal: Signal);

    fn start_again(&mut self);

    /// It stands still.
    fn pause(&self);

    fn resume(&self);

    /// What was before is not known any more.
    fn forget_history(&mut self);

    /// Does something with the folder of the data while all is ended.
    fn with_data(&mut self, what: &mut dyn FnMut(&Path));

    /// Much happens that is nobody's business.
    fn much(&self);

    /// The node may not read any more.
    fn forbid(&self);

    /// It may read, and not write.
    fn forbid_writing(&self);

    /// It may again.
    fn permit(&self);

    /// Whether nodes have conditions there.
    fn has_conditions(&self) -> bool;
}

impl Store for Cluster {
    fn port(&self) -> u16 {
        Cluster::port(self)
    }

    fn access(&self, door: &Door) -> Access {
        permit(self);
        let token = self.service_account(ACCOUNT.0, ACCOUNT.1);
        let kubeconfig = self.kubeconfig(Some(&token), Some(&door.url()));
        let arguments = ["--datastore", "kubernetes", "--kubeconfig"].map(str::to_owned);
        let arguments = arguments.into_iter().chain([kubeconfig.display().to_string()]).collect();
        Access { arguments, environment: Vec::new(), kubeconfig: Some(kubeconfig) }
    }

    fn hand(&self) -> Box<dyn Hand> {
        Box::new(InCluster { client: self.impatient(PATIENCE), calico: self.calico() })
    }

    fn has_services(&self) -> bool {
        true
    }

    fn stop(&mut self, signal: Signal) {
        Cluster::stop(self, signal);
    }

    fn start_again(&mut self) {
        Cluster::start_again(self);
    }

    fn pause(&self) {
        Cluster::pause(self);
    }

    fn resume(&self) {
        Cluster::resume(self);
    }

    fn forget_history(&mut self) {
        Cluster::forget_history(self);
    }

    fn with_data(&mut self, what: &mut dyn FnMut(&Path)) {
        Cluster::stop(self, Signal::Kill);
        self.etcd_mut().stop(Signal::Term);
        what(&self.directory().join("etcd"));
        self.etcd_mut().start_again();
        Cluster::start_again(self);
    }

    fn much(&self) {
        much(self.etcd());
    }

    fn forbid(&self) {
        let binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/heddle-node";
        self.admin().delete(binding).unwrap_or_else(|error| panic!("{error}"));
    }

    fn forbid_writing(&self) {
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/heddle-node";
        let mut role = self.admin().get(path).unwrap_or_else(|error| panic!("{error}"));
        let writes = |rule: &Value| ["patch", "update"].iter().any(|verb| rule["verbs"].to_string().contains(verb));
        if let Some(rules) = role["rules"].as_array_mut() {
            rules.retain(|rule| !writes(rule));
        }
        self.admin().put(path, &role).unwrap_or_else(|error| panic!("{error}"));
    }

    fn permit(&self) {
        permit(self);
    }

    fn has_conditions(&self) -> bool {
        true
    }
}

/// Who makes objects in a cluster, in the API that it keeps them in.
struct InCluster {
    client: Client,
    calico: CalicoApi,
}

impl Hand for InCluster {
    fn apply(&self, object: &Value) -> Result<(), String> {
        self.client.apply_object(&self.calico.stored(object)).map(|_| ())
    }

    fn delete(&self, object: &Value) -> Result<(), String> {
        self.client.delete_object(&self.calico.stored(object)).map(|_| ())
    }

    fn is_ready(&self) -> Result<(), String> {
        self.client.get("/readyz").map(|_| ())
    }

    fn node(&self, name: &str) -> Result<Value, String> {
        let node = self.client.get(&format!("/api/v1/nodes/{name}"))?;
        let word = |word: &str| node["metadata"]["annotations"][format!("projectcalico.org/{word}")].clone();
        let interfaces = word("Interfaces").as_str().and_then(|text| serde_json::from_str(text).ok());
        let conditions = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let network = conditions.iter().find(|condition| condition["type"] == "NetworkUnavailable");
        Ok(json!({
            "IPv4Address": word("IPv4Address"), "IPv6Address": word("IPv6Address"), "ASNumber": word("ASNumber"),
            "Interfaces": interfaces.unwrap_or(Value::Null), "version": node["metadata"]["resourceVersion"],
            "NetworkUnavailable": network.map(|condition| condition["status"].clone()),
        }))
    }

    fn take_away(&self, name: &str, word: &str) -> Result<(), String> {
        let gone = json!({"metadata": {"annotations": {format!("projectcalico.org/{word}"): null}}});
        self.client.merge(&format!("/api/v1/nodes/{name}"), &gone).map(|_| ())
    }

    fn status(&self, name: &str) -> Result<Value, String> {
        self.client.get(&format!("/apis/{}/caliconodestatuses/{name}", self.calico.api_version()))
    }
}

/// A cluster with Calico's definitions as most have them.
pub(crate) fn cluster() -> Box<dyn Store> {
    Box::new(Cluster::start(&Options { calico: vec![CalicoApi::Crd], ..Options::default() }))
}

/// More than a server writes when it starts.
fn much(etcd: &EtcdClient) {
    for n in 0..2000 {
        etcd.put("/heddle-tests/much", &n.to_string()).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// etcd as Calico's documentation has it on bare metal: TLS on both sides, and a user for the nodes who may read what is Calico's.
pub(crate) struct BareMetal {
    etcd: Etcd,
    /// The node's own certificate.
    pub(crate) node: IssuedFiles,
    pub(crate) directory: TempDir,
}

/// The node's user and password.
pub(crate) const USER: (&str, &str) = ("calico-node", "open-sesame");

/// What is Calico's.
const PREFIX: &str = "/calico/";

impl BareMetal {
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("heddle-etcd-").tempdir().expect("a temporary directory");
        let authority = Authority::new();
        // Passwords are hashed as cheaply as can be, since each call of a test says one.
        let arguments = ["--bcrypt-cost", "4"].map(str::to_owned).to_vec();
        let options = EtcdOptions { tls: Some(&authority), arguments, ..EtcdOptions::default() };
        let mut etcd = Etcd::start(directory.path(), &options);
        etcd.add_user(USER.0, USER.1, PREFIX).unwrap_or_else(|error| panic!("{error}"));
        etcd.require_users("root-password").unwrap_or_else(|error| panic!("{error}"));
        etcd.become_user("root", "root-password");
        let node = authority.issue(NODE, &[], &[]).write(directory.path(), NODE);
        Self { etcd, node, directory }
    }

    /// What the node is told, but for the endpoints.
    pub(crate) fn access_to(&self, endpoints: &str) -> Access {
        let authority = self.directory.path().join("ca.crt");
        let files = [&authority, &self.node.certificate, &self.node.key].map(|file| file.display().to_string());
        let [authority, certificate, key] = files;
        let arguments = [
            ("--datastore", "etcd"),
            ("--etcd-endpoints", endpoints),
            ("--etcd-ca-cert-file", &authority),
            ("--etcd-cert-file", &certificate),
            ("--etcd-key-file", &key),
        ];
        let arguments = arguments.into_iter().flat_map(|(name, value)| [name, value].map(str::to_owned)).collect();
        let environment = [("ETCD_USERNAME", USER.0), ("ETCD_PASSWORD", USER.1)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Access { arguments, environment, kubeconfig: None }
    }

    /// The same for a library.
    pub(crate) fn options(&self, node: &str, endpoints: &str) -> EtcdSourceOptions {
        let endpoints = Endpoint::list(endpoints).unwrap_or_else(|error| panic!("{error}"));
        EtcdSourceOptions {
            tls: EtcdTls {
                authority: Some(self.directory.path().join("ca.crt")),
                client: Some((self.node.certificate.clone(), self.node.key.clone())),
            },
            user: Some(EtcdUser { name: USER.0.to_owned(), password: USER.1.to_owned() }),
            // Tests do not wait for other nodes.
            spread: Duration::from_millis(250),
            ..EtcdSourceOptions::of(node, endpoints)
        }
    }

    pub(crate) fn etcd(&self) -> &Etcd {
        &self.etcd
    }
}

impl Store for BareMetal {
    fn port(&self) -> u16 {
        self.etcd.port()
    }

    fn access(&self, door: &Door) -> Access {
        self.access_to(&door.url())
    }

    fn hand(&self) -> Box<dyn Hand> {
        Box::new(self.etcd.client())
    }

    fn has_services(&self) -> bool {
        false
    }

    fn stop(&mut self, signal: Signal) {
        self.etcd.stop(signal);
    }

    fn start_again(&mut self) {
        self.etcd.start_again();
    }

    fn pause(&self) {
        self.etcd.pause();
    }

    fn resume(&self) {
        self.etcd.resume();
    }

    fn forget_history(&mut self) {
        self.etcd.compact().unwrap_or_else(|error| panic!("{error}"));
    }

    fn with_data(&mut self, what: &mut dyn FnMut(&Path)) {
        self.etcd.stop(Signal::Term);
        what(&self.directory.path().join("etcd"));
        self.etcd.start_again();
    }

    fn much(&self) {
        much(&self.etcd);
    }

    fn forbid(&self) {
        self.etcd.revoke(USER.0, PREFIX).unwrap_or_else(|error| panic!("{error}"));
    }

    fn forbid_writing(&self) {
        self.etcd.grant_reading(USER.0, PREFIX).unwrap_or_else(|error| panic!("{error}"));
    }

    fn permit(&self) {
        self.etcd.grant(USER.0, PREFIX).unwrap_or_else(|error| panic!("{error}"));
    }

    fn has_conditions(&self) -> bool {
        false
    }
}

/// An object as it is, with its version.
fn read(etcd: &EtcdClient, kind: &str, name: &str) -> Result<Value, String> {
    let object = json!({"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}});
    let (key, _) = calico::stored(&object).ok_or("not in etcd")?;
    let (value, revision) = etcd.entry(&key)?.ok_or_else(|| format!("there is no {key}"))?;
    let mut object: Value = serde_json::from_slice(&value).map_err(|error| error.to_string())?;
    object["metadata"]["resourceVersion"] = json!(revision);
    Ok(object)
}

impl Hand for EtcdClient {
    fn apply(&self, object: &Value) -> Result<(), String> {
        let (key, value) = calico::stored(object).ok_or_else(|| format!("not in etcd: {object}"))?;
        self.put(&key, &value).map(|_| ())
    }

    fn delete(&self, object: &Value) -> Result<(), String> {
        let (key, _) = calico::stored(object).ok_or_else(|| format!("not in etcd: {object}"))?;
        EtcdClient::delete(self, &key).map(|_| ())
    }

    fn is_ready(&self) -> Result<(), String> {
        self.call("kv/range", &json!({"key": "Lw=="})).map(|_| ())
    }

    fn node(&self, name: &str) -> Result<Value, String> {
        let node = read(self, "Node", name)?;
        let (bgp, asn) = (&node["spec"]["bgp"], &node["spec"]["bgp"]["asNumber"]);
        Ok(json!({
            "IPv4Address": bgp["ipv4Address"], "IPv6Address": bgp["ipv6Address"],
            "ASNumber": asn.as_u64().map(|number| number.to_string()),
            "Interfaces": node["spec"]["interfaces"], "version": node["metadata"]["resourceVersion"],
        }))
    }

    fn take_away(&self, name: &str, word: &str) -> Result<(), String> {
        let mut node = read(self, "Node", name)?;
        let field = match word {
            "IPv4Address" => "ipv4Address",
            "IPv6Address" => "ipv6Address",
            "ASNumber" => "asNumber",
            _ => return Err(format!("no word of Calico's: {word}")),
        };
        if let Some(bgp) = node.pointer_mut("/spec/bgp").and_then(Value::as_object_mut) {
            bgp.remove(field);
        }
        Hand::apply(self, &node)
    }

    fn status(&self, name: &str) -> Result<Value, String> {
        read(self, "CalicoNodeStatus", name)
    }
}

/// An etcd of its own.
pub(crate) fn bare_metal() -> Box<dyn Store> {
    Box::new(BareMetal::start())
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{status:?}");
}

/// Puts a copy in the place of a folder.
pub(crate) fn put_back(copied: &Path, folder: &Path) {
    fs::remove_dir_all(folder).unwrap_or_else(|error| panic!("{error}"));
    copy(copied, folder);
}
