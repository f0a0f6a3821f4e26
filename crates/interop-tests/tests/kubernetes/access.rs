//! Who may do what, how often, and over which way.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use heddle_interop_tests::kubernetes::client::Client;
use heddle_interop_tests::kubernetes::door::Door;
use heddle_interop_tests::kubernetes::{Cluster, program};
use heddle_interop_tests::netns::Netns;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::json;

use crate::site::listener;

/// A service account may read what its role says, and nothing else; without the role not even that.
pub(crate) fn forbidden(cluster: &Cluster) {
    let token = cluster.service_account("kube-system", "reader");
    let reader = cluster.client(&token);
    let status = |path: &str| reader.call("GET", path, None).map(|answer| answer.status);
    assert_eq!(status("/api/v1/nodes"), Ok(403));
    let roles = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [nodes], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: kube-system}]
";
    cluster.admin().apply(roles).unwrap_or_else(|error| panic!("{error}"));
    let answers = |path: &str, expected: u16| {
        wait_for(&format!("{path} is answered with {expected}"), PATIENCE, || {
            let seen = status(path)?;
            ensure(seen == expected, || seen.to_string())
        });
    };
    answers("/api/v1/nodes", 200);
    answers("/api/v1/secrets", 403);
    cluster.admin().delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/reader").expect("it is there");
    answers("/api/v1/nodes", 403);
    let stranger = cluster.client("nobody");
    assert_eq!(stranger.call("GET", "/api/v1/nodes", None).map(|answer| answer.status), Ok(401));
}

/// An account that is throttled is told 429, and others are not.
pub(crate) fn throttled(cluster: &Cluster) {
    let token = cluster.service_account("kube-system", "busy");
    let busy = cluster.client(&token);
    let answers = |client: &Client, expected: u16| {
        wait_for(&format!("an answer of {expected}"), PATIENCE, || {
            let seen = client.call("GET", "/api/v1/nodes", None)?.status;
            ensure(seen == expected, || seen.to_string())
        });
    };
    answers(&busy, 403);
    let throttle = cluster.throttle("kube-system", "busy");
    for _ in 0..5 {
        assert_eq!(busy.call("GET", "/api/v1/nodes", None).map(|answer| answer.status), Ok(429));
    }
    answers(cluster.admin(), 200);
    drop(throttle);
    answers(&busy, 403);
}

/// A door passes watches and requests on; shut, it ends them.
pub(crate) fn through_a_door(cluster: &Cluster) {
    let listener = TcpListener::bind("127.0.0.2:0").expect("the loopback interface has this address");
    let door = Door::open(listener, cluster.port());
    let token = cluster.service_account("kube-system", "visitor");
    // The certificate is for `localhost` and what it stands for; the kubeconfig of a client behind a door says so.
    let config = std::fs::read_to_string(cluster.kubeconfig(Some(&token), Some(&door.url()))).expect("it was written");
    let config: serde_json::Value = serde_json::from_str(&config).expect("it is JSON");
    assert_eq!(config["clusters"][0]["cluster"]["server"], json!(door.url()));
    assert_eq!(config["clusters"][0]["cluster"]["tls-server-name"], "localhost");

    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has this address");
    let door = Door::open(listener, cluster.port());
    let visitor = Client::new(&door.url(), &token, cluster.authority());
    let version = |client: &Client| client.get("/version").map(|version| version["major"].clone());
    assert_eq!(version(&visitor), Ok(json!("1")));
    assert!(door.octets() > 0 && door.connections() > 0);
    door.slow_down(Duration::from_millis(1));
    assert_eq!(version(&visitor), Ok(json!("1")));
    door.shut();
    assert!(version(&visitor).is_err());
    assert!(version(cluster.admin()).is_ok());
    door.reopen();
    wait_for("the door is open", PATIENCE, || version(&visitor));
    let admin = cluster.admin();
    assert!(admin.get("/livez").is_ok());
}

/// A door whose listener was made in a namespace leads out of it, and nothing else does.
pub(crate) fn from_a_namespace(cluster: &Cluster) {
    let netns = Netns::new("door");
    let door = Door::open(listener(&netns), cluster.port());
    let ca = cluster.directory().join("ca.crt");
    let version = |port: u16| {
        let mut command = netns.command("curl");
        command.args(["--silent", "--show-error", "--max-time", "30", "--cacert"]).arg(&ca);
        command.arg(format!("https://localhost:{port}/version"));
        let output = command.output().unwrap_or_else(|error| panic!("{error}"));
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (answered, text) = version(door.address().port());
    assert!(answered && text.contains("gitVersion"), "{text}");
    assert!(!version(cluster.port()).0, "the API server listens elsewhere");
    door.shut();
    assert!(!version(door.address().port()).0, "the door is shut");
}

/// kubectl, with a kubeconfig as programs under test get it: what would be refused is refused, and nothing is stored.
pub(crate) fn with_kubectl(cluster: &Cluster) {
    let program = program("kubectl").unwrap_or_else(|error| panic!("{error}"));
    let apply = |token: Option<&str>, manifest: &str| {
        let file = cluster.directory().join(format!("kubectl-{}.yaml", manifest.len()));
        std::fs::write(&file, manifest).expect("the directory can be written");
        let mut command = Command::new(&program);
        command.env("HOME", cluster.directory()).arg("--kubeconfig").arg(cluster.kubeconfig(token, None));
        command.args(["apply", "--server-side", "--dry-run=server", "-f"]).arg(file);
        command.output().unwrap_or_else(|error| panic!("{error}"))
    };
    let peer = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: dry}, spec: {peerIP: 10.0.0.1}}";
    let taken = apply(None, peer);
    assert!(taken.status.success(), "{taken:?}");
    assert!(cluster.admin().get("/apis/projectcalico.org/v3/bgppeers/dry").is_err(), "it was a dry run");
    let unknown = apply(None, &peer.replace("peerIP", "peerip"));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("field not declared in schema"), "{unknown:?}");
    let token = cluster.service_account("kube-system", "dry");
    let refused = apply(Some(&token), peer);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("forbidden"), "{refused:?}");
}
