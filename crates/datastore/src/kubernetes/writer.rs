//! What a node writes back: its annotations, its condition, its status, and events about it.
//!
//! Nothing here is tried again: whoever writes knows when it is worth it. What needs which permission is in
//! `docs/datastore.md`.

use std::fmt;
use std::sync::Arc;

use heddle_resources::Kind;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::api::{CalicoApi, api_path, plural};
use super::discovery::discover;
use super::error::KubernetesError;
use super::server::{Change, Server};
use super::source::KubernetesOptions;

/// How often a status is written when somebody else changes its object meanwhile.
const ATTEMPTS: u32 = 3;
/// Who says what events say.
const COMPONENT: &str = "heddle";
/// The reason of the condition that Heddle writes while it runs.
const UP: &str = "HeddleIsUp";

/// Whether packets reach the workloads of a node, as the condition `NetworkUnavailable` of a Node says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachable {
    /// They do: the condition is `False`.
    Yes,
    /// They may not, for nothing is routed yet: the condition is `True`, and no new pods come to the node.
    NotYet,
    /// They may not, for nothing is routed any more: likewise.
    No,
}

/// How grave an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// For the record.
    Normal,
    /// Somebody should look.
    Warning,
}

/// An event about the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEvent {
    /// How grave it is.
    pub kind: EventType,
    /// One word for programs, such as `AddressConflict`.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// Writes to the API server what a node has to say of itself.
pub struct KubernetesWriter {
    server: Server,
    options: KubernetesOptions,
    /// Where Calico's objects are, as the source has found out: that changes when they are migrated.
    calico: watch::Receiver<Option<CalicoApi>>,
}

impl fmt::Debug for KubernetesWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesWriter").field("node", &self.options.node).finish_non_exhaustive()
    }
}

impl KubernetesWriter {
    pub(super) fn new(server: Server, options: KubernetesOptions, calico: watch::Receiver<Option<CalicoApi>>) -> Self {
        Self { server, options, calico }
    }

    /// Sets annotations of the node, and takes away those without a value. `nodes/status`: `patch`.
    ///
    /// # Errors
    /// It was not done.
    pub async fn annotate(&self, annotations: &[(&str, Option<String>)]) -> Result<(), KubernetesError> {
        let annotations: Map<String, Value> =
            annotations.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let patch = json!({ "metadata": { "annotations": annotations } });
        let path = format!("{}/status", node_path(&self.options.node));
        self.server.change(&"annotations of the Node".into(), &path, &Change::Merge(&patch)).await.map(drop)
    }

    /// An annotation of the node as it is now, if it is there: objects that are followed are without most of theirs. `nodes`: `get`.
    ///
    /// # Errors
    /// It was not read.
    pub async fn annotation(&self, name: &str) -> Result<Option<String>, KubernetesError> {
        let node = self.server.get_json(&"annotations of the Node".into(), &node_path(&self.options.node)).await?;
        let value = node.get("metadata").and_then(|metadata| metadata.get("annotations")?.get(name)?.as_str());
        Ok(value.map(str::to_owned))
    }

