//! Fields of a `BGPConfiguration` that change what a node puts into its kernel, where it listens, and how it meets the other nodes of the
//! mesh: seen in the kernel, and by the BIRD at the other end.

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::filters::{UNSAID, await_learned};
use crate::site::{ADDRESS, BLOCK, OBJECTS, Site};
use crate::stores::Store;

/// The cluster's configuration with further fields.
fn configuration(mesh: &str, more: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {{name: default}}, spec: {{
           nodeToNodeMeshEnabled: {mesh}{more}}}}}"
    )
}

/// `programClusterRoutes`: routes into which pools are the node's in its kernel. Those that lead elsewhere always are, and no session is
/// reset for it.
pub(crate) fn cluster_routes(store: &dyn Store) {
    let mut site = Site::prepare("kubernetes::configuration::cluster_routes", store);
    let (plain, tunnelled, elsewhere) =
        (("10.20.200.0/24", UNSAID), ("10.40.1.0/24", UNSAID), ("192.0.2.0/24", UNSAID));
    let routes = [plain, tunnelled, elsewhere].map(|(prefix, _)| format!("route {prefix} blackhole; ")).concat();
    site.make_tor_advertise(65002, &routes, "accept;");
    // Whether it wraps packets is the business of others: the kernel takes a route over any interface of this name.
    let host = site.host().netns();
    host.ip(&["link", "add", "tunl0", "type", "veth", "peer", "name", "far"]);
    host.ip(&["link", "set", "far", "up"]);
    host.ip(&["link", "set", "tunl0", "up"]);
    site.apply(OBJECTS);
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: tunnelled}, spec: {cidr: 10.40.0.0/16, ipipMode: Always}}",
    );
    site.run();
    let before = site.tor().wait_established(ADDRESS).incarnation;
    await_learned(&site, "unless it is said", &[plain, elsewhere]);
    let values: [(&str, &[_]); 6] = [
        ("Disabled", &[elsewhere]),
        ("EnabledNoEncapOnly", &[plain, elsewhere]),
        ("EnabledIPIPOnly", &[tunnelled, elsewhere]),
        ("Enabled", &[plain, tunnelled, elsewhere]),
        ("Disabled", &[elsewhere]),
        ("EnabledIPIPOnly", &[tunnelled, elsewhere]),
    ];
    for (value, wanted) in values {
        site.apply(&configuration("false", &format!(", programClusterRoutes: {value}")));
        await_learned(&site, value, wanted);
    }
    let tunnel = site.host().netns().run("ip", &["-4", "route", "show", "dev", "tunl0"]);
    assert!(tunnel.starts_with("10.40.1.0/24 via 10.0.0.2 proto 158") && tunnel.contains("onlink"), "{tunnel}");
    site.apply(&configuration("false", ""));
    await_learned(&site, "not said any more", &[plain, elsewhere]);
    site.tor().wait_route(BLOCK);
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
}

/// Where the node listens for BGP, as the kernel has it: sorted, without what listens on the loopback interface.
fn listeners(site: &Site) -> Vec<String> {
    let sockets = site.host().netns().run("ss", &["-Hltn"]);
    let local = sockets.lines().filter_map(|line| line.split_whitespace().nth(3));
    let mut all: Vec<String> = local.filter(|address| !address.starts_with("127.")).map(str::to_owned).collect();
    all.sort();
    all
}

#[track_caller]
fn await_listeners(site: &Site, wanted: &[&str]) {
    wait_for("the kernel's listening sockets", PATIENCE, || {
        let found = listeners(site);
        ensure(found == wanted, || format!("{found:?}"))
    });
}

