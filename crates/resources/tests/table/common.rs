//! Rules of all kinds.

use super::{Rule, invalid, passed_over};

pub(super) const RULES: &[Rule] = &[
    invalid(
        "all",
        "apiVersion",
        "a version that is read: `projectcalico.org/v3`, `crd.projectcalico.org/v1`, `v1`, `discovery.k8s.io/v1`",
        &["apiVersion: projectcalico.org/v2"],
        &["apiVersion: crd.projectcalico.org/v1"],
    ),
    invalid(
        "all",
        "metadata.name",
        "there; small letters, digits, `-` and `.`, at most 253 characters",
        &["metadata: {}", "metadata: {name: Big}", "metadata: {name: a..b}", "metadata: {name: -a}"],
        &["metadata: {name: 1.a-b.c}"],
    ),
    invalid(
        "all",
        "metadata.labels.a",
        "text",
        &["metadata: {name: a, labels: {a: [x]}}"],
        &["metadata: {name: a, labels: {a: true, b: 1.10, c: \"\"}}"],
    ),
    invalid(
        "all",
        "metadata.deletionTimestamp",
        "a time as in RFC 3339",
        &["metadata: {name: a, deletionTimestamp: today}"],
        &["metadata: {name: a, deletionTimestamp: 2026-01-31T12:00:00Z}"],
    ),
    passed_over(
        "all",
        "spec.exportv4",
        "a field that Calico does not have is reported (objects of `v1` and `discovery.k8s.io/v1`: only the fields that are read are looked at)",
        &["spec: {exportv4: []}"],
        &["spec: {exportV4: null, importV6: []}\nstatus: {anything: true}"],
    ),
];
