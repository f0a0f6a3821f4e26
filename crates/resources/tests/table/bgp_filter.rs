//! `BGPFilter`

use super::{Rule, invalid};

pub(super) const RULES: &[Rule] = &[
    invalid(
        "BGPFilter",
        "spec.exportV4[].action",
        "there; `Accept` or `Reject`",
        &["spec: {exportV4: [{}]}", "spec: {exportV4: [{action: accept}]}"],
        &["spec: {exportV4: [{action: Accept}], importV4: [{action: Reject}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].cidr",
        "a CIDR of the list's family without bits beyond its length; only with `matchOperator`",
        &[
            "spec: {importV4: [{action: Accept, cidr: 10.0.0.1/8, matchOperator: In}]}",
            "spec: {importV4: [{action: Accept, cidr: \"fd00::/8\", matchOperator: In}]}",
            "spec: {importV4: [{action: Accept, cidr: 10.0.0.0/8}]}",
        ],
        &["spec: {importV4: [{action: Accept, cidr: 10.0.0.0/8, matchOperator: In}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.exportV6[].matchOperator",
        "`Equal`, `NotEqual`, `In` or `NotIn`; only with `cidr`",
        &[
            "spec: {exportV6: [{action: Accept, matchOperator: In}]}",
            "spec: {exportV6: [{action: Accept, cidr: \"fd00::/8\", matchOperator: Is}]}",
        ],
        &["spec: {exportV6: [{action: Accept, cidr: \"fd00::/8\", matchOperator: NotIn}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV6[].prefixLength",
        "only with `cidr`",
        &["spec: {importV6: [{action: Accept, prefixLength: {min: 1}}]}"],
        &["spec: {importV6: [{action: Accept, cidr: \"fd00::/8\", matchOperator: In, prefixLength: {}}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].prefixLength.max",
        "0 to 32, in lists for IPv6 to 128; so is `min`",
        &["spec: {importV4: [{action: Accept, cidr: 10.0.0.0/8, matchOperator: In, prefixLength: {max: 33}}]}"],
        &[
            "spec: {importV6: [{action: Accept, cidr: \"fd00::/8\", matchOperator: In, prefixLength: {min: 0, max: 128}}]}",
        ],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].source",
        "`RemotePeers`",
        &["spec: {importV4: [{action: Accept, source: Local}]}"],
        &["spec: {importV4: [{action: Accept, source: RemotePeers}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].interface",
        "1 to 15 letters, digits, `_`, `.`, `-`, `*`",
        &["spec: {importV4: [{action: Accept, interface: \"a b\"}]}"],
        &["spec: {importV4: [{action: Accept, interface: \"*\"}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].peerType",
        "`eBGP` or `iBGP`",
        &["spec: {importV4: [{action: Accept, peerType: ebgp}]}"],
        &["spec: {importV4: [{action: Accept, peerType: iBGP}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].communities.values",
        "exactly one",
        &[
            "spec: {importV4: [{action: Accept, communities: {}}]}",
            "spec: {importV4: [{action: Accept, communities: {values: [1:2, 1:3]}}]}",
        ],
        &["spec: {importV4: [{action: Accept, communities: {values: [1:2]}}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].communities.values[]",
        "a community",
        &["spec: {importV4: [{action: Accept, communities: {values: [a]}}]}"],
        &["spec: {importV4: [{action: Accept, communities: {values: [1:2:3]}}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].asPathPrefix[]",
        "AS numbers",
        &["spec: {importV4: [{action: Accept, asPathPrefix: [x]}]}"],
        &["spec: {importV4: [{action: Accept, asPathPrefix: [65000, \"1.1\"]}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].priority",
        "1 to 2147483646",
        &["spec: {importV4: [{action: Accept, priority: 0}]}"],
        &["spec: {importV4: [{action: Accept, priority: 1}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].operations",
        "only with `action: Accept`; at most 10",
        &["spec: {importV4: [{action: Reject, operations: [{setPriority: {value: 1}}]}]}"],
        &["spec: {importV4: [{action: Reject, operations: []}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].operations[]",
        "exactly one of `addCommunity`, `prependASPath`, `setPriority`",
        &[
            "spec: {importV4: [{action: Accept, operations: [{}]}]}",
            "spec: {importV4: [{action: Accept, operations: [{setPriority: {value: 1}, addCommunity: {value: 1:2}}]}]}",
        ],
        &[
            "spec: {importV4: [{action: Accept, operations: [{setPriority: {value: 1}}, {addCommunity: {value: 1:2}}]}]}",
        ],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].operations[].addCommunity.value",
        "there; a community",
        &[
            "spec: {importV4: [{action: Accept, operations: [{addCommunity: {}}]}]}",
            "spec: {importV4: [{action: Accept, operations: [{addCommunity: {value: a}}]}]}",
        ],
        &[],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].operations[].prependASPath.prefix",
        "1 to 10 AS numbers",
        &[
            "spec: {importV4: [{action: Accept, operations: [{prependASPath: {prefix: []}}]}]}",
            "spec: {importV4: [{action: Accept, operations: [{prependASPath: {prefix: [1,1,1,1,1,1,1,1,1,1,1]}}]}]}",
        ],
        &["spec: {importV4: [{action: Accept, operations: [{prependASPath: {prefix: [1,1,1,1,1,1,1,1,1,1]}}]}]}"],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].operations[].prependASPath.prefix[]",
        "an AS number, and not 0 (RFC 7607)",
        &["spec: {importV4: [{action: Accept, operations: [{prependASPath: {prefix: [0]}}]}]}"],
        &[],
    ),
    invalid(
        "BGPFilter",
        "spec.importV4[].operations[].setPriority.value",
        "there; 1 to 2147483646",
        &["spec: {importV4: [{action: Accept, operations: [{setPriority: {value: 0}}]}]}"],
        &[],
    ),
];
