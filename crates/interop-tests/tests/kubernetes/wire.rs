//! From an object in the datastore to a route on the wire, for each kind that a node follows.

use std::time::{Duration, Instant};

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::view::Family;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::site::{ADDRESS, BLOCK, NODE, OBJECTS, Site, count};
use crate::stores::Store;

/// The node's objects make a session, and its block is on the wire; without its peer there is none.
pub(crate) fn peers(store: &dyn Store) {
    let site = Site::start("kubernetes::wire::peers", store);
    site.tor().wait_established(ADDRESS);
    assert_eq!(site.tor().wait_route(BLOCK).attributes.as_path, "65001");
    let report = site.await_report("is in sync", |report| report["datastore"]["state"] == "in_sync");
    assert_eq!(count(&report, "BGPPeer"), 1, "{report}");
    assert_eq!(report["datastore"]["last_error"], json!(null), "{report}");
    site.delete("BGPPeer", "tor");
    site.tor().wait_down(ADDRESS);
    site.apply(OBJECTS);
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
}

/// A node's labels choose its peers.
pub(crate) fn nodes(store: &dyn Store) {
    let site = Site::start("kubernetes::wire::nodes", store);
    site.tor().wait_established(ADDRESS);
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {
          peerIP: 10.0.0.2, asNumber: 65002, nodeSelector: rack == 'b'}}",
    );
    site.tor().wait_down(ADDRESS);
    site.apply(&format!(
        "{{apiVersion: projectcalico.org/v3, kind: Node, metadata: {{name: {NODE}, labels: {{rack: b}}}}, spec: {{bgp: {{
          ipv4Address: 10.0.0.1/24, asNumber: 65001}}}}}}"
    ));
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
}

/// The BGPConfiguration gives the block a community, which is on the wire then.
fn give_community(site: &Site) {
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {
          nodeToNodeMeshEnabled: false, prefixAdvertisements: [{cidr: 10.20.0.0/16, communities: ['65001:100']}]}}",
    );
    wait_for("the community is on the wire", PATIENCE, || {
        let route = site.tor().wait_route(BLOCK);
        ensure(route.attributes.communities == ["65001:100"], || format!("{route:?}"))
    });
}

/// Communities of the BGPConfiguration reach the wire without a reset of the session.
pub(crate) fn configuration(store: &dyn Store) {
    let site = Site::start("kubernetes::wire::configuration", store);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    assert!(site.tor().wait_route(BLOCK).attributes.communities.is_empty());
    give_community(&site);
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
}

/// Blocks that come and go are advertised and withdrawn; those of other nodes are not.
pub(crate) fn blocks(store: &dyn Store) {
    let site = Site::start("kubernetes::wire::blocks", store);
    site.tor().wait_route(BLOCK);
    let block = |node: &str, third: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {node}-10-20-{third}-0-26}}, spec: {{
              state: confirmed, node: {node}, type: host, cidr: 10.20.{third}.0/26, deleted: false}}}}"
        )
    };
    site.apply(&block("worker-2", "2"));
    site.apply(&block(NODE, "1"));
    site.tor().wait_route("10.20.1.0/26");
    site.tor().wait_no_route("10.20.2.0/26");
    site.delete("BlockAffinity", &format!("{NODE}-10-20-1-0-26"));
    site.tor().wait_no_route("10.20.1.0/26");
    site.tor().wait_route(BLOCK);
}

/// A filter that a peer names, made, changed and deleted.
pub(crate) fn filters(store: &dyn Store) {
    let site = Site::start("kubernetes::wire::filters", store);
    site.tor().wait_route(BLOCK);
    let filter = |rules: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {{name: out}}, spec: {{exportV4: [{rules}]}}}}"
        )
    };
    site.apply(&filter("{action: Reject, matchOperator: In, cidr: 10.20.0.0/16}"));
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {
          peerIP: 10.0.0.2, asNumber: 65002, filters: [out]}}",
    );
    site.tor().wait_no_route(BLOCK);
    site.apply(&filter("{action: Reject, matchOperator: In, cidr: 10.30.0.0/16}"));
    site.tor().wait_route(BLOCK);
}

