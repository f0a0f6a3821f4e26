//! Every field of every kind.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::bgp_configuration::*;
use crate::bgp_filter::*;
use crate::bgp_peer::*;
use crate::block_affinity::*;
use crate::calico_node_status::*;
use crate::endpoint_slice::*;
use crate::ip_pool::*;
use crate::ipam_block::*;
use crate::node::*;
use crate::pod::*;
use crate::secret::*;
use crate::service::*;
use crate::value::*;

fn calico(kind: &str, rest: &str) -> Object {
    object(&format!("apiVersion: projectcalico.org/v3\nkind: {kind}\n{rest}"))
}

fn core<R: Resource>(kind: &str, rest: &str) -> Arc<R> {
    let api = if kind == "EndpointSlice" { "discovery.k8s.io/v1" } else { "v1" };
    let object = object(&format!("apiVersion: {api}\nkind: {kind}\n{rest}"));
    R::of(&object).unwrap().clone()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn priority(number: u32) -> RoutePriority {
    number.try_into().unwrap()
}

#[test]
fn node_of_calico() {
    let object = calico(
        "Node",
        "
metadata: {name: a, labels: {rack: '1'}, creationTimestamp: null, generation: 3}
spec:
  bgp:
    asNumber: 65001
    ipv4Address: 10.0.0.1/16
    ipv6Address: fd00::1/64
    ipv4IPIPTunnelAddr: 192.168.0.1
    routeReflectorClusterID: 244.0.0.1
  ipv4VXLANTunnelAddr: 192.168.0.2
  vxlanTunnelMACAddr: 66:39:ea:00:00:01
  ipv6VXLANTunnelAddr: fd01::2
  vxlanTunnelMACAddrV6: 66:39:ea:00:00:02
  orchRefs: [{nodeName: a, orchestrator: k8s}]
  wireguard: {interfaceIPv4Address: 192.168.0.3, interfaceIPv6Address: 'fd01::3'}
  addresses: [{address: 10.0.0.1/16, type: CalicoNodeIP}, {address: 10.0.0.1}]
  interfaces: [{name: eth0, addresses: [10.0.0.1]}]
status: {wireguardPublicKey: x, podCIDRs: [10.1.0.0/24]}
",
    );
    let Object::Node(node) = object else { panic!("{object:?}") };
    let expected = NodeSpec {
        bgp: NodeBgp {
            as_number: Some(AsNumber(65001)),
            ipv4_address: Some("10.0.0.1/16".parse().unwrap()),
            ipv6_address: Some("fd00::1/64".parse().unwrap()),
            ipv4_ipip_tunnel_address: Some(Ipv4Addr::new(192, 168, 0, 1)),
            route_reflector_cluster_id: Some(Ipv4Addr::new(244, 0, 0, 1)),
        },
        ipv4_vxlan_tunnel_address: Some(Ipv4Addr::new(192, 168, 0, 2)),
        ipv6_vxlan_tunnel_address: Some("fd01::2".parse().unwrap()),
        wireguard_ipv4_address: Some(Ipv4Addr::new(192, 168, 0, 3)),
        wireguard_ipv6_address: Some("fd01::3".parse().unwrap()),
        addresses: vec![
            NodeAddress { address: "10.0.0.1/16".parse().unwrap(), kind: Some("CalicoNodeIP".into()) },
            NodeAddress { address: "10.0.0.1".parse().unwrap(), kind: None },
        ],
        pod_cidrs: vec![cidr("10.1.0.0/24")],
    };
    assert_eq!(node.spec, expected);
    assert_eq!(node.spec.bgp.address(Family::V6).unwrap().network(), cidr("fd00::/64"));
    assert_eq!(node.spec.wireguard_address(Family::V4), Some(ip("192.168.0.3")));
}

#[test]
fn node_of_kubernetes() {
    let node: Arc<Node> = core(
        "Node",
        r#"
metadata:
  name: a
  labels: {rack: '1', zone: z}
  annotations:
    projectcalico.org/IPv4Address: 10.0.0.1/16
    projectcalico.org/IPv6Address: fd00::1/64
    projectcalico.org/ASNumber: "1.10"
    projectcalico.org/RouteReflectorClusterID: 244.0.0.1
    projectcalico.org/IPv4IPIPTunnelAddr: 192.168.0.1
    projectcalico.org/IPv4VXLANTunnelAddr: 192.168.0.2
    projectcalico.org/IPv6VXLANTunnelAddr: fd01::2
    projectcalico.org/IPv4WireguardInterfaceAddr: 192.168.0.3
    projectcalico.org/IPv6WireguardInterfaceAddr: fd01::3
    projectcalico.org/labels: '{"rack":"2","row":"r"}'
    projectcalico.org/WireguardPublicKey: x
    other/IPv4Address: x
spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, 'fd02::/64'], taints: []}
status:
  addresses: [{type: Hostname, address: a}, {type: InternalIP, address: 10.0.0.1}, {type: ExternalIP, address: x}]
"#,
    );
    assert_eq!(node.metadata.labels, [("rack", "1"), ("row", "r"), ("zone", "z")].into_iter().collect());
    let bgp = &node.spec.bgp;
    assert_eq!(bgp.as_number, Some(AsNumber(65546)));
    assert_eq!(bgp.address(Family::V4).unwrap().to_string(), "10.0.0.1/16");
    assert_eq!(bgp.address(Family::V6).unwrap().to_string(), "fd00::1/64");
    assert_eq!(bgp.route_reflector_cluster_id, Some(Ipv4Addr::new(244, 0, 0, 1)));
    assert_eq!(bgp.ipv4_ipip_tunnel_address, Some(Ipv4Addr::new(192, 168, 0, 1)));
    assert_eq!(node.spec.ipv4_vxlan_tunnel_address, Some(Ipv4Addr::new(192, 168, 0, 2)));
    assert_eq!(node.spec.ipv6_vxlan_tunnel_address.unwrap().to_string(), "fd01::2");
    assert_eq!(node.spec.wireguard_address(Family::V4), Some(ip("192.168.0.3")));
    assert_eq!(node.spec.wireguard_address(Family::V6), Some(ip("fd01::3")));
    assert_eq!(node.spec.pod_cidrs, [cidr("10.1.0.0/24"), cidr("fd02::/64")]);
    let addresses: Vec<_> =
        node.spec.addresses.iter().map(|a| format!("{} {}", a.kind.as_deref().unwrap_or("-"), a.address)).collect();
    assert_eq!(addresses, ["CalicoNodeIP 10.0.0.1/16", "CalicoNodeIP fd00::1/64", "InternalIP 10.0.0.1/32"]);
    let bare: Arc<Node> = core("Node", "metadata: {name: a}\nspec: {podCIDR: 10.1.0.0/24}");
    assert_eq!(bare.spec.pod_cidrs, [cidr("10.1.0.0/24")]);
    assert_eq!(bare.spec.bgp, NodeBgp::default());
}

