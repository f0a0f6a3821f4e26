//! `heddle node-peer` on a host of its own whose datastore is a real API server or a real etcd, and a BIRD beside it that hears what it says.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::door::Door;
use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::netns::Netns;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::process::{Process, Signal};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};

use crate::stores::{Access, Hand, Store};

/// The node's name.
pub(crate) const NODE: &str = "worker-1";

/// The account that the node has in the cluster: with what docs/datastore.md grants, and nothing else.
pub(crate) const ACCOUNT: (&str, &str) = ("kube-system", "heddle-node");

/// A node (10.0.0.1, AS 65001) with one block, and a peer of it (10.0.0.2, AS 65002).
pub(crate) const OBJECTS: &str = "
{apiVersion: v1, kind: Node, metadata: {name: worker-1, labels: {rack: a}, annotations: {
  projectcalico.org/IPv4Address: 10.0.0.1/24, projectcalico.org/ASNumber: '65001'}}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods}, spec: {cidr: 10.20.0.0/16}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: worker-1-10-20-0-0-26}, spec: {
  state: confirmed, node: worker-1, type: host, cidr: 10.20.0.0/26, deleted: false}}
---
{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {nodeToNodeMeshEnabled: false}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 10.0.0.2, asNumber: 65002}}
";

/// The node's own address.
pub(crate) const ADDRESS: &str = "10.0.0.1";

/// The node's block.
pub(crate) const BLOCK: &str = "10.20.0.0/26";

/// A node, its peer, and the way between the node and its datastore.
pub(crate) struct Site {
    // The node ends before what it stands on, and the LAN goes last.
    node: Option<Process>,
    tor: Bird,
    door: Door,
    host: Arc<Host>,
    tor_host: Arc<Host>,
    hand: Box<dyn Hand>,
    access: Access,
    applied: RefCell<Vec<Value>>,
    lab: Lab,
}

impl Site {
    /// A node that is not started yet.
    pub(crate) fn prepare(case: &str, store: &dyn Store) -> Self {
        let lab = Lab::new(case);
        let (host, peer) = (lab.host(1, "node"), lab.host(2, "tor"));
        let tor = Bird::start(&peer, &bird(""));
        let door = Door::open(listener(host.netns()), store.port());
        let (hand, access) = (store.hand(), store.access(&door));
        Self { node: None, tor, door, host, tor_host: peer, hand, access, applied: RefCell::default(), lab }
    }

    /// A node that runs, with [`OBJECTS`] in its datastore.
    pub(crate) fn start(case: &str, store: &dyn Store) -> Self {
        let mut site = Self::prepare(case, store);
        site.apply(OBJECTS);
        site.run();
        site
    }

    /// The node goes another way to its datastore.
    pub(crate) fn set_access(&mut self, access: Access) {
        self.access = access;
    }

    /// One more way to the datastore, from where the node is.
    pub(crate) fn second_door(&self, store: &dyn Store) -> Door {
        Door::open(listener(self.host.netns()), store.port())
    }

    /// Starts the node.
    pub(crate) fn run(&mut self) {
        self.run_with(&[]);
    }

    /// Starts the node with variables of Calico's node.
    pub(crate) fn run_with(&mut self, environment: &[(&str, &str)]) {
        let mut command = self.host.netns().command(&program().to_string_lossy());
        command.args(["node-peer", "--node", NODE]).args(&self.access.arguments);
        command.arg("--socket").arg(self.socket()).arg("--endpoint-status").arg(self.host.path("endpoints"));
        command.env("NO_COLOR", "1").envs(self.access.environment.iter().cloned());
        command.envs(environment.iter().copied());
        self.node = Some(Process::spawn("node-peer", command, &self.host.log("node-peer")));
    }

    /// Another node beside this one, on the same machine, which reads the same datastore with the same rights; and its socket.
    pub(crate) fn another_node(&self, name: &str, environment: &[(&str, &str)]) -> (Process, PathBuf) {
        let socket = self.host.path(&format!("{name}.sock"));
        let mut command = self.host.netns().command(&program().to_string_lossy());
        command.args(["node-peer", "--node", name]).args(&self.access.arguments).arg("--socket").arg(&socket);
        command.arg("--endpoint-status").arg(self.host.path("endpoints"));
        command.env("NO_COLOR", "1").envs(self.access.environment.iter().cloned());
        command.envs(environment.iter().copied());
        (Process::spawn(name, command, &self.host.log(name)), socket)
    }

    /// A route reflector beside the node, which reads the same datastore with the same rights; and its socket.
    pub(crate) fn reflector(&self, options: &[&str]) -> (Process, PathBuf) {
        let socket = self.host.path("reflector.sock");
        let mut command = self.host.netns().command(&program().to_string_lossy());
        command.arg("route-reflector").args(&self.access.arguments).args(options).arg("--socket").arg(&socket);
        command.env("NO_COLOR", "1").envs(self.access.environment.iter().cloned());
        (Process::spawn("route-reflector", command, &self.host.log("route-reflector")), socket)
    }