/// The password of a session is in a Secret that the role names: the session waits for it, and changes with it.
pub(crate) fn secrets(cluster: &Cluster) {
    let site = Site::start("kubernetes::wire::secrets", cluster);
    site.tor().wait_established(ADDRESS);
    site.password_of_tor("open-sesame");
    site.tor().wait_down(ADDRESS);
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {
          peerIP: 10.0.0.2, asNumber: 65002, password: {secretKeyRef: {name: bgp-passwords, key: tor}}}}",
    );
    site.await_report("misses the secret", |report| report["warnings"].to_string().contains("bgp-passwords"));
    let secret = |password: &str| {
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: bgp-passwords, namespace: kube-system}}, \
             stringData: {{tor: {password}}}}}"
        )
    };
    site.apply(&secret("open-sesame"));
    site.tor().wait_established(ADDRESS);
    site.password_of_tor("spun-yarn");
    site.tor().wait_down(ADDRESS);
    site.apply(&secret("spun-yarn"));
    site.tor().wait_established(ADDRESS);
    let log = site.log();
    assert!(!log.contains("spun-yarn") && !log.contains("open-sesame"), "no password is in the log: {log}");
}

/// A Secret that the role does not name: the peer that needs it waits and says so, and all else goes on; with the right, it begins.
pub(crate) fn secret_not_permitted(cluster: &Cluster) {
    let site = Site::start("kubernetes::wire::secret_not_permitted", cluster);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    let third = Bird::start(
        &site.machine(3, "third"),
        "protocol bgp node { local 10.0.0.3 as 65003; neighbor 10.0.0.1 as 65001; multihop; password \"open-sesame\"; \
         connect delay time 1; connect retry time 1; error wait time 1, 2; ipv4 { import all; export none; }; }",
    );
    site.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: elsewhere, namespace: kube-system}, stringData: {third: open-sesame}}",
    );
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: third}, spec: {
          peerIP: 10.0.0.3, asNumber: 65003, password: {secretKeyRef: {name: elsewhere, key: third}}}}",
    );
    site.await_report("says which Secret it may not read", |report| {
        let problems = report["datastore"]["invalid"].to_string();
        problems.contains("kube-system/elsewhere") && problems.contains("not permitted")
    });
    site.await_report("says which peer waits for it", |report| {
        let said = report["warnings"].to_string();
        said.contains("BGPPeer/third")
            && said.contains("kube-system/elsewhere, which does not exist or may not be read")
    });
    give_community(&site);
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
    assert!(!third.session(ADDRESS).is_ok_and(|session| session.established));
    site.apply(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: heddle-more-passwords, namespace: kube-system}
rules: [{apiGroups: [''], resources: [secrets], resourceNames: [elsewhere], verbs: [get, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: heddle-more-passwords, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: heddle-more-passwords}
subjects: [{kind: ServiceAccount, name: heddle-node, namespace: kube-system}]
",
    );
    third.wait_established(ADDRESS);
    third.wait_route(BLOCK);
    site.await_report("has nothing to say any more", |report| !report["datastore"].to_string().contains("elsewhere"));
}

/// The address of a service is on the wire while an endpoint of it on this node is ready.
pub(crate) fn services(cluster: &Cluster) {
    let site = Site::start("kubernetes::wire::services", cluster);
    site.tor().wait_route(BLOCK);
    site.apply("{apiVersion: v1, kind: Namespace, metadata: {name: wired}}");
    site.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: front, namespace: wired}, spec: {
          type: NodePort, externalTrafficPolicy: Local, clusterIP: 10.101.0.77, clusterIPs: [10.101.0.77],
          ports: [{port: 80}]}}",
    );
    let endpoint = |node: &str, conditions: &str| {
        format!("{{addresses: [10.20.0.5], nodeName: {node}, conditions: {{{conditions}}}}}")
    };
    let slice_of = |endpoints: &str| {
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: front-1, namespace: wired, \
              labels: {{kubernetes.io/service-name: front}}}}, ports: [{{port: 80}}], \
              endpoints: [{endpoints}]}}"
        )
    };
    let slice = |ready: bool| slice_of(&endpoint(NODE, &format!("ready: {ready}")));
    site.apply(&slice(true));
    let unasked = "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {
          nodeToNodeMeshEnabled: false}}";
    let asked = "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {
          nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: 10.101.0.0/16}]}}";
    // Nobody asks for services: they are not even read, while what comes after them is on the wire already.
    let unread = |third: u8| {
        site.apply(&format!(
            "{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {NODE}-10-20-{third}-0-26}}, spec: {{
              state: confirmed, node: {NODE}, type: host, cidr: 10.20.{third}.0/26, deleted: false}}}}"
        ));
        site.tor().wait_route(&format!("10.20.{third}.0/26"));
        assert!(site.tor().paths("10.101.0.77/32").is_ok_and(|paths| paths.is_empty()), "nobody asked for services");
        let read = |report: &Value| count(report, "Service") + count(report, "EndpointSlice");
        site.await_report("has no services", |report| read(report) == 0);
    };
    unread(1);
    site.apply(asked);
    site.tor().wait_route("10.101.0.77/32");
    // Not any more, with nothing else changed.
    site.apply(unasked);
    site.tor().wait_no_route("10.101.0.77/32");
    unread(2);
    site.apply(asked);
    site.tor().wait_route("10.101.0.77/32");
    site.apply(&slice(false));
    site.tor().wait_no_route("10.101.0.77/32");
    site.apply(&slice(true));
    site.tor().wait_route("10.101.0.77/32");
    // The pod is deleted and still serves: the address goes to the other node already, and comes back where there is none.
    let leaving = endpoint(NODE, "ready: false, serving: true, terminating: true");
    site.apply(&slice_of(&format!("{leaving}, {}", endpoint("worker-2", "ready: true"))));
    site.tor().wait_no_route("10.101.0.77/32");
    site.apply(&slice_of(&leaving));
    site.tor().wait_route("10.101.0.77/32");
    site.delete("EndpointSlice", "front-1");
    site.tor().wait_no_route("10.101.0.77/32");
}