/// `listenPort` and `bindMode`: where the kernel listens, and a session that can come in nowhere else, since the other end listens where
/// nobody looks for it.
pub(crate) fn listening(store: &dyn Store) {
    let site = Site::start("kubernetes::configuration::listening", store);
    site.tor().wait_established(ADDRESS);
    await_listeners(&site, &["0.0.0.0:179"]);
    let bird = |port: &str| {
        format!(
            "protocol bgp node {{ local 10.0.0.2 port 1799 as 65002; neighbor 10.0.0.1 port {port} as 65001; multihop; \
             connect delay time 1; connect retry time 2; error wait time 1, 2; \
             ipv4 {{ import all; export none; }}; }}"
        )
    };
    site.configure_tor(&bird("1790"));
    site.tor().wait_down(ADDRESS);
    site.apply(&configuration("false", ", listenPort: 1790"));
    await_listeners(&site, &["0.0.0.0:1790"]);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    let sockets = site.host().netns().run("ss", &["-Htn", "state", "established", "sport = :1790"]);
    assert!(sockets.contains("10.0.0.1:1790") && sockets.contains("10.0.0.2:"), "{sockets}");
    // A session that stands does not care where others would come in.
    site.apply(&configuration("false", ", listenPort: 1790, bindMode: NodeIP"));
    await_listeners(&site, &["10.0.0.1:1790"]);
    site.tor().wait_route(BLOCK);
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
    site.tor().expect("disable node");
    site.tor().wait_down(ADDRESS);
    site.tor().expect("enable node");
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
    site.apply(&configuration("false", ", bindMode: NodeIP"));
    await_listeners(&site, &["10.0.0.1:179"]);
    site.configure_tor(&bird("179"));
    site.tor().wait_down(ADDRESS);
    site.tor().wait_established(ADDRESS);
    site.apply(&configuration("false", ", bindMode: None"));
    await_listeners(&site, &["0.0.0.0:179"]);
}

/// The peer as a node of the cluster, in the mesh with this one.
fn mesh(site: &Site) {
    site.apply(
        "{apiVersion: v1, kind: Node, metadata: {name: worker-2, annotations: {
          projectcalico.org/IPv4Address: 10.0.0.2/24, projectcalico.org/ASNumber: '65001'}}}",
    );
    site.delete("BGPPeer", "tor");
    site.apply(&configuration("true", ""));
}

/// The BIRD of that node, with further lines.
fn bird(more: &str) -> String {
    format!(
        "protocol bgp node {{ local 10.0.0.2 as 65001; neighbor 10.0.0.1 as 65001; multihop; {more} \
         connect delay time 1; connect retry time 2; error wait time 1, 2; \
         ipv4 {{ import all; export none; }}; }}"
    )
}

/// `nodeMeshPassword`: no session of the mesh stands without the password of the Secret, and each has it.
pub(crate) fn mesh_password(cluster: &Cluster) {
    let site = Site::start("kubernetes::configuration::mesh_password", cluster);
    site.tor().wait_established(ADDRESS);
    let secret = |password: &str| {
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: bgp-passwords, namespace: kube-system}}, \
             stringData: {{mesh: {password}}}}}"
        )
    };
    site.configure_tor(&bird(""));
    mesh(&site);
    site.tor().wait_established(ADDRESS);
    // Without the Secret there is no session, rather than one without the password.
    let named = ", nodeMeshPassword: {secretKeyRef: {name: bgp-passwords, key: mesh}}";
    site.apply(&configuration("true", named));
    site.tor().wait_down(ADDRESS);
    site.await_report("misses the secret", |report| report["warnings"].to_string().contains("bgp-passwords"));
    site.apply(&secret("open-sesame"));
    site.await_report("has the session", |report| report["peers"].to_string().contains("10.0.0.2"));
    // The other end has no password, then a wrong one: the kernel drops what it sends.
    for wrong in ["", "password \"spun-yarn\";"] {
        site.configure_tor(&bird(wrong));
        let at_first = refused(&site);
        wait_for("segments that the kernel drops", PATIENCE, || {
            let now = refused(&site);
            ensure(now > at_first, || now.to_string())
        });
        let established = site.tor().session(ADDRESS).is_ok_and(|session| session.established);
        assert!(!established, "a session with {wrong:?}");
    }
    site.configure_tor(&bird("password \"open-sesame\";"));
    site.tor().wait_established(ADDRESS);
    assert_eq!(site.tor().wait_route(BLOCK).attributes.as_path, "");
    // Another password for the mesh, and none.
    site.apply(&secret("spun-yarn"));
    site.tor().wait_down(ADDRESS);
    site.configure_tor(&bird("password \"spun-yarn\";"));
    site.tor().wait_established(ADDRESS);
    site.apply(&configuration("true", ""));
    site.tor().wait_down(ADDRESS);
    site.configure_tor(&bird(""));
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
    let log = site.log();
    assert!(!log.contains("spun-yarn") && !log.contains("open-sesame"), "no password is in the log: {log}");
}

/// How many segments without the password, or with another, the node's kernel dropped.
fn refused(site: &Site) -> u64 {
    let counters = site.host().netns().run("cat", &["/proc/net/netstat"]);
    let mut lines = counters.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let of_md5 = names.split(' ').zip(values.split(' ')).filter(|(name, _)| name.starts_with("TCPMD5"));
    of_md5.filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}