    /// Ends the node and starts it again.
    pub(crate) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// [`Site::restart`] with variables of Calico's node.
    pub(crate) fn restart_with(&mut self, environment: &[(&str, &str)]) {
        self.stop();
        self.run_with(environment);
    }

    /// Ends the node.
    pub(crate) fn stop(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.end(Signal::Term);
        }
    }

    /// One more machine on the LAN of the node, `10.0.0.NUMBER`.
    pub(crate) fn machine(&self, number: u8, name: &str) -> Arc<Host> {
        self.lab.host(number, name)
    }

    /// The machine on which the node is.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Puts another token into the kubeconfig.
    pub(crate) fn renew_token(&self, cluster: &Cluster) {
        let token = cluster.service_account(ACCOUNT.0, ACCOUNT.1);
        let other = cluster.kubeconfig(Some(&token), Some(&self.door.url()));
        let kubeconfig = self.access.kubeconfig.as_ref().expect("the node is one of a cluster");
        fs::rename(&other, kubeconfig).unwrap_or_else(|error| panic!("{error}"));
    }

    fn socket(&self) -> PathBuf {
        self.host.path("node-peer.sock")
    }

    /// Who makes the objects.
    pub(crate) fn hand(&self) -> &dyn Hand {
        &*self.hand
    }

    /// The peer that hears what the node says.
    pub(crate) fn tor(&self) -> &Bird {
        &self.tor
    }

    /// The machine on which that is.
    pub(crate) fn tor_host(&self) -> &Host {
        &self.tor_host
    }

    /// The node's way to its datastore.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// A pod of the node behind an interface, with its address and the one that the node has there.
    pub(crate) fn pod(&self, interface: &str, addresses: (&str, &str)) -> Arc<Host> {
        self.lab.pod(&self.host, 9, interface, interface, addresses)
    }

    /// Writes what Felix writes of a pod, or takes it away.
    pub(crate) fn endpoint_status(&self, interface: &str, status: Option<&Value>) {
        let folder = self.host.path("endpoints").join("endpoint-status");
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let file = folder.join(format!("k8s-{interface}-eth0"));
        let done = match status {
            Some(status) => fs::write(&file, status.to_string()),
            None => fs::remove_file(&file),
        };
        done.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Gives the peer another configuration, after which it speaks with the node as this says.
    pub(crate) fn configure_tor(&self, config: &str) {
        self.tor.configure(config);
    }

    /// What `heddle show peer ADDRESS --json` says.
    pub(crate) fn peer(&self, address: &str) -> Result<Value, String> {
        let mut command = Command::new(program());
        let output = command.args(["show", "peer", address, "--json", "--socket"]).arg(self.socket()).output();
        let output = output.map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    /// Gives the peer another password.
    pub(crate) fn password_of_tor(&self, password: &str) {
        self.tor.configure(&bird(&format!("password \"{password}\";")));
    }

    /// The peer also waits for a session over IPv6, in which it hears IPv6 routes.
    pub(crate) fn add_ipv6_of_tor(&self) {
        self.tor.configure(&format!(
            "{} protocol bgp node6 {{ local fd00::2 as 65002; neighbor fd00::1 as 65001; multihop; \
             ipv6 {{ import all; export none; }}; }}",
            bird("")
        ));
    }

    /// Gives the peer an AS, and routes that it advertises once they went through these commands.
    pub(crate) fn make_tor_advertise(&self, asn: u32, routes: &str, export: &str) {
        self.tor.configure(&format!(
            "protocol static {{ ipv4; {routes} }} \
             protocol bgp node {{ local 10.0.0.2 as {asn}; neighbor 10.0.0.1 as 65001; multihop; \
             ipv4 {{ import all; export filter {{ {export} }}; next hop self; }}; }}"
        ));
    }

    /// Applies manifests as people write them; they are deleted at the end.
    #[track_caller]
    pub(crate) fn apply(&self, manifests: &str) {
        self.apply_objects(parse(manifests));
    }

    /// [`Site::apply`] of objects.
    #[track_caller]
    pub(crate) fn apply_objects(&self, objects: impl IntoIterator<Item = Value>) {
        for object in objects {
            self.hand.apply(&object).unwrap_or_else(|error| panic!("{error}"));
            let mut applied = self.applied.borrow_mut();
            let key = |object: &Value| [object["kind"].clone(), object["metadata"]["name"].clone()];
            if !applied.iter().any(|known| key(known) == key(&object)) {
                applied.push(object);
            }
        }
    }

    /// Deletes an object of [`Site::apply`].
    #[track_caller]
    pub(crate) fn delete(&self, kind: &str, name: &str) {
        let mut applied = self.applied.borrow_mut();
        let of = |object: &Value| object["kind"] == kind && object["metadata"]["name"] == name;
        let at = applied.iter().position(of).unwrap_or_else(|| panic!("{kind} {name} was not applied"));
        let object = applied.remove(at);
        self.hand.delete(&object).unwrap_or_else(|error| panic!("{error}"));
    }

    /// What was applied is gone already.
    pub(crate) fn forget_applied(&self) {
        self.applied.borrow_mut().retain(|object| object["kind"] == "Node");
    }

    /// What `heddle show node --json` says.
    pub(crate) fn report(&self) -> Result<Value, String> {
        Self::report_at(&self.socket())
    }

    /// The same of another node.
    pub(crate) fn report_at(socket: &Path) -> Result<Value, String> {
        let output = Command::new(program()).args(["show", "node", "--json", "--socket"]).arg(socket).output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    /// Waits until the report is as wanted.
    #[track_caller]
    pub(crate) fn await_report(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(&format!("the node's report {what}"), PATIENCE * 2, || {
            let report = self.report()?;
            ensure(wanted(&report), || report.to_string())?;
            Ok(report)
        })
    }

    /// How often the API server gave lists of a kind, or let it be watched; without a kind, of all.
    pub(crate) fn requests(cluster: &Cluster, resource: &str, verb: &str) -> u64 {
        let answer = cluster.admin().call("GET", "/metrics", None).unwrap_or_else(|error| panic!("{error}"));
        let wanted = |line: &&str| {
            line.starts_with("apiserver_request_total{")
                && (resource.is_empty() || line.contains(&format!("resource=\"{resource}\"")))
                && line.contains(&format!("verb=\"{verb}\""))
                && line.contains("code=\"200\"")
        };
        let count = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<u64>().ok());
        answer.body.as_str().unwrap_or_default().lines().filter(wanted).filter_map(count).sum()
    }

    /// The node's process.
    pub(crate) fn process(&self) -> &Process {
        self.node.as_ref().expect("the node runs")
    }

    /// What the node logged.
    pub(crate) fn log(&self) -> String {
        self.node.as_ref().map(Process::log).unwrap_or_default()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for object in self.applied.borrow().iter().rev() {
            if let Err(error) = self.hand.delete(object) {
                eprintln!("{error}");
            }
        }
        if thread::panicking() {
            return;
        }
        if let Some(mut node) = self.node.take() {
            node.assert_alive();
            node.end(Signal::Term);
            let log = node.log();
            let fault = log.lines().find(|line| line.contains(" ERROR ") || line.contains("panicked at"));
            assert!(fault.is_none(), "the node has an error in its log: {}", fault.unwrap_or_default());
        }
    }
}

/// How many objects of a kind a report has.
pub(crate) fn count(report: &Value, kind: &str) -> usize {
    let objects = report["datastore"]["objects"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = objects.iter().find(|object| object[0] == kind).and_then(|object| object[1].as_u64());
    found.and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
}

fn bird(more: &str) -> String {
    format!(
        "protocol bgp node {{ local 10.0.0.2 as 65002; neighbor 10.0.0.1 as 65001; multihop; {more} \
         ipv4 {{ import all; export none; }}; }}"
    )
}

/// A listener of the loopback interface of a namespace.
pub(crate) fn listener(netns: &Netns) -> TcpListener {
    let file = File::open(format!("/run/netns/{}", netns.name())).unwrap_or_else(|error| panic!("{error}"));
    let listen = || {
        setns(&file, CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| panic!("{error}"));
        TcpListener::bind("127.0.0.1:0").expect("the namespace has a loopback interface")
    };
    // The thread ends in that namespace; this one stays where it is.
    thread::scope(|scope| scope.spawn(listen).join().expect("no panic"))
}

/// Grants the account what docs/datastore.md says that a node needs, to the letter.
pub(crate) fn permit(cluster: &Cluster) {
    grant(cluster, 1);
}

/// Grants it what that page says that is needed for events.
pub(crate) fn permit_events(cluster: &Cluster) {
    grant(cluster, 2);
}

/// Grants it what that page says that is needed for a status that is apart.
pub(crate) fn permit_status(cluster: &Cluster) {
    grant(cluster, 3);
}

/// The first roles of the page, or those behind.
fn grant(cluster: &Cluster, number: usize) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/datastore.md");
    let page = fs::read_to_string(page).unwrap_or_else(|error| panic!("{page}: {error}"));
    let roles = page.split("### Permissions").nth(1).and_then(|rest| rest.split("```yaml\n").nth(number));
    let roles = roles.and_then(|rest| rest.split("```").next()).expect("the page has the roles");
    cluster.admin().apply(roles).unwrap_or_else(|error| panic!("{error}"));
    for role in parse(roles) {
        let mut binding = json!({
            "apiVersion": role["apiVersion"], "kind": format!("{}Binding", role["kind"].as_str().unwrap_or_default()),
            "metadata": role["metadata"],
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": role["metadata"]["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT.1, "namespace": ACCOUNT.0}],
        });
        if let Some(namespace) = role["metadata"].get("namespace") {
            binding["metadata"]["namespace"] = namespace.clone();
        }
        cluster.admin().apply_object(&binding).unwrap_or_else(|error| panic!("{error}"));
    }
}
