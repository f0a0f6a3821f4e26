//! The commands of docs/migration.md, in the order in which an operator gives them, on the DaemonSets of Calico's manifests. Nothing runs in these
//! clusters but an API server: where a controller or a kubelet would do something, the test does it.

use std::fs;
use std::path::Path;
use std::process::Command;

use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::{Cluster, Options};
use heddle_interop_tests::netns::output;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chart::{blocks, find, page, project, words};

/// How Calico was installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calico {
    /// By the manifests, up to 3.32.
    Before333,
    /// By the manifests, from 3.33 on, where the program and the probes are other ones.
    Since333,
    /// By Tigera's operator, with its own namespace and a probe by HTTP.
    Operator,
}

impl Calico {
    fn namespace(self) -> &'static str {
        if self == Self::Operator { "calico-system" } else { "kube-system" }
    }

    /// calico-node's DaemonSet.
    fn daemon_set(self) -> Value {
        let manifest = match self {
            Self::Before333 | Self::Operator => include_str!("calico-node/3.29.yaml"),
            Self::Since333 => include_str!("calico-node/3.33.yaml"),
        };
        let mut object = parse(manifest).remove(0);
        if self == Self::Operator {
            object["metadata"]["namespace"] = json!(self.namespace());
            let container = &mut object["spec"]["template"]["spec"]["containers"][0];
            container["livenessProbe"] = json!({
                "httpGet": {"host": "localhost", "path": "/liveness", "port": 9099}, "initialDelaySeconds": 10,
                "failureThreshold": 6, "timeoutSeconds": 10});
            for variable in container["env"].as_array_mut().into_iter().flatten() {
                if variable["name"] == BACKEND {
                    *variable = json!({"name": BACKEND, "value": "bird"});
                }
            }
        }
        object
    }

    /// A command of the page as it is here, by what the page says.
    fn adapt(self, command: &str) -> String {
        if self != Self::Operator {
            return command.to_owned();
        }
        let moved = |line: &str| match line.contains("calico-node") {
            true => line.replace("-n kube-system", &format!("-n {}", self.namespace())),
            false => line.to_owned(),
        };
        let lines = command.lines().filter(|line| !line.trim_start().starts_with("livenessProbe:"));
        let lines: Vec<_> = lines.map(moved).collect();
        lines.join("\n")
    }
}

const BACKEND: &str = "CALICO_NETWORKING_BACKEND";

/// What the page has as commands; each is found by words of its own.
struct Page {
    blocks: Vec<String>,
    text: String,
}

impl Page {
    fn read() -> Self {
        let text = page("migration.md");
        let blocks = blocks(&text, "sh");
        // One of them is not for the cluster.
        assert_eq!(blocks.len(), 11, "a case for each block of commands: {blocks:#?}");
        assert!(blocks.iter().any(|block| block.starts_with("heddle config render ")));
        Self { blocks, text }
    }

    #[track_caller]
    fn commands(&self, having: &str) -> &str {
        let mut found = self.blocks.iter().filter(|block| block.contains(having));
        let first = found.next().unwrap_or_else(|| panic!("the page has no commands with {having}"));
        assert!(found.next().is_none(), "the page has several blocks with {having}");
        first
    }

    /// heddle.yaml, with the arguments that the page names at some other place.
    fn values(&self, arguments: Option<&str>) -> String {
        let values = blocks(&self.text, "yaml").into_iter().find(|block| block.starts_with("nodePeer:\n"));
        let values = values.expect("the page has values");
        let Some(wanted) = arguments else { return values };
        let mut others = self.text.split('`').filter(|code| code.starts_with("args: [") && code.contains(wanted));
        let other = others.next().unwrap_or_else(|| panic!("the page has no arguments with {wanted}"));
        let mut lines: Vec<_> = values.lines().map(str::to_owned).collect();
        let line = lines.iter_mut().find(|line| line.trim_start().starts_with("args:")).expect("it has arguments");
        *line = format!("  {other}");
        lines.join("\n")
    }
}

/// Somebody with a shell, kubectl, helm and the project's folder.
struct Operator<'a> {
    cluster: &'a Cluster,
    calico: Calico,
    folder: TempDir,
}

