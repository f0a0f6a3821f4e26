//! `IPPool`, `BlockAffinity`, `IPAMBlock`

use super::{Rule, invalid};

pub(super) const RULES: &[Rule] = &[
    invalid(
        "IPPool",
        "spec.cidr",
        "there; a CIDR without bits beyond its length; not link-local (169.254.0.0/16, fe80::/10); not smaller than a block, unless `disabled`",
        &[
            "spec: {}",
            "spec: {cidr: 10.0.0.1/16}",
            "spec: {cidr: 169.254.0.0/24}",
            "spec: {cidr: 0.0.0.0/0}",
            "spec: {cidr: \"fe80::/16\"}",
            "spec: {cidr: 10.0.0.0/27}",
        ],
        &[
            "spec: {cidr: 10.0.0.0/26}",
            "spec: {cidr: 10.0.0.0/27, disabled: true}",
            "spec: {cidr: 10.0.0.0/27, blockSize: 27}",
            "spec: {cidr: \"fd00::/122\"}",
        ],
    ),
    invalid(
        "IPPool",
        "spec.blockSize",
        "20 to 32, of IPv6 pools 116 to 128; 0 is the default",
        &[
            "spec: {cidr: 10.0.0.0/8, blockSize: 19}",
            "spec: {cidr: 10.0.0.0/8, blockSize: 33}",
            "spec: {cidr: \"fd00::/64\", blockSize: 115}",
        ],
        &[
            "spec: {cidr: 10.0.0.0/8, blockSize: 20}",
            "spec: {cidr: \"fd00::/64\", blockSize: 128}",
            "spec: {cidr: 10.0.0.0/8, blockSize: 0}",
        ],
    ),
    invalid(
        "IPPool",
        "spec.ipipMode",
        "`Never`, `Always` or `CrossSubnet`; `Never` for IPv6 and for load balancers",
        &[
            "spec: {cidr: 10.0.0.0/16, ipipMode: always}",
            "spec: {cidr: \"fd00::/64\", ipipMode: Always}",
            "spec: {cidr: 10.0.0.0/16, ipipMode: Always, allowedUses: [LoadBalancer]}",
        ],
        &["spec: {cidr: 10.0.0.0/16, ipipMode: CrossSubnet, vxlanMode: Never}"],
    ),
    invalid(
        "IPPool",
        "spec.vxlanMode",
        "`Never`, `Always` or `CrossSubnet`; `Never` beside `ipipMode` and for load balancers",
        &[
            "spec: {cidr: 10.0.0.0/16, vxlanMode: x}",
            "spec: {cidr: 10.0.0.0/16, ipipMode: Always, vxlanMode: Always}",
            "spec: {cidr: 10.0.0.0/16, vxlanMode: Always, allowedUses: [LoadBalancer]}",
        ],
        &["spec: {cidr: \"fd00::/64\", vxlanMode: CrossSubnet}"],
    ),
    invalid(
        "IPPool",
        "spec.disableBGPExport",
        "`true` or `false`; not `true` for load balancers",
        &[
            "spec: {cidr: 10.0.0.0/16, disableBGPExport: x}",
            "spec: {cidr: 10.0.0.0/16, disableBGPExport: true, allowedUses: [LoadBalancer]}",
        ],
        &["spec: {cidr: 10.0.0.0/16, disableBGPExport: true}"],
    ),
    invalid("IPPool", "spec.disabled", "`true` or `false`", &["spec: {cidr: 10.0.0.0/16, disabled: 1}"], &[]),
    invalid(
        "IPPool",
        "spec.natOutgoing",
        "`true` or `false`",
        &["spec: {cidr: 10.0.0.0/16, natOutgoing: 1}"],
        &["spec: {cidr: 10.0.0.0/16, natOutgoing: true}"],
    ),
    invalid(
        "IPPool",
        "spec.nodeSelector",
        "a selector without `global()`; `all()` for load balancers",
        &[
            "spec: {cidr: 10.0.0.0/16, nodeSelector: global()}",
            "spec: {cidr: 10.0.0.0/16, nodeSelector: has(a), allowedUses: [LoadBalancer]}",
        ],
        &["spec: {cidr: 10.0.0.0/16, nodeSelector: has(a)}", "spec: {cidr: 10.0.0.0/16, allowedUses: [LoadBalancer]}"],
    ),
    invalid(
        "IPPool",
        "spec.namespaceSelector",
        "a selector without `global()`; not where `allowedUses` names `Tunnel`",
        &[
            "spec: {cidr: 10.0.0.0/16, namespaceSelector: \"!global()\"}",
            "spec: {cidr: 10.0.0.0/16, namespaceSelector: has(a), allowedUses: [Workload, Tunnel]}",
        ],
        &[
            "spec: {cidr: 10.0.0.0/16, namespaceSelector: has(a)}",
            "spec: {cidr: 10.0.0.0/16, namespaceSelector: has(a), allowedUses: []}",
        ],
    ),
    invalid(
        "IPPool",
        "spec.allowedUses",
        "`LoadBalancer` alone, or `Workload` and `Tunnel`",
        &["spec: {cidr: 10.0.0.0/16, allowedUses: [LoadBalancer, Workload]}"],
        &["spec: {cidr: 10.0.0.0/16, allowedUses: [Tunnel]}"],
    ),
    invalid(
        "IPPool",
        "spec.allowedUses[]",
        "`Workload`, `Tunnel` or `LoadBalancer`",
        &["spec: {cidr: 10.0.0.0/16, allowedUses: [Pod]}"],
        &[],
    ),
    invalid(
        "IPPool",
        "spec.assignmentMode",
        "`Automatic` or `Manual`",
        &["spec: {cidr: 10.0.0.0/16, assignmentMode: x}"],
        &["spec: {cidr: 10.0.0.0/16, assignmentMode: Manual}"],
    ),
    invalid(
        "BlockAffinity",
        "spec.state",
        "`confirmed` (or empty), `pending` or `pendingDeletion`",
        &["spec: {state: x, node: a, cidr: 10.0.0.0/26}"],
        &[
            "spec: {state: \"\", node: a, cidr: 10.0.0.0/26}",
            "spec: {state: pending, node: a, cidr: 10.0.0.0/26, deleted: \"false\"}",
        ],
    ),
    invalid("BlockAffinity", "spec.node", "there", &["spec: {state: confirmed, cidr: 10.0.0.0/26}"], &[]),
    invalid(
        "BlockAffinity",
        "spec.type",
        "`host` (or empty) or `virtual`",
        &["spec: {node: a, cidr: 10.0.0.0/26, type: x}"],
        &["spec: {node: a, cidr: 10.0.0.0/26, type: virtual}"],
    ),
    invalid(
        "BlockAffinity",
        "spec.cidr",
        "there; a CIDR without bits beyond its length",
        &["spec: {node: a}", "spec: {node: a, cidr: 10.0.0.1/26}"],
        &["spec: {node: a, cidr: 10.0.0.1/32}"],
    ),
    invalid(
        "BlockAffinity",
        "spec.deleted",
        "`true` or `false`, as text or not; `true`: the affinity counts as gone",
        &["spec: {node: a, cidr: 10.0.0.0/26, deleted: x}"],
        &["spec: {node: a, cidr: 10.0.0.0/26, deleted: \"true\"}"],
    ),
    invalid(
        "IPAMBlock",
        "spec.cidr",
        "there; a CIDR without bits beyond its length",
        &["spec: {}"],
        &["spec: {cidr: 10.0.0.0/26}"],
    ),
    invalid(
        "IPAMBlock",
        "spec.affinity",
        "`host:` or `virtual:` and a name",
        &["spec: {cidr: 10.0.0.0/26, affinity: a}", "spec: {cidr: 10.0.0.0/26, affinity: \"host:\"}"],
        &["spec: {cidr: 10.0.0.0/26, affinity: \"host:a\"}"],
    ),
    invalid(
        "IPAMBlock",
        "spec.allocations[]",
        "`null`, or the number of an entry of `attributes`; no more entries than the block has addresses",
        &[
            "spec: {cidr: 10.0.0.0/31, allocations: [0], attributes: []}",
            "spec: {cidr: 10.0.0.0/31, allocations: [null, null, 0], attributes: [{}]}",
        ],
        &["spec: {cidr: 10.0.0.0/31, allocations: [null, 0], attributes: [{handle_id: h, secondary: {node: a}}]}"],
    ),
    invalid(
        "IPAMBlock",
        "spec.attributes[].releasedAt",
        "a time as in RFC 3339",
        &["spec: {cidr: 10.0.0.0/31, attributes: [{releasedAt: x}]}"],
        &["spec: {cidr: 10.0.0.0/31, attributes: [{releasedAt: null}]}"],
    ),
];
