//! What an API server writes down of the node's requests.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::ACCOUNT;

/// Where an API server writes it down.
pub(crate) struct Audit(TempDir);

impl Audit {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (namespace, name) = ACCOUNT;
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "users": [format!("system:serviceaccount:{namespace}:{name}")]}],
        });
        fs::write(directory.path().join("policy.json"), policy.to_string()).expect("the directory can be written");
        Self(directory)
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("audit.log")
    }

    /// What the API server is to be started with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let policy = self.0.path().join("policy.json");
        vec![format!("--audit-policy-file={}", policy.display()), format!("--audit-log-path={}", self.log().display())]
    }

    /// Each request that was answered, once: of a watch that it has begun, or was refused.
    pub(crate) fn events(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let is_answer = |event: &Value| {
            let refused = event["responseStatus"]["code"].as_u64().is_some_and(|code| code >= 300);
            let wanted = if event["verb"] == "watch" && !refused { "ResponseStarted" } else { "ResponseComplete" };
            event["stage"] == wanted
        };
        events.filter(is_answer).collect()
    }
}