#[test]
fn bgp_configuration() {
    let object = calico(
        "BGPConfiguration",
        "
metadata: {name: default}
spec:
  logSeverityScreen: debug
  nodeToNodeMeshEnabled: true
  asNumber: '64513'
  serviceLoadBalancerIPs: [{cidr: 10.2.0.0/16}]
  serviceExternalIPs: [{cidr: 10.3.0.1/32}, {}]
  serviceClusterIPs: [{cidr: 'fd03::/112'}]
  serviceLoadBalancerAggregation: Disabled
  communities: [{name: blue, value: '65000:1:2'}, {name: red, value: 65000:3}]
  prefixAdvertisements: [{cidr: 10.4.0.0/24, communities: [red, blue, '65000:3', 65000:1]}]
  listenPort: 1790
  nodeMeshPassword: {secretKeyRef: {name: bgp, key: mesh}}
  nodeMeshMaxRestartTime: 1m30s
  bindMode: NodeIP
  ignoredInterfaces: [docker0, 'br-*']
  localWorkloadPeeringIPV4: 169.254.0.1
  localWorkloadPeeringIPV6: fe80::1
  programClusterRoutes: EnabledIPIPOnly
  ipv4NormalRoutePriority: 2000
  ipv6NormalRoutePriority: 3000
",
    );
    let Object::BgpConfiguration(configuration) = object else { panic!("{object:?}") };
    let large = Community::Large(65000, 1, 2);
    let expected = BgpConfigurationSpec {
        log_severity_screen: Some(LogSeverity::Debug),
        node_to_node_mesh: Some(NodeToNodeMesh::Enabled),
        as_number: Some(AsNumber(64513)),
        service_load_balancer_ips: vec![cidr("10.2.0.0/16")],
        service_external_ips: vec![cidr("10.3.0.1/32")],
        service_cluster_ips: vec![cidr("fd03::/112")],
        service_load_balancer_aggregation: Some(ServiceLoadBalancerAggregation::Disabled),
        communities: vec![
            NamedCommunity { name: "blue".into(), value: large },
            NamedCommunity { name: "red".into(), value: Community::Standard(65000, 3) },
        ],
        prefix_advertisements: vec![PrefixAdvertisement {
            cidr: cidr("10.4.0.0/24"),
            communities: vec![Community::Standard(65000, 1), Community::Standard(65000, 3), large],
        }],
        listen_port: 1790.try_into().ok(),
        node_mesh_password: Some(SecretKeyRef { name: "bgp".into(), key: "mesh".into() }),
        node_mesh_max_restart_time: Some(Duration::from_secs(90)),
        bind_mode: Some(BindMode::NodeIp),
        ignored_interfaces: vec!["docker0".parse().unwrap(), "br-*".parse().unwrap()],
        local_workload_peering_ipv4: Some(Ipv4Addr::new(169, 254, 0, 1)),
        local_workload_peering_ipv6: Some("fe80::1".parse().unwrap()),
        program_cluster_routes: Some(ProgramClusterRoutes::EnabledIpipOnly),
        ipv4_normal_route_priority: Some(priority(2000)),
        ipv6_normal_route_priority: Some(priority(3000)),
    };
    assert_eq!(configuration.spec, expected);
    assert_eq!(configuration.scope, ConfigurationScope::Global);
    assert_eq!(configuration.spec.normal_route_priority(Family::V6), priority(3000));
    assert_eq!(configuration.spec.community("blue"), Some(large));
    let Object::BgpConfiguration(bare) = calico("BGPConfiguration", "metadata: {name: node.a.b}") else { panic!() };
    assert_eq!(bare.scope, ConfigurationScope::Node("a.b".into()));
    assert_eq!(bare.spec, BgpConfigurationSpec::default());
    assert_eq!(bare.spec.normal_route_priority(Family::V4), RoutePriority::NORMAL);
}

