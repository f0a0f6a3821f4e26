//! `heddle route-reflector` beside a node, with the datastore and the rights that the node has.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::kubernetes::door::Door;
use heddle_interop_tests::lab::Host;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::process::{Process, Signal};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::chart::{by_helm, by_name, words};
use crate::site::{ADDRESS, BLOCK, Site, listener};
use crate::stores::Store;

fn peers_of(socket: &Path) -> Result<Vec<Value>, String> {
    let output = Command::new(program()).args(["show", "peers", "--json", "--socket"]).arg(socket).output();
    let output = output.map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    Ok(answer["peers"].as_array().cloned().unwrap_or_default())
}

/// A reflector takes its peers from the datastore, and follows it: here the node beside which it runs.
pub(crate) fn beside_a_node(store: &dyn Store) {
    let site = Site::start("kubernetes::reflector::beside_a_node", store);
    let options = ["--name", "r1", "--address", ADDRESS, "--port", "1790", "--as", "65001"];
    let (mut reflector, socket) = site.reflector(&options);
    site.tor().wait_route(BLOCK);
    let peers = || peers_of(&socket);
    wait_for("nobody peers with it yet", PATIENCE, || {
        peers().and_then(|all| ensure(all.is_empty(), || format!("{all:?}")))
    });
    let peer = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: reflector}, spec: {
  peerIP: '10.0.0.1:1790', asNumber: 65001, reversePeering: Manual}}";
    site.apply(peer);
    wait_for("the node is its peer, and tells its block", PATIENCE, || {
        let all = peers()?;
        let told = |peer: &Value| peer["state"] == "established" && peer["received"] == 1;
        ensure(all.len() == 1 && all.iter().all(told), || format!("{all:?}"))
    });
    site.delete("BGPPeer", "reflector");
    wait_for("nobody peers with it any more", PATIENCE, || {
        peers().and_then(|all| ensure(all.is_empty(), || format!("{all:?}")))
    });
    reflector.assert_alive();
    reflector.end(Signal::Term);
}

/// Where the reflector of the chart is, at the chart's port.
const REFLECTOR: &str = "10.0.0.4";

/// The second node, which runs BIRD.
const SECOND: &str = "10.0.0.3";

/// The second node's block.
const SECOND_BLOCK: &str = "10.20.0.128/26";

/// Two sorts of clients: those of rack `b` have a password.
const CLIENTS: &str = "
{apiVersion: v1, kind: Node, metadata: {name: worker-2, labels: {rack: b}, annotations: {
  projectcalico.org/IPv4Address: 10.0.0.3/24, projectcalico.org/ASNumber: '65001'}}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: reflector-a}, spec: {
  peerIP: '10.0.0.4:1790', asNumber: 65001, nodeSelector: rack == 'a'}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: reflector-b}, spec: {
  peerIP: '10.0.0.4:1790', asNumber: 65001, nodeSelector: rack == 'b', password: {secretKeyRef: {name: bgp-passwords, key: rr}}}}
";

/// As Calico would have BIRD on the second node.
fn second_node(password: &str) -> String {
    format!(
        "protocol static {{ ipv4; route {SECOND_BLOCK} blackhole; }} \
         protocol bgp reflector {{ local {SECOND} as 65001; neighbor {REFLECTOR} port 1790 as 65001; multihop; \
         password \"{password}\"; connect delay time 1; connect retry time 1; error wait time 1, 2; \
         ipv4 {{ import all; export all; next hop self; }}; }}"
    )
}

fn secret(password: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: bgp-passwords, namespace: kube-system}}, \
         stringData: {{rr: {password}}}}}"
    )
}

/// The reflector of the chart on a machine of its own: with the arguments of its container, the privileges of its container, and the
/// rights of its service account.
fn deployed(cluster: &Cluster, host: &Arc<Host>, door: &Door, deployment: &Value) -> Process {
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let account = pod["serviceAccountName"].as_str().expect("the pod has an account");
    let token = cluster.service_account("kube-system", account);
    let capabilities = words(&container["securityContext"]["capabilities"]["add"]);
    let bound: String = capabilities.iter().map(|name| format!(",+{}", name.to_lowercase())).collect();
    let mut command = host.netns().command("setpriv");
    command.args(["--no-new-privs", &format!("--bounding-set=-all{bound}")]).arg(program());
    for argument in words(&container["args"]) {
        let argument = argument.replace("$(NODE)", "machine-4");
        let argument = argument.replace("$(ADDRESSES)", &format!("{REFLECTOR},{}", host.v6()));
        command.arg(argument.replace("/run/heddle/", &format!("{}/", host.path("").display())));
    }
    command.arg("--kubeconfig").arg(cluster.kubeconfig(Some(&token), Some(&door.url())));
    command.env("NAMESPACE", "kube-system").env("NO_COLOR", "1");
    Process::spawn("route-reflector", command, &host.log("route-reflector"))
}