/// A service with addresses that lead into the cluster, inside of [`outer`] and outside.
fn door(policy: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: door, namespace: edge}}, spec: {{
          type: LoadBalancer, externalTrafficPolicy: {policy}, clusterIP: 10.101.0.78, clusterIPs: [10.101.0.78],
          externalIPs: [203.0.113.7, 192.0.2.7], ports: [{{port: 80}}]}}}}"
    )
}

/// The configuration that asks for such addresses.
fn outer(more: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {{name: default}}, spec: {{
          nodeToNodeMeshEnabled: false, serviceExternalIPs: [{{cidr: 203.0.113.0/24}}],
          serviceLoadBalancerIPs: [{{cidr: 198.51.100.0/24}}]{more}}}}}"
    )
}

/// Of [`door`], the external address that is asked for, and the one of the load balancer.
const EXTERNAL: &str = "203.0.113.7/32";
const BALANCED: &str = "198.51.100.7/32";

/// External and load balancer addresses of a service: those in the configured networks, which are on the wire themselves.
pub(crate) fn outer_addresses(cluster: &Cluster) {
    let site = Site::start("kubernetes::wire::outer_addresses", cluster);
    site.tor().wait_route(BLOCK);
    site.apply("{apiVersion: v1, kind: Namespace, metadata: {name: edge}}");
    let ingress = |addresses: &[&str]| {
        let ingress: Vec<_> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        let status = json!({"status": {"loadBalancer": {"ingress": ingress}}});
        let path = "/api/v1/namespaces/edge/services/door/status";
        cluster.admin().merge(path, &status).unwrap_or_else(|error| panic!("{error}"));
    };
    let slice = |ready: bool| {
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: door-1, namespace: edge,
              labels: {{kubernetes.io/service-name: door}}}}, ports: [{{port: 80}}],
              endpoints: [{{addresses: [10.20.0.5], nodeName: {NODE}, conditions: {{ready: {ready}}}}}]}}"
        )
    };
    site.apply(&door("Local"));
    site.apply(&slice(true));
    site.apply(&outer(""));
    for prefix in ["203.0.113.0/24", "198.51.100.0/24", EXTERNAL] {
        site.tor().wait_route(prefix);
    }
    // Its load balancer gives it an address only now, and another one that nobody asked for.
    ingress(&["198.51.100.7", "192.0.2.8"]);
    site.tor().wait_route(BALANCED);
    for elsewhere in ["192.0.2.7/32", "192.0.2.8/32", "10.101.0.78/32"] {
        site.tor().wait_no_route(elsewhere);
    }
    site.apply(&slice(false));
    site.tor().wait_no_route(EXTERNAL);
    site.tor().wait_no_route(BALANCED);
    site.apply(&slice(true));
    site.tor().wait_route(BALANCED);
    ingress(&[]);
    site.tor().wait_no_route(BALANCED);
    for prefix in ["203.0.113.0/24", "198.51.100.0/24", EXTERNAL] {
        site.tor().wait_route(prefix);
    }
    // Whichever node it enters by: its network stands for it, unless there is to be no network.
    ingress(&["198.51.100.7"]);
    site.apply(&door("Cluster"));
    site.tor().wait_no_route(EXTERNAL);
    site.tor().wait_route("198.51.100.0/24");
    site.apply(&outer(", serviceLoadBalancerAggregation: Disabled"));
    site.tor().wait_route(BALANCED);
    site.tor().wait_no_route("198.51.100.0/24");
    excluded(&site);
}