impl<'a> Operator<'a> {
    fn new(cluster: &'a Cluster, calico: Calico) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::os::unix::fs::symlink(project("deploy"), folder.path().join("deploy")).expect("the folder is empty");
        Self { cluster, calico, folder }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).expect("the folder can be written");
    }

    /// Gives commands as they are on the page.
    #[track_caller]
    fn run(&self, commands: &str) {
        let programs = [find("kubectl"), find("helm")];
        let folders = programs.iter().filter_map(|program| program.parent()).map(Path::to_string_lossy);
        let path: String = folders.map(|folder| format!("{folder}:")).collect();
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &self.calico.adapt(commands)]).current_dir(self.folder.path());
        command.env("KUBECONFIG", self.cluster.kubeconfig(None, None)).env("HOME", self.folder.path());
        command.env("PATH", path + &std::env::var("PATH").unwrap_or_default());
        output(command);
    }

    /// An object, or none.
    #[track_caller]
    fn get(&self, path: &str) -> Option<Value> {
        let answer = self.cluster.admin().call("GET", path, None).unwrap_or_else(|error| panic!("{error}"));
        match answer.status {
            200 => Some(answer.body),
            404 => None,
            _ => panic!("{path}: {answer:?}"),
        }
    }

    fn daemon_set(&self) -> Value {
        self.get(&format!("/apis/apps/v1/namespaces/{}/daemonsets/calico-node", self.calico.namespace()))
            .expect("it is there")
    }

    fn heddle(&self) -> Option<Value> {
        self.get("/apis/apps/v1/namespaces/kube-system/daemonsets/heddle-node-peer")
    }

    fn heddle_arguments(&self) -> Vec<String> {
        let object = self.heddle().expect("it is installed");
        words(&object["spec"]["template"]["spec"]["containers"][0]["args"]).into_iter().map(str::to_owned).collect()
    }

    fn apply(&self, object: &Value) {
        self.cluster.admin().apply_object(object).unwrap_or_else(|error| panic!("{error}"));
    }

    /// A pod of calico-node, as the DaemonSet's controller makes it.
    fn make_pod(&self, node: &str) {
        let template = &self.daemon_set()["spec"]["template"];
        let mut spec = template["spec"].clone();
        spec["nodeName"] = json!(node);
        let metadata = json!({"name": format!("calico-node-{node}"), "namespace": self.calico.namespace(),
            "labels": template["metadata"]["labels"]});
        self.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}));
    }

    /// The nodes that have a pod of calico-node.
    fn pods(&self) -> Vec<String> {
        let path = format!("/api/v1/namespaces/{}/pods?labelSelector=k8s-app%3Dcalico-node", self.calico.namespace());
        let pods = self.get(&path).expect("a list");
        let node = |pod: &Value| pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
        pods["items"].as_array().into_iter().flatten().map(node).collect()
    }

    /// Whether Heddle's pods are for a node.
    fn is_for(&self, node: &str) -> bool {
        let labels = self.get(&format!("/api/v1/nodes/{node}")).expect("it is there")["metadata"]["labels"].clone();
        let object = self.heddle().expect("it is installed");
        let wanted = object["spec"]["template"]["spec"]["nodeSelector"].as_object().expect("a selector").clone();
        wanted.iter().all(|(label, value)| labels[label] == *value)
    }
}

/// The DaemonSet as it is to be while Heddle runs: nothing of BIRD is started or asked, and no pod is replaced by itself.
fn without_bird(before: &Value) -> Value {
    let mut spec = before.clone();
    spec["updateStrategy"] = json!({"type": "OnDelete"});
    let container = &mut spec["template"]["spec"]["containers"][0];
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        if variable["name"] == BACKEND {
            *variable = json!({"name": BACKEND, "value": "none"});
        }
    }
    for probe in ["livenessProbe", "readinessProbe"] {
        if let Some(command) = container[probe].pointer_mut("/exec/command").and_then(Value::as_array_mut) {
            command.retain(|word| !word.as_str().is_some_and(|word| word.trim_start_matches('-').starts_with("bird-")));
        }
    }
    spec
}

/// What somebody set, without what the API server counts.
fn annotations(object: &Value) -> Value {
    let mut annotations = object["metadata"]["annotations"].clone();
    if let Some(all) = annotations.as_object_mut() {
        all.remove("deprecated.daemonset.template.generation");
    }
    annotations
}