/// As the chart deploys it, with the chart's own roles: two clients in one cluster, one of them with a password, which it gets to know once
/// the Role for that one Secret is there. What it is granted suffices, and is not more.
pub(crate) fn of_the_chart(cluster: &Cluster) {
    let site = Site::start("kubernetes::reflector::of_the_chart", cluster);
    let values = "nodePeer.enabled=false,reflector.enabled=true,reflector.asNumber=65001,reflector.clusterID=244.0.0.9";
    let without = by_name(&by_helm(&["--set", values]));
    let with = by_name(&by_helm(&["--set", values, "--set", "passwordSecrets={bgp-passwords}"]));
    let rights = ["ServiceAccount ", "ClusterRole ", "ClusterRoleBinding ", "Role ", "RoleBinding "];
    let rights = |(name, _): &(&String, &Value)| rights.iter().any(|kind| name.starts_with(kind));
    site.apply_objects(without.iter().filter(rights).map(|(_, object)| object.clone()));
    site.apply(CLIENTS);
    site.apply(&secret("open-sesame"));

    let machine = site.machine(4, "reflector");
    let door = Door::open(listener(machine.netns()), cluster.port());
    let mut reflector = deployed(cluster, &machine, &door, &with["Deployment heddle-route-reflector"]);
    let socket = machine.path("route-reflector.sock");
    let second = Bird::start(&site.machine(3, "second"), &second_node("open-sesame"));
    let state = |peer: &str| -> Result<String, String> {
        let peers = peers_of(&socket)?;
        let found = peers.iter().find(|known| known["address"] == peer).ok_or_else(|| format!("{peers:?}"))?;
        Ok(found["state"].as_str().unwrap_or_default().to_owned())
    };
    let established = |peer: &str| {
        wait_for(&format!("{peer} is established"), PATIENCE, || {
            let seen = state(peer)?;
            ensure(seen == "established", || seen.clone())
        });
    };

    // Without the Role, the client with a password waits for it and says so; the other one does not.
    established(ADDRESS);
    wait_for("it says that the Secret may not be read", PATIENCE, || {
        reflector.assert_alive();
        let log = reflector.log();
        ensure(log.contains("kube-system/bgp-passwords") && log.contains("not permitted"), || log.clone())
    });
    assert!(state(SECOND).is_ok_and(|state| state != "established"));
    assert!(!second.session(REFLECTOR).is_ok_and(|session| session.established));

    // With it, both are clients of one cluster.
    site.apply_objects(with.iter().filter(rights).map(|(_, object)| object.clone()));
    second.wait_established(REFLECTOR);
    let told = second.wait_route(BLOCK).attributes;
    assert_eq!((told.originator_id.as_deref(), &told.cluster_list[..]), (Some(ADDRESS), &["244.0.0.9".to_owned()][..]));
    assert_eq!(told.next_hop, ADDRESS);
    wait_for("the first node's kernel has the second's block", PATIENCE, || {
        let routes = site.host().netns().run("ip", &["route", "show", "proto", "158"]);
        ensure(routes.contains(&format!("{SECOND_BLOCK} via {SECOND} ")), || routes.clone())
    });
    assert_eq!(site.tor().wait_route(SECOND_BLOCK).attributes.as_path, "65001");

    // Another password reaches it by the watch; the other client's session is left alone.
    let before = peers_of(&socket).expect("it answers");
    site.apply(&secret("spun-yarn"));
    second.wait_down(REFLECTOR);
    second.configure(&second_node("spun-yarn"));
    second.wait_established(REFLECTOR);
    established(SECOND);
    let uptime = |peers: &[Value]| {
        let first = peers.iter().find(|peer| peer["address"] == ADDRESS);
        first.map(|peer| peer["state_since"].clone()).filter(|at| !at.is_null())
    };
    let after = peers_of(&socket).expect("it answers");
    assert!(uptime(&before).is_some() && uptime(&before) == uptime(&after), "{before:?} {after:?}");

    no_more_rights(cluster);
    reflector.assert_alive();
    let log = reflector.log();
    assert!(!log.contains("spun-yarn") && !log.contains("open-sesame"), "no password is in the log: {log}");
    reflector.end(Signal::Term);
}

/// What the chart does not grant the reflector.
fn no_more_rights(cluster: &Cluster) {
    let client = cluster.client(&cluster.service_account("kube-system", "heddle-route-reflector"));
    let status = |path: &str| client.call("GET", path, None).map(|answer| answer.status);
    assert_eq!(status("/api/v1/namespaces/kube-system/secrets/bgp-passwords"), Ok(200));
    for path in
        ["/api/v1/namespaces/kube-system/secrets", "/api/v1/services", "/apis/crd.projectcalico.org/v1/blockaffinities"]
    {
        assert_eq!(status(path), Ok(403), "{path}");
    }
}