/// Whoever balances the load is told to leave this node out: it advertises no service, and what is its own as before.
fn excluded(site: &Site) {
    let node = |labels: &str| {
        format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: {NODE}, labels: {{rack: a{labels}}}, annotations: {{
              projectcalico.org/IPv4Address: 10.0.0.1/24, projectcalico.org/ASNumber: '65001'}}}}}}"
        )
    };
    let label = ", node.kubernetes.io/exclude-from-external-load-balancers";
    let advertised = ["203.0.113.0/24", EXTERNAL, BALANCED, "10.101.0.0/16", "10.101.0.78/32"];
    site.apply(&door("Local"));
    site.apply(&outer(", serviceLoadBalancerAggregation: Disabled, serviceClusterIPs: [{cidr: 10.101.0.0/16}]"));
    let labelled = ["", ": 'true'", ": 'false'", ": 'true'", ""];
    for (value, is_advertised) in labelled.into_iter().zip([true, false].into_iter().cycle()) {
        site.apply(&node(&if value.is_empty() { String::new() } else { format!("{label}{value}") }));
        for prefix in advertised {
            if is_advertised {
                site.tor().wait_route(prefix);
            } else {
                site.tor().wait_no_route(prefix);
            }
        }
        site.tor().wait_route(BLOCK);
    }
}

/// A service of both families: each address goes over the session of its family, and a ready endpoint of either family here is enough for
/// both, as in Calico.
pub(crate) fn services_of_both_families(cluster: &Cluster) {
    let site = Site::start("kubernetes::wire::services_of_both_families", cluster);
    site.add_ipv6_of_tor();
    site.apply(
        "{apiVersion: v1, kind: Node, metadata: {name: worker-1, labels: {rack: a}, annotations: {
          projectcalico.org/IPv4Address: 10.0.0.1/24, projectcalico.org/IPv6Address: 'fd00::1/64',
          projectcalico.org/ASNumber: '65001'}}}",
    );
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor6}, spec: {peerIP: 'fd00::2', asNumber: 65002}}",
    );
    site.tor().wait_established("fd00::1");
    site.tor().wait_route(BLOCK);
    site.apply("{apiVersion: v1, kind: Namespace, metadata: {name: dual}}");
    site.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: front, namespace: dual}, spec: {
          type: LoadBalancer, externalTrafficPolicy: Local, ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4],
          clusterIP: 'fd00:96::79', clusterIPs: ['fd00:96::79', 10.101.0.79],
          externalIPs: [203.0.113.9, '2001:db8:113::9', '2001:db8:bad::9'], ports: [{port: 80}]}}",
    );
    let ingress = json!({"status": {"loadBalancer": {"ingress": [{"ip": "2001:db8:51::9"}, {"ip": "198.51.100.9"}]}}});
    let path = "/api/v1/namespaces/dual/services/front/status";
    cluster.admin().merge(path, &ingress).unwrap_or_else(|error| panic!("{error}"));
    let slice = |family: &str, endpoints: &str| {
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: {family}, ports: [{{port: 80}}],
              metadata: {{name: front-{}, namespace: dual, labels: {{kubernetes.io/service-name: front}}}},
              endpoints: [{endpoints}]}}",
            family.to_lowercase()
        )
    };
    let v6 = |node: &str, conditions: &str| {
        format!("{{addresses: ['fd00:20::5'], nodeName: {node}, conditions: {{{conditions}}}}}")
    };
    site.apply(&slice("IPv4", "{addresses: [10.20.0.5], nodeName: worker-2, conditions: {ready: true}}"));
    site.apply(&slice("IPv6", &v6(NODE, "ready: true")));
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {
          nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: 10.101.0.0/16}, {cidr: 'fd00:96::/112'}],
          serviceExternalIPs: [{cidr: 203.0.113.0/24}, {cidr: '2001:db8:113::/64'}],
          serviceLoadBalancerIPs: [{cidr: 198.51.100.0/24}, {cidr: '2001:db8:51::/64'}]}}",
    );
    let ranges = [
        "10.101.0.0/16",
        "203.0.113.0/24",
        "198.51.100.0/24",
        "fd00:96::/112",
        "2001:db8:113::/64",
        "2001:db8:51::/64",
    ];
    let addresses = [
        "10.101.0.79/32",
        "203.0.113.9/32",
        "198.51.100.9/32",
        "fd00:96::79/128",
        "2001:db8:113::9/128",
        "2001:db8:51::9/128",
    ];
    let advertised = || {
        for prefix in ranges.into_iter().chain(addresses) {
            site.tor().wait_route(prefix);
        }
    };
    let withdrawn = || {
        for prefix in addresses {
            site.tor().wait_no_route(prefix);
        }
        for prefix in ranges {
            site.tor().wait_route(prefix);
        }
    };
    advertised();
    site.tor().wait_no_route("2001:db8:bad::9/128");
    assert_eq!(site.tor().wait_route("fd00:96::79/128").attributes.as_path, "65001");
    site.apply(&slice("IPv6", &v6(NODE, "ready: false")));
    withdrawn();
    site.apply(&slice("IPv6", &v6(NODE, "ready: true")));
    advertised();
    // Its pod is deleted and still serves; others of either family do, too.
    site.apply(&slice("IPv6", &v6(NODE, "ready: false, serving: true, terminating: true")));
    withdrawn();
    site.apply(&slice("IPv4", &format!("{{addresses: [10.20.0.5], nodeName: {NODE}, conditions: {{ready: true}}}}")));
    advertised();
    site.delete("EndpointSlice", "front-ipv4");
    site.delete("EndpointSlice", "front-ipv6");
    withdrawn();
}