/// Forth, and back; at the end calico-node's DaemonSet is what it was.
pub(crate) fn forth_and_back() {
    let cluster = Cluster::start(&Options::default());
    let page = Page::read();
    for calico in [Calico::Before333, Calico::Since333, Calico::Operator] {
        eprintln!("{calico:?}");
        change_over(&cluster, &page, calico);
    }
}

fn change_over(cluster: &Cluster, page: &Page, calico: Calico) {
    let operator = Operator::new(cluster, calico);
    drop(cluster.service_account(calico.namespace(), "calico-node"));
    for node in ["worker-1", "worker-2"] {
        let metadata = json!({"name": node, "labels": {"kubernetes.io/os": "linux"}});
        operator.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata}));
    }
    operator.apply(&calico.daemon_set());
    ["worker-1", "worker-2"].iter().for_each(|node| operator.make_pod(node));
    let before = operator.daemon_set();

    // Before.
    if calico == Calico::Operator {
        operator.run(page.commands("unsupported.operator.tigera.io/ignore=true"));
        assert_eq!(annotations(&operator.daemon_set())["unsupported.operator.tigera.io/ignore"], "true");
    }
    operator.run(page.commands("get daemonset calico-node"));
    if calico == Calico::Since333 {
        operator.run(page.commands("[calico, component, node, health, --felix-live]"));
    }
    let wanted = without_bird(&before["spec"]);
    assert_eq!(operator.daemon_set()["spec"], wanted);
    assert!(!wanted.to_string().contains("bird-"), "{wanted}");
    assert!(before["spec"].to_string().contains("bird-"), "{before}");
    operator.write("heddle.yaml", &page.values(None));
    operator.run(page.commands("helm install"));
    assert!(!operator.is_for("worker-1") && !operator.is_for("worker-2"));
    assert!(operator.heddle_arguments().ends_with(&["--protocol".to_owned(), "bird".to_owned()]));

    // Each node, of which this is the first.
    operator.run(page.commands("heddle.io/node-peer=true"));
    assert_eq!(operator.pods(), ["worker-2"]);
    assert!(operator.is_for("worker-1") && !operator.is_for("worker-2"));
    operator.make_pod("worker-1");

    other_arguments(&operator, page);
    operator.run(page.commands("--type json"));
    let now = operator.daemon_set();
    assert_eq!(now["spec"]["template"], before["spec"]["template"]);
    assert_eq!(now["spec"]["updateStrategy"], json!({"type": "OnDelete"}));
    operator.run(page.commands("heddle.io/node-peer-"));
    assert_eq!(operator.pods(), ["worker-2"]);
    assert!(!operator.is_for("worker-1"));

    // At the end.
    operator.run(page.commands("helm uninstall"));
    assert!(operator.heddle().is_none());
    if calico == Calico::Operator {
        operator.run(page.commands("unsupported.operator.tigera.io/ignore-"));
    }
    let after = operator.daemon_set();
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(annotations(&after), annotations(&before));
    for path in operator.pods() {
        let pod = format!("/api/v1/namespaces/{}/pods/calico-node-{path}", calico.namespace());
        cluster.admin().delete(&pod).unwrap_or_else(|error| panic!("{error}"));
    }
    cluster.admin().delete_object(&before).unwrap_or_else(|error| panic!("{error}"));
}

/// When all nodes are done, and on the way back. No controller counts pods here.
fn other_arguments(operator: &Operator<'_>, page: &Page) {
    let path = "/apis/apps/v1/namespaces/kube-system/daemonsets/heddle-node-peer/status";
    let status = json!({"status": {"observedGeneration": 1000}});
    operator.cluster.admin().merge(path, &status).unwrap_or_else(|error| panic!("{error}"));
    for arguments in [["--adopt-protocols", "bird"], ["--adopt-protocols", "158"]] {
        operator.write("heddle.yaml", &page.values(Some(arguments[1])));
        operator.run(page.commands("helm upgrade"));
        let now = operator.heddle_arguments();
        assert!(now.ends_with(&arguments.map(str::to_owned)), "{now:?}");
    }
    let protocol = ["--protocol".to_owned(), "bird".to_owned()];
    assert!(operator.heddle_arguments().windows(2).any(|pair| pair == protocol));
}