fn peer(spec: &str) -> BgpPeerSpec {
    match calico("BGPPeer", &format!("metadata: {{name: a}}\nspec: {spec}")) {
        Object::BgpPeer(peer) => peer.spec.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bgp_peer() {
    let read = peer(
        "
  node: a
  peerIP: '[fd00::9]:1790'
  asNumber: 65001
  localASNumber: 65002
  nextHopMode: Self
  password: {secretKeyRef: {name: bgp, key: tor}}
  sourceAddress: None
  maxRestartTime: 10s
  keepaliveTime: 1m
  numAllowedLocalASNumbers: 2
  ttlSecurity: 1
  reachableBy: fd00::1
  filters: [b, a]
  reversePeering: Manual
",
    );
    let expected = BgpPeerSpec {
        nodes: PeeringNodes::Node("a".into()),
        peers: PeeringPeers::Address {
            peer: PeerAddress { address: ip("fd00::9"), port: 1790.try_into().ok() },
            reachable_by: Some(ip("fd00::1")),
        },
        as_number: Some(AsNumber(65001)),
        local_as_number: Some(AsNumber(65002)),
        next_hop: NextHop::OwnAddress,
        password: Some(SecretKeyRef { name: "bgp".into(), key: "tor".into() }),
        source_address: SourceAddress::None,
        max_restart_time: Some(Duration::from_secs(10)),
        keepalive_time: Some(Duration::from_secs(60)),
        num_allowed_local_as_numbers: 2,
        ttl_security: 1.try_into().ok(),
        filters: vec!["b".into(), "a".into()],
        reverse_peering: ReversePeering::Manual,
    };
    assert_eq!(read, expected);
}

#[test]
fn whom_a_bgp_peer_is_for() {
    let bare = peer("{}");
    assert_eq!((&bare.nodes, &bare.peers), (&PeeringNodes::All, &PeeringPeers::Nobody));
    assert_eq!((bare.next_hop, bare.source_address), (NextHop::Auto, SourceAddress::UseNodeIp));
    assert_eq!((bare.reverse_peering, bare.ttl_security, bare.as_number), (ReversePeering::Auto, None, None));
    let selector = |text: &str| text.parse::<Selector>().unwrap();
    let read = peer("{nodeSelector: has(a), peerSelector: \"b == 'c'\", asNumber: 0, node: null}");
    assert_eq!(read.nodes, PeeringNodes::Selector(selector("has(a)")));
    assert_eq!(read.peers, PeeringPeers::Nodes(selector("b == \"c\"")));
    let read = peer("{localWorkloadSelector: has(a), asNumber: 1, keepOriginalNextHop: true, ttlSecurity: 0}");
    assert_eq!(read.peers, PeeringPeers::LocalWorkloads(selector("has(a)")));
    assert_eq!((read.next_hop, read.ttl_security), (NextHop::KeepExternal, None));
    assert_eq!(peer("{nextHopMode: Keep, keepOriginalNextHop: false}").next_hop, NextHop::Keep);
}

#[test]
fn bgp_filter() {
    let object = calico(
        "BGPFilter",
        "
metadata: {name: a}
spec:
  exportV4:
  - cidr: 10.0.0.0/8
    matchOperator: In
    prefixLength: {min: 16, max: 24}
    source: RemotePeers
    interface: eth*
    peerType: eBGP
    communities: {values: ['65000:1']}
    asPathPrefix: [65000, '1.1']
    priority: 512
    action: Accept
    operations:
    - addCommunity: {value: '1:2:3'}
    - prependASPath: {prefix: [65000, 65001]}
    - setPriority: {value: 7}
  importV4: [{action: Reject}]
  exportV6: [{cidr: 'fd00::/8', matchOperator: NotEqual, action: Reject, peerType: iBGP}]
  importV6: []
",
    );
    let Object::BgpFilter(filter) = object else { panic!("{object:?}") };
    let plain = BgpFilterRule {
        prefix: None,
        source: None,
        interface: None,
        peer_type: None,
        community: None,
        as_path_prefix: Vec::new(),
        priority: None,
        action: FilterAction::Reject,
        operations: Vec::new(),
    };
    let full = BgpFilterRule {
        prefix: Some(PrefixMatch {
            cidr: cidr("10.0.0.0/8"),
            operator: MatchOperator::In,
            length: Some(PrefixLength { min: Some(16), max: Some(24) }),
        }),
        source: Some(RouteSource::RemotePeers),
        interface: Some("eth*".parse().unwrap()),
        peer_type: Some(PeerType::Ebgp),
        community: Some(Community::Standard(65000, 1)),
        as_path_prefix: vec![AsNumber(65000), AsNumber(65537)],
        priority: Some(priority(512)),
        action: FilterAction::Accept,
        operations: vec![
            FilterOperation::AddCommunity(Community::Large(1, 2, 3)),
            FilterOperation::PrependAsPath(vec![AsNumber(65000), AsNumber(65001)]),
            FilterOperation::SetPriority(priority(7)),
        ],
    };
    let v6 = BgpFilterRule {
        prefix: Some(PrefixMatch { cidr: cidr("fd00::/8"), operator: MatchOperator::NotEqual, length: None }),
        peer_type: Some(PeerType::Ibgp),
        ..plain.clone()
    };
    assert_eq!(filter.spec.export(Family::V4), [full]);
    assert_eq!(filter.spec.import(Family::V4), [plain]);
    assert_eq!(filter.spec.export(Family::V6), [v6]);
    assert_eq!(filter.spec.import(Family::V6), []);
}

#[test]
fn ip_pool() {
    let read = |spec: &str| match calico("IPPool", &format!("metadata: {{name: a}}\nspec: {spec}")) {
        Object::IpPool(pool) => pool.spec.clone(),
        other => panic!("{other:?}"),
    };
    let full = read(
        "
  cidr: 10.0.0.0/16
  vxlanMode: Never
  ipipMode: CrossSubnet
  natOutgoing: true
  disabled: true
  disableBGPExport: true
  blockSize: 28
  nodeSelector: has(a)
  namespaceSelector: has(b)
  allowedUses: [Workload]
  assignmentMode: Manual
",
    );
    let expected = IpPoolSpec {
        cidr: cidr("10.0.0.0/16"),
        ipip_mode: EncapsulationMode::CrossSubnet,
        vxlan_mode: EncapsulationMode::Never,
        nat_outgoing: NatOutgoing::Enabled,
        allocation: PoolAllocation::Disabled,
        bgp_export: BgpExport::Disabled,
        block_size: 28,
        node_selector: "has(a)".parse().unwrap(),
        namespace_selector: "has(b)".parse().ok(),
        allowed_uses: AllowedUses::Workload,
        assignment_mode: AssignmentMode::Manual,
    };
    assert_eq!(full, expected);
    let bare = read("{cidr: 'fd00::/64'}");
    assert_eq!((bare.block_size, bare.allowed_uses), (122, AllowedUses::WorkloadAndTunnel));
    assert_eq!((bare.allocation, bare.bgp_export), (PoolAllocation::Enabled, BgpExport::Enabled));
    assert_eq!((bare.node_selector, bare.namespace_selector), (Selector::all(), None));
    assert_eq!(read("{cidr: 10.0.0.0/16}").block_size, 26);
}

#[test]
fn block_affinity() {
    let read = |api: &str, spec: &str| {
        let text = format!("apiVersion: {api}\nkind: BlockAffinity\nmetadata: {{name: a}}\nspec: {spec}");
        match object(&text) {
            Object::BlockAffinity(affinity) => affinity.spec.clone(),
            other => panic!("{other:?}"),
        }
    };
    let (v1, v3) = ("crd.projectcalico.org/v1", "projectcalico.org/v3");
    let full = read(v1, "{state: pending, node: n, type: virtual, cidr: 10.0.0.0/26, deleted: \"false\"}");
    let expected = BlockAffinitySpec {
        state: AffinityState::Pending,
        node: "n".into(),
        owner: AffinityOwner::Virtual,
        cidr: cidr("10.0.0.0/26"),
    };
    assert_eq!(full, expected);
    let state = |api, rest: &str| read(api, &format!("{{node: n, cidr: 10.0.0.0/26, {rest}}}")).state;
    assert_eq!(state(v3, "state: ''"), AffinityState::Confirmed);
    assert_eq!(state(v3, "state: confirmed"), AffinityState::Confirmed);
    assert_eq!(state(v3, "state: pendingDeletion, deleted: false"), AffinityState::PendingDeletion);
    assert_eq!(state(v3, "state: confirmed, deleted: true"), AffinityState::Deleted);
    assert_eq!(state(v1, "state: confirmed, deleted: \"true\""), AffinityState::Deleted);
}

#[test]
fn ipam_block() {
    let object = calico(
        "IPAMBlock",
        "
metadata: {name: 10-0-0-0-30}
spec:
  cidr: 10.0.0.0/30
  affinity: host:n
  affinityClaimTime: 2026-01-01T00:00:00Z
  allocations: [null, 1, null, 0]
  unallocated: [0, 2]
  attributes:
  - {handle_id: h, secondary: {node: m, namespace: d, pod: p, timestamp: x}, releasedAt: 2026-01-02T00:00:00Z}
  - {handle_id: i, secondary: {node: n, type: ipipTunnelAddress}, alternateOwnerAttrs: {}}
  sequenceNumber: 7
  sequenceNumberForAllocation: {'1': 5}
  deleted: false
  strictAffinity: false
",
    );
    let Object::IpamBlock(block) = object else { panic!("{object:?}") };
    assert_eq!(block.spec.affinity, Some(BlockOwner { kind: AffinityOwner::Host, name: "n".into() }));
    assert_eq!((block.spec.cidr, block.spec.state), (cidr("10.0.0.0/30"), BlockState::Present));
    let tunnel = Allocation {
        address: ip("10.0.0.1"),
        node: Some("n".into()),
        namespace: None,
        pod: None,
        kind: Some("ipipTunnelAddress".into()),
        released_at: None,
    };
    let pod = Allocation {
        address: ip("10.0.0.3"),
        node: Some("m".into()),
        namespace: Some("d".into()),
        pod: Some("p".into()),
        kind: None,
        released_at: "2026-01-02T00:00:00Z".parse().ok(),
    };
    assert_eq!(*block.spec.allocations, [tunnel, pod]);
}

#[test]
fn node_status() {
    let text =
        "metadata: {name: a}\nspec: {node: n, classes: [Routes, Agent], updatePeriodSeconds: 10}\nstatus: {x: y}";
    let Object::CalicoNodeStatus(status) = calico("CalicoNodeStatus", text) else { panic!() };
    let expected = CalicoNodeStatusSpec {
        node: "n".into(),
        classes: vec![NodeStatusClass::Agent, NodeStatusClass::Routes],
        update_period: Some(Duration::from_secs(10)),
    };
    assert_eq!(status.spec, expected);
    let text = "metadata: {name: a}\nspec: {node: n, classes: [BGP], updatePeriodSeconds: 0}";
    let Object::CalicoNodeStatus(status) = calico("CalicoNodeStatus", text) else { panic!() };
    assert_eq!(status.spec.update_period, None);
}

#[test]
fn secret() {
    let secret: Arc<Secret> = core(
        "Secret",
        "metadata: {name: a, namespace: kube-system}\ndata: {a: aHVudGVyMg==, b: 'eA=='}\nstringData: {b: y, c: 12, d: ''}\n",
    );
    let values: Vec<_> = secret.data.iter().map(|(key, value)| (&**key, value.reveal())).collect();
    assert_eq!(values, [("a", &b"hunter2"[..]), ("b", b"y"), ("c", b"12"), ("d", b"")]);
    assert!(!format!("{secret:?}").contains("hunter2"));
    assert_eq!(secret.password("a").map(SecretValue::reveal), Ok(&b"hunter2"[..]));
    assert_eq!(secret.password("d"), Err(PasswordError::Empty));
    assert_eq!(secret.password("e"), Err(PasswordError::NoKey));
    let long = |n: usize| Secret { data: [("a".into(), SecretValue::new(vec![b'x'; n]))].into(), ..Secret::default() };
    assert!(long(MAX_PASSWORD_LENGTH).password("a").is_ok());
    assert_eq!(long(MAX_PASSWORD_LENGTH + 1).password("a"), Err(PasswordError::TooLong));
    assert_eq!(secret.metadata.namespace.as_deref(), Some("kube-system"));
}

#[test]
fn service() {
    let read = |rest: &str| core::<Service>("Service", &format!("metadata: {{name: a}}\n{rest}"));
    let full = read(
        "
spec:
  type: LoadBalancer
  clusterIP: 10.1.0.1
  clusterIPs: [10.1.0.1, 'fd00::1']
  externalIPs: [10.2.0.1]
  loadBalancerIP: 10.3.0.1
  externalTrafficPolicy: Local
  ipFamilies: [IPv6, IPv4]
  ports: [{port: 80}]
status: {loadBalancer: {ingress: [{ip: 10.3.0.1}, {hostname: a}, {ip: 10.3.0.2/32}]}}
",
    );
    let expected = ServiceSpec {
        kind: ServiceType::LoadBalancer,
        cluster_ip: ClusterIp::Address(ip("10.1.0.1")),
        cluster_ips: vec![ip("10.1.0.1"), ip("fd00::1")],
        external_ips: vec![ip("10.2.0.1")],
        load_balancer_ip: Some(ip("10.3.0.1")),
        external_traffic_policy: Some(ExternalTrafficPolicy::Local),
        ip_families: vec![Family::V6, Family::V4],
    };
    assert_eq!(full.spec, expected);
    assert_eq!(full.load_balancer_ingress, [ip("10.3.0.1")]);
    // What the API server would fill in.
    let single = read("spec: {clusterIP: 'fd00::1'}");
    assert_eq!(single.spec.kind, ServiceType::ClusterIp);
    assert_eq!((&single.spec.cluster_ips, &single.spec.ip_families), (&vec![ip("fd00::1")], &vec![Family::V6]));
    assert_eq!(single.spec.external_traffic_policy, None);
    let headless = read("spec: {clusterIP: None, clusterIPs: [None]}");
    assert_eq!((headless.spec.cluster_ip, headless.spec.cluster_ips.len()), (ClusterIp::Headless, 0));
    let policy = |spec: &str| read(&format!("spec: {spec}")).spec.external_traffic_policy;
    assert_eq!(policy("{type: NodePort}"), Some(ExternalTrafficPolicy::Cluster));
    assert_eq!(policy("{externalIPs: [10.0.0.1]}"), Some(ExternalTrafficPolicy::Cluster));
    assert_eq!(policy("{type: ExternalName}"), None);
}

#[test]
fn endpoint_slice() {
    let slice: Arc<EndpointSlice> = core(
        "EndpointSlice",
        "
metadata: {name: a-x, namespace: n, labels: {kubernetes.io/service-name: a}}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], nodeName: a, conditions: {ready: true, serving: true}}
- {addresses: [10.0.0.2], nodeName: a, conditions: {ready: false}}
- {addresses: [10.0.0.3], conditions: {}}
- {addresses: [10.0.0.4], conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.0.0.5], conditions: {ready: true, terminating: true}}
- {addresses: [10.0.0.6], conditions: {ready: false, serving: false, terminating: true}}
- {addresses: [10.0.0.7], conditions: {ready: true, serving: true, terminating: false}}
- {addresses: [10.0.0.8], conditions: {ready: true, serving: false, terminating: true}}
ports: [{port: 80}]
",
    );
    assert_eq!(slice.service_name(), Some("a"));
    let endpoints: Vec<_> = slice.endpoints.iter().map(|e| (e.node_name.as_deref(), e.readiness)).collect();
    use Readiness::{Draining, NotReady, Ready};
    let expected = [(Some("a"), Ready), (Some("a"), NotReady), (None, Ready)];
    assert_eq!(endpoints.get(..3), Some(expected.as_slice()));
    let rest: Vec<Readiness> = endpoints.iter().skip(3).map(|(_, readiness)| *readiness).collect();
    assert_eq!(rest, [Draining, Draining, NotReady, Ready, NotReady]);
    assert_eq!(*slice.endpoints[0].addresses, [ip("10.0.0.1")]);
}

