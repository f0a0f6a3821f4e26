//! `Secret`, `Service`, `EndpointSlice`, `Pod`

use super::{Rule, invalid};

pub(super) const RULES: &[Rule] = &[
    invalid(
        "Secret",
        "data.a",
        "base64; the message does not show it",
        &["data: {a: hunter2}"],
        &["data: {a: aHVudGVyMg==}"],
    ),
    invalid(
        "Secret",
        "stringData.a",
        "text; the message does not show it",
        &["stringData: {a: [hunter2]}"],
        &["stringData: {a: hunter2}"],
    ),
    invalid(
        "Service",
        "spec.type",
        "`ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`",
        &["spec: {type: x}"],
        &["spec: {type: NodePort}"],
    ),
    invalid(
        "Service",
        "spec.clusterIP",
        "an address, or `None`; so is `clusterIPs`",
        &["spec: {clusterIP: x}"],
        &["spec: {clusterIP: None, clusterIPs: [None]}", "spec: {clusterIP: \"\"}"],
    ),
    invalid(
        "Service",
        "spec.externalIPs[]",
        "addresses",
        &["spec: {externalIPs: [10.0.0.1/32]}"],
        &["spec: {externalIPs: [10.0.0.1]}\nstatus: {loadBalancer: {ingress: [{ip: x}, {hostname: y}]}}"],
    ),
    invalid(
        "Service",
        "spec.loadBalancerIP",
        "an address",
        &["spec: {loadBalancerIP: x}"],
        &["spec: {loadBalancerIP: \"\"}"],
    ),
    invalid(
        "Service",
        "spec.externalTrafficPolicy",
        "`Cluster` or `Local`",
        &["spec: {externalTrafficPolicy: x}"],
        &["spec: {externalTrafficPolicy: Local}"],
    ),
    invalid(
        "Service",
        "spec.ipFamilies[]",
        "`IPv4` or `IPv6`",
        &["spec: {ipFamilies: [4]}"],
        &["spec: {ipFamilies: [IPv4, IPv6]}"],
    ),
    invalid(
        "EndpointSlice",
        "addressType",
        "there; `IPv4`, `IPv6` or `FQDN`",
        &["endpoints: []", "addressType: x"],
        &["addressType: IPv4"],
    ),
    invalid(
        "EndpointSlice",
        "endpoints[].addresses[]",
        "addresses; of `FQDN` slices none is read",
        &["addressType: IPv4\nendpoints: [{addresses: [x]}]"],
        &["addressType: FQDN\nendpoints: [{addresses: [x]}]"],
    ),
    invalid(
        "EndpointSlice",
        "endpoints[].conditions.ready",
        "`true` or `false`",
        &["addressType: IPv4\nendpoints: [{addresses: [], conditions: {ready: x}}]"],
        &["addressType: IPv4\nendpoints: [{addresses: [], conditions: {ready: null}}]"],
    ),
    invalid(
        "Pod",
        "spec.hostNetwork",
        "`true` or `false`",
        &["spec: {hostNetwork: x}"],
        &["spec: {hostNetwork: true}"],
    ),
];