    /// Brings the condition `NetworkUnavailable` of the Kubernetes node to what is. Where it is that already nothing is
    /// written, whoever wrote it; that the network is gone is said only where Heddle said that it is there. `nodes`: `get`; `nodes/status`: `patch`.
    ///
    /// # Errors
    /// It was not done.
    pub async fn set_network(&self, reachable: Reachable) -> Result<(), KubernetesError> {
        let what: Arc<str> = "condition NetworkUnavailable of the Node".into();
        let node = self.options.kubernetes_node.as_ref().unwrap_or(&self.options.node);
        let path = node_path(node);
        let (status, reason, message) = match reachable {
            Reachable::Yes => ("False", UP, "Heddle routes for the workloads of this node"),
            Reachable::No => {
                ("True", "HeddleIsDown", "Heddle has been stopped on this node; its routes stay as they were")
            }
            Reachable::NotYet => {
                ("True", "HeddleWaits", "Heddle runs no sessions on this node yet; heddle show node says why")
            }
        };
        let present = self.server.get_json(&what, &path).await?;
        if !differs(&present, reachable) {
            return Ok(());
        }
        let now = now();
        let condition = json!({
            "type": "NetworkUnavailable", "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        });
        // Merged by its type: the conditions of others stay.
        let patch = json!({ "status": { "conditions": [condition] } });
        let path = format!("{path}/status");
        self.server.change(&what, &path, &Change::MergeByKey(&patch)).await.map(drop)
    }

    /// Writes the status of a `CalicoNodeStatus`, all of it. Calico's own definition has the status in the object;
    /// where one has it apart, it is written there. `caliconodestatuses`: `get`, `update`, and perhaps
    /// `caliconodestatuses/status`: `update`.
    ///
    /// # Errors
    /// It was not done.
    pub async fn write_status(&self, name: &str, status: &Value) -> Result<(), KubernetesError> {
        let what: Arc<str> = format!("CalicoNodeStatus/{name}").into();
        let kind = Kind::CalicoNodeStatus;
        let followed = *self.calico.borrow();
        let api = match followed {
            Some(api) => api,
            None => discover(&self.server, self.options.calico, &[kind]).await?.calico,
        };
        let path = format!("{}/{}/{name}", api_path(api.as_str()), plural(kind));
        let mut attempt = 1;
        loop {
            let mut object = self.server.get_json(&what, &path).await?;
            match self.replace_status(&what, &path, &mut object, status).await {
                // Somebody else was first (409): what is there now is read again.
                Err(KubernetesError::Refused { code: 409, .. }) if attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    async fn replace_status(
        &self,
        what: &Arc<str>,
        path: &str,
        object: &mut Value,
        status: &Value,
    ) -> Result<(), KubernetesError> {
        let put = |object: &mut Value| {
            if let Some(fields) = object.as_object_mut() {
                fields.insert("status".to_owned(), status.clone());
            }
        };
        put(object);
        let mut written = self.server.change(what, path, &Change::Replace(object)).await?;
        let updated = |object: &Value| object.get("status").and_then(|s| s.get("lastUpdated")).cloned();
        if updated(&written) == status.get("lastUpdated").cloned() {
            return Ok(());
        }
        put(&mut written);
        self.server.change(what, &format!("{path}/status"), &Change::Replace(&written)).await.map(drop)
    }

    /// Tells an event about the node. `events`: `create`.
    ///
    /// # Errors
    /// It was not taken.
    pub async fn tell(&self, event: &NodeEvent) -> Result<(), KubernetesError> {
        let node = &self.options.node;
        let kind = match event.kind {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        let now = now();
        let object = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "generateName": format!("{node}."), "namespace": "default" },
            // As the kubelet does: events about a node have its name for its identity.
            "involvedObject": { "apiVersion": "v1", "kind": "Node", "name": &**node, "uid": &**node },
            "type": kind, "reason": event.reason, "message": event.message,
            "source": { "component": COMPONENT, "host": &**node },
            "reportingComponent": COMPONENT, "reportingInstance": &**node,
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        });
        let path = "/api/v1/namespaces/default/events";
        self.server.change(&"Event".into(), path, &Change::Create(&object)).await.map(drop)
    }
}

fn node_path(node: &str) -> String {
    format!("{}/{}/{node}", api_path("v1"), plural(Kind::Node))
}

/// Whether the condition of a Node is to be written.
fn differs(node: &Value, reachable: Reachable) -> bool {
    let conditions = node.get("status").and_then(|s| s.get("conditions")?.as_array());
    let same = |condition: &Value| condition.get("type") == Some(&json!("NetworkUnavailable"));
    let present = conditions.into_iter().flatten().find(|c| same(c));
    let has = |field: &str, value: &str| present.and_then(|c| c.get(field)?.as_str()) == Some(value);
    match reachable {
        Reachable::Yes => !has("status", "False"),
        Reachable::NotYet | Reachable::No => has("reason", UP) && !has("status", "True"),
    }
}

/// The time as the API server has it: whole seconds, UTC.
fn now() -> String {
    k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody else says of the network stays, unless it says that there is none while there is.
    #[test]
    fn a_condition_is_written_where_it_is_other_and_taken_back_where_it_is_ours() {
        let node = |status: &str, reason: &str| {
            let network = json!({ "type": "NetworkUnavailable", "status": status, "reason": reason });
            json!({ "status": { "conditions": [{ "type": "Ready", "status": "True", "reason": UP }, network] } })
        };
        for (present, on_start, at_the_end) in [
            (json!({}), true, false),
            (node("True", "NoRouteCreated"), true, false),
            (node("Unknown", "Whoever"), true, false),
            (node("False", "CalicoIsUp"), false, false),
            (node("False", "HeddleIsUp"), false, true),
            (node("True", "HeddleIsDown"), true, false),
        ] {
            let found = (differs(&present, Reachable::Yes), differs(&present, Reachable::No));
            assert_eq!(found, (on_start, at_the_end), "{present}");
            assert_eq!(differs(&present, Reachable::NotYet), at_the_end, "{present}");
        }
    }
}