#[test]
fn pod() {
    let read = |rest: &str| core::<Pod>("Pod", &format!("metadata: {{name: a, labels: {{x: y}}, {rest}"));
    let running = read(
        "}\nspec: {nodeName: n}\nstatus: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}",
    );
    assert_eq!(running.addresses, [ip("10.0.0.1"), ip("fd00::1")]);
    assert_eq!((running.node_name.as_deref(), running.phase), (Some("n"), PodPhase::Running));
    assert!(!running.is_finished());
    assert_eq!(read("}\nspec: {}\nstatus: {podIP: 10.0.0.1}").addresses, [ip("10.0.0.1")]);
    let annotated = read("annotations: {cni.projectcalico.org/podIPs: '10.0.0.1/32,fd00::1/128'}}\nspec: {}");
    assert_eq!(annotated.addresses, [ip("10.0.0.1"), ip("fd00::1")]);
    assert!(read("}\nspec: {}\nstatus: {phase: Failed}").is_finished());
    let leaving = "deletionTimestamp: 2026-01-01T00:00:00Z, annotations: {cni.projectcalico.org/podIP: ";
    assert!(read(&format!("{leaving}''}}}}\nspec: {{}}")).is_finished());
    assert!(!read(&format!("{leaving}10.0.0.1}}}}\nspec: {{}}")).is_finished());
}