/// `USE_POD_CIDR`: where another than Calico's IPAM gives addresses out, the node's `podCIDRs` are its blocks: advertised as a whole,
/// nothing in them one by one, and a black hole in the kernel.
pub(crate) fn pod_cidrs(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::wire::pod_cidrs", cluster);
    let cidrs = "spec: {podCIDR: 10.30.7.0/24, podCIDRs: [10.30.7.0/24, 'fd00:30:7::/64']}}";
    let objects = OBJECTS.replace(
        "projectcalico.org/ASNumber: '65001'}}}",
        &format!("projectcalico.org/ASNumber: '65001'}}}}, {cidrs}"),
    );
    assert_ne!(objects, OBJECTS);
    site.apply(&objects);
    site.apply("{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: hosts}, spec: {cidr: 10.30.0.0/16}}");
    // A pod of the node's own addresses, and one that brought its address along.
    let (own, borrowed) = ("10.30.7.5/32", "10.30.9.9/32");
    let host = site.host().netns();
    host.ip(&["link", "add", "cali0", "type", "veth", "peer", "name", "pod0"]);
    host.ip(&["link", "set", "pod0", "up"]);
    host.ip(&["link", "set", "cali0", "up"]);
    for address in [own, borrowed] {
        host.ip(&["route", "add", address, "dev", "cali0", "scope", "link"]);
    }
    let blackholes = |site: &Site| site.host().netns().run("ip", &["route", "show", "type", "blackhole"]);
    // Nobody asked for them: the pods are advertised one by one.
    site.run();
    for prefix in [BLOCK, own, borrowed] {
        site.tor().wait_route(prefix);
    }
    site.tor().wait_no_route("10.30.7.0/24");
    assert!(!blackholes(&site).contains("10.30.7.0/24"), "{}", blackholes(&site));
    site.restart_with(&[("USE_POD_CIDR", "true")]);
    assert_eq!(site.tor().wait_route("10.30.7.0/24").attributes.as_path, "65001");
    site.tor().wait_no_route(own);
    for prefix in [BLOCK, borrowed] {
        site.tor().wait_route(prefix);
    }
    wait_for("the kernel has the black hole", PATIENCE, || {
        let blackholes = blackholes(&site);
        ensure(blackholes.contains("10.30.7.0/24"), || blackholes)
    });
}

