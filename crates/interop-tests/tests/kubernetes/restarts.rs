//! What a client has to live with: servers that are gone, come back, stand still, and forget.

use std::time::Duration;

use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::process::Signal;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::json;

const POOLS: &str = "/apis/crd.projectcalico.org/v1/ippools";

/// Killed and started again it has what it had, at the same address; paused it answers nobody, and later goes on; what it has forgotten
/// it says with 410.
pub(crate) fn killed_paused_compacted() {
    let mut cluster = Cluster::start(&Options { calico: vec![CalicoApi::Crd], ..Options::default() });
    let pool = |name: &str, cidr: &str| {
        json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool", "metadata": {"name": name},
            "spec": {"cidr": cidr},
        })
    };
    cluster.admin().apply_object(&pool("first", "10.20.0.0/16")).unwrap_or_else(|error| panic!("{error}"));
    let list = cluster.admin().get(POOLS).unwrap_or_else(|error| panic!("{error}"));
    let old = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let url = cluster.url();

    cluster.stop(Signal::Kill);
    assert!(cluster.admin().get(POOLS).is_err());
    cluster.start_again();
    assert_eq!(cluster.url(), url);
    assert_pools(&cluster, &["first"]);

    let impatient = cluster.impatient(Duration::from_millis(500));
    cluster.pause();
    assert!(impatient.get(POOLS).is_err(), "nobody answers");
    cluster.resume();
    assert_pools(&cluster, &["first"]);
    cluster.etcd().pause();
    let third = pool("third", "10.22.0.0/16");
    assert!(impatient.apply_object(&third).is_err(), "nobody keeps it");
    cluster.etcd().resume();
    wait_for("it is kept", PATIENCE, || cluster.admin().apply_object(&third));
    cluster.admin().delete_object(&third).unwrap_or_else(|error| panic!("{error}"));

    cluster.admin().apply_object(&pool("second", "10.21.0.0/16")).unwrap_or_else(|error| panic!("{error}"));
    cluster.forget_history();
    assert_pools(&cluster, &["first", "second"]);
    let answer = cluster.admin().watch(POOLS, &old, 30);
    let gone = match answer {
        Err(error) => error.contains("410"),
        Ok(mut watch) => matches!(watch.next(), Some(Ok(event)) if event["object"]["code"] == 410),
    };
    assert!(gone, "a watch from version {old} on");

    cluster.stop(Signal::Term);
    cluster.etcd_mut().stop(Signal::Kill);
    cluster.etcd_mut().start_again();
    cluster.start_again();
    assert_pools(&cluster, &["first", "second"]);
    println!("memory of the API server: {} KiB", cluster.memory().unwrap_or_default());
}

/// Waits until the pools are these: a server that was disturbed may answer 429 for a while.
#[track_caller]
fn assert_pools(cluster: &Cluster, expected: &[&str]) {
    wait_for(&format!("the pools are {expected:?}"), PATIENCE, || {
        let list = cluster.admin().get(POOLS)?;
        let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
        ensure(names == expected, || format!("{names:?}"))
    });
}
