//! An API server that answers 429 to one account: Priority and Fairness, with a level that has room for one request, which the test holds.

use std::io::{self, Read};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use super::Cluster;
use super::client::Client;
use crate::wait::{PATIENCE, wait_for};

const HOLDER: (&str, &str) = ("heddle-tests", "holder");
const LEVEL: &str = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/heddle-tests";
const SCHEMA: &str = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/heddle-tests";

/// How long it can last: the API server ends a request then (`--request-timeout`).
pub(super) const LONGEST: Duration = Duration::from_secs(600);

/// While this lives every request of the account is answered with 429, but for watches that have begun.
#[derive(Debug)]
pub struct Throttle<'a> {
    cluster: &'a Cluster,
    held: Vec<Held>,
}

impl<'a> Throttle<'a> {
    /// Begins; one at a time.
    pub(super) fn new(cluster: &'a Cluster, namespace: &str, name: &str) -> Self {
        let token = cluster.service_account(HOLDER.0, HOLDER.1);
        let account = |namespace: &str, name: &str| json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": name}});
        let level = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
            "metadata": {"name": "heddle-tests"},
            "spec": {"type": "Limited", "limited": {
                "nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}},
        });
        let schema = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema",
            "metadata": {"name": "heddle-tests"},
            "spec": {
                "priorityLevelConfiguration": {"name": "heddle-tests"},
                "matchingPrecedence": 3,
                "rules": [{
                    "subjects": [account(namespace, name), account(HOLDER.0, HOLDER.1)],
                    "resourceRules": [{
                        "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true}],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                }],
            },
        });
        for object in [level, schema] {
            cluster.admin().apply_object(&object).unwrap_or_else(|error| panic!("{error}"));
        }
        let mut throttle = Self { cluster, held: Vec::new() };
        let probe = cluster.client(&token);
        wait_for("the level is full", PATIENCE, || {
            match probe.call("GET", "/version", None)?.status {
                429 => Ok(()),
                status => {
                    // The server may not have heard of the level before, so that an earlier request is held elsewhere.
                    throttle.held.push(Held::new(cluster, &token));
                    Err(status.to_string())
                }
            }
        });
        throttle
    }
}

impl Drop for Throttle<'_> {
    fn drop(&mut self) {
        for path in [SCHEMA, LEVEL] {
            if let Err(error) = self.cluster.admin().delete(path) {
                eprintln!("{error}");
            }
        }
        for held in self.held.drain(..) {
            drop(held.release);
            let _ = held.thread.join();
        }
    }
}

/// A request whose body does not end until it is released.
#[derive(Debug)]
struct Held {
    release: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Held {
    fn new(cluster: &Cluster, token: &str) -> Self {
        let client = Client::with_timeout(&cluster.url(), token, cluster.authority(), LONGEST);
        let (release, released) = mpsc::channel();
        // Whoever is known may ask what it may do.
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let thread = thread::spawn(move || drop(client.upload(path, Endless(released))));
        Self { release, thread }
    }
}

struct Endless(mpsc::Receiver<()>);

impl Read for Endless {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(0)
    }
}