/// After the start of a machine the node's own block is on the wire at once, and addresses of services when the kernel has the routes to
/// the pods of all nodes, or the time of those that tell nothing is over. An uplink that is late takes nothing of that time. A restart
/// holds nothing back.
pub(crate) fn services_wait_for_routes(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::wire::services_wait_for_routes", cluster);
    let waits = "wait until the peers' first routes are in the kernel";
    let held = |report: &Value| report["warnings"].to_string().contains(waits);
    site.apply(OBJECTS);
    early_service(&site, "early");
    dead_peer(&site);
    site.tor().expect("disable node");
    let began = Instant::now();
    site.run();
    site.await_report("says what waits", held);
    wait_for("the time of initial tables would be over, had it begun at the start", PATIENCE, || {
        ensure(began.elapsed() > Duration::from_secs(12), || format!("{:?}", began.elapsed()))
    });
    site.await_report("still says what waits: nobody was there", held);
    site.tor().expect("enable node");
    // From the session on the dead peer is waited for, 10 s; both are looked at at once.
    let there = wait_for("the node's block is on the wire", PATIENCE, || {
        let there: Vec<String> = site.tor().routes(Family::Ipv4)?.into_iter().map(|route| route.prefix).collect();
        ensure(there.iter().any(|prefix| prefix == BLOCK), || format!("{there:?}"))?;
        Ok(there)
    });
    assert!(!EARLY.iter().any(|early| there.iter().any(|prefix| prefix == early)), "{there:?}: {}", site.log());
    for prefix in EARLY {
        site.tor().wait_route(prefix);
    }
    site.await_report("has nothing that waits", |report| !held(report));
    assert!(
        site.log().contains("the forwarding table is written: addresses of services are advertised"),
        "{}",
        site.log()
    );
    // The dead peer's table does not come this time either.
    restart_without_gap(&mut site);
    site.tor().wait_route(BLOCK);
}

/// A node of VXLAN pools has no route of ours in its kernel, and peers are told that it forwards as it did (F = 1): they keep
/// addresses of services at a restart, and nothing takes them away.
pub(crate) fn services_of_vxlan(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::wire::services_of_vxlan", cluster);
    let objects = OBJECTS.replace("spec: {cidr: 10.20.0.0/16}", "spec: {cidr: 10.20.0.0/16, vxlanMode: Always}");
    assert_ne!(objects, OBJECTS);
    site.apply(&objects);
    early_service(&site, "early-vxlan");
    site.run();
    for prefix in EARLY {
        site.tor().wait_route(prefix);
    }
    dead_peer(&site);
    site.await_report("has the dead peer", |report| report["peers"].to_string().contains("10.0.0.77"));
    let of_ours = site.host().netns().run("ip", &["route", "show", "table", "all", "proto", "158"]);
    assert_eq!(of_ours.trim(), "", "nothing of it says that the node forwards");
    restart_without_gap(&mut site);
}

/// The address of a service, and the range that it is in.
const EARLY: [&str; 2] = ["10.101.0.81/32", "10.101.0.0/16"];

/// A service with an endpoint on the node, in a namespace of the case's own: one that ends takes nothing new.
fn early_service(site: &Site, namespace: &str) {
    site.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}"));
    site.apply(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: front, namespace: {namespace}}}, spec: {{
          type: NodePort, externalTrafficPolicy: Local, clusterIP: 10.101.0.81, clusterIPs: [10.101.0.81],
          ports: [{{port: 80}}]}}}}"
    ));
    site.apply(&format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: front-1, namespace: {namespace},
          labels: {{kubernetes.io/service-name: front}}}}, ports: [{{port: 80}}],
          endpoints: [{{addresses: [10.20.0.5], nodeName: {NODE}, conditions: {{ready: true}}}}]}}"
    ));
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {
          nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: 10.101.0.0/16}]}}",
    );
}

/// Nobody is there: its table never comes.
fn dead_peer(site: &Site) {
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: dead}, spec: {peerIP: 10.0.0.77, asNumber: 65077}}",
    );
}

/// The second start does not hold back what the first one did.
fn restart_without_gap(site: &mut Site) {
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.restart();
    wait_for("the session is another one", PATIENCE, || {
        let missing = EARLY.map(|prefix| paths(site, prefix)).contains(&0);
        assert!(!missing, "addresses of services were gone during a restart: {}", site.log());
        let session = site.tor().session(ADDRESS)?;
        ensure(session.established && session.incarnation != before, || format!("{session:?}"))
    });
    for prefix in EARLY {
        site.tor().wait_route(prefix);
    }
    site.await_report("runs", |report| report["waiting_for"] == json!(null));
    let log = site.log();
    assert_eq!(log.matches("addresses of services wait until").count(), 1, "of two starts: {log}");
}

/// How many paths the peer has.
fn paths(site: &Site, prefix: &str) -> usize {
    site.tor().paths(prefix).unwrap_or_else(|error| panic!("{error}")).len()
}
