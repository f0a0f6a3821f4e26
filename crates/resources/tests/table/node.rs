//! `Node` and `CalicoNodeStatus`

use super::{Rule, invalid, passed_over};

pub(super) const RULES: &[Rule] = &[
    invalid(
        "Node",
        "spec.bgp.asNumber",
        "an AS number, `65000` or `\"1.10\"`, and not 0 (RFC 7607)",
        &[
            "spec: {bgp: {asNumber: 0}}",
            "spec: {bgp: {asNumber: 4294967296}}",
            "spec: {bgp: {asNumber: x}}",
            "spec: {bgp: {asNumber: 1.70000}}",
        ],
        &[
            "spec: {bgp: {asNumber: 4294967295}}",
            "spec: {bgp: {asNumber: \"65000\"}}",
            "spec: {bgp: {asNumber: \"1.10\"}}",
        ],
    ),
    invalid(
        "Node",
        "spec.bgp.ipv4Address",
        "an IPv4 address, with or without a prefix length",
        &["spec: {bgp: {ipv4Address: 10.0.0.1/33}}", "spec: {bgp: {ipv4Address: \"fd00::1/64\"}}"],
        &[
            "spec: {bgp: {ipv4Address: 10.0.0.1/16}}",
            "spec: {bgp: {ipv4Address: 10.0.0.1}}",
            "spec: {bgp: {ipv4Address: \"\"}}",
        ],
    ),
    invalid(
        "Node",
        "spec.bgp.ipv6Address",
        "an IPv6 address, with or without a prefix length",
        &["spec: {bgp: {ipv6Address: 10.0.0.1/16}}"],
        &["spec: {bgp: {ipv6Address: \"fd00::1/64\"}}"],
    ),
    invalid(
        "Node",
        "spec.bgp.ipv4IPIPTunnelAddr",
        "an IPv4 address",
        &["spec: {bgp: {ipv4IPIPTunnelAddr: 10.0.0.1/32}}"],
        &["spec: {bgp: {ipv4IPIPTunnelAddr: 10.0.0.1}}"],
    ),
    invalid(
        "Node",
        "spec.bgp.routeReflectorClusterID",
        "four numbers with points, as an IPv4 address",
        &["spec: {bgp: {routeReflectorClusterID: 1}}"],
        &["spec: {bgp: {routeReflectorClusterID: 244.0.0.1}}"],
    ),
    invalid(
        "Node",
        "spec.ipv4VXLANTunnelAddr",
        "an IPv4 address",
        &["spec: {ipv4VXLANTunnelAddr: x}"],
        &["spec: {ipv4VXLANTunnelAddr: 10.0.0.1}"],
    ),
    invalid(
        "Node",
        "spec.ipv6VXLANTunnelAddr",
        "an IPv6 address",
        &["spec: {ipv6VXLANTunnelAddr: 10.0.0.1}"],
        &["spec: {ipv6VXLANTunnelAddr: \"fd00::1\"}"],
    ),
    invalid(
        "Node",
        "spec.wireguard.interfaceIPv4Address",
        "an IPv4 address",
        &["spec: {wireguard: {interfaceIPv4Address: \"::1\"}}"],
        &["spec: {wireguard: {interfaceIPv4Address: 10.0.0.1}}"],
    ),
    invalid(
        "Node",
        "spec.wireguard.interfaceIPv6Address",
        "an IPv6 address",
        &["spec: {wireguard: {interfaceIPv6Address: 10.0.0.1}}"],
        &["spec: {wireguard: {interfaceIPv6Address: \"fd00::1\"}}"],
    ),
    invalid(
        "Node",
        "spec.addresses[].address",
        "an address, with or without a prefix length",
        &["spec: {addresses: [{address: x, type: InternalIP}]}", "spec: {addresses: [{type: InternalIP}]}"],
        &["spec: {addresses: [{address: 10.0.0.1/24}, {address: \"fd00::1\"}]}"],
    ),
    invalid("Node", "status.podCIDRs[]", "CIDRs", &["status: {podCIDRs: [x]}"], &["status: {podCIDRs: [10.0.0.0/24]}"]),
    passed_over(
        "Node (v1)",
        "metadata.annotations[projectcalico.org/IPv4Address]",
        "as the field; so are the other annotations of Calico: `IPv6Address`, `ASNumber`, `RouteReflectorClusterID`, the tunnel addresses, `labels`",
        &[
            "metadata: {name: a, annotations: {projectcalico.org/IPv4Address: x}}",
            "metadata: {name: a, annotations: {projectcalico.org/IPv4Address: \"fd00::1/64\"}}",
        ],
        &[
            "metadata: {name: a, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/16, projectcalico.org/ASNumber: \"65000\"}}",
        ],
    ),
    invalid(
        "CalicoNodeStatus",
        "spec.node",
        "there; a name",
        &["spec: {classes: [BGP], updatePeriodSeconds: 10}"],
        &["spec: {node: a, classes: [BGP], updatePeriodSeconds: 10}"],
    ),
    invalid("CalicoNodeStatus", "spec.classes", "there", &["spec: {node: a, updatePeriodSeconds: 10}"], &[]),
    invalid(
        "CalicoNodeStatus",
        "spec.classes[]",
        "`Agent`, `BGP` or `Routes`, each at most once",
        &[
            "spec: {node: a, classes: [All], updatePeriodSeconds: 10}",
            "spec: {node: a, classes: [BGP, BGP], updatePeriodSeconds: 10}",
        ],
        &["spec: {node: a, classes: [Routes, Agent, BGP], updatePeriodSeconds: 0}"],
    ),
    invalid(
        "CalicoNodeStatus",
        "spec.updatePeriodSeconds",
        "there; 0 to 86400",
        &["spec: {node: a, classes: []}", "spec: {node: a, classes: [], updatePeriodSeconds: 86401}"],
        &["spec: {node: a, classes: [], updatePeriodSeconds: 86400}"],
    ),
];
