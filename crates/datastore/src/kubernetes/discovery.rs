//! Which APIs the API server has.

use std::collections::BTreeSet;
use std::sync::Arc;

use heddle_resources::Kind;
use serde_json::Value;
use tracing::debug;

use super::api::{CalicoApi, api_path, plural};
use super::error::KubernetesError;
use super::server::Server;

/// Kinds that came to Calico later, or that nobody needs: without them all is as if there were no objects of them.
const LATER: [Kind; 2] = [Kind::BgpFilter, Kind::CalicoNodeStatus];

/// What the API server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Discovered {
    pub(super) calico: CalicoApi,
    /// Kinds of Calico's that it does not have.
    pub(super) lacking: Vec<Kind>,
    /// Whether it has both of Calico's APIs, so that objects in it say which one counts.
    pub(super) both: bool,
}

/// What an API's ClusterInformation says of the objects in it: `datastoreReady`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Yes,
    No,
    /// It is not there.
    Nothing,
    /// It may not be read.
    Unknown,
}

/// Finds out what the API server has. Where there is no other wish, Calico's own rule holds: `projectcalico.org/v3` counts
/// where `crd.projectcalico.org/v1` is not there; with both, the one is Calico's API server, which stores in the other. But
/// while objects are migrated from the one to the other, both are there for a while: then [`supersedes`] says which counts.
pub(super) async fn discover(
    server: &Server,
    wanted: Option<CalicoApi>,
    kinds: &[Kind],
) -> Result<Discovered, KubernetesError> {
    let what: Arc<str> = "its APIs".into();
    let groups = server.get_json(&what, "/apis").await?;
    let has = |api: CalicoApi| has_version(&groups, api.as_str());
    let both = wanted.is_none() && has(CalicoApi::Stored) && has(CalicoApi::Native);
    let calico = match wanted {
        Some(api) if has(api) => api,
        None if both => match supersedes(server).await {
            Ok(Superseded::Yes) => CalicoApi::Native,
            // Calico's API server may be down.
            Ok(Superseded::No) | Err(_) => CalicoApi::Stored,
        },
        None if has(CalicoApi::Stored) => CalicoApi::Stored,
        None if has(CalicoApi::Native) => CalicoApi::Native,
        Some(api) => return Err(KubernetesError::NoCalico { missing: api.as_str().into() }),
        None => {
            let missing = format!("{} and no {}", CalicoApi::Stored, CalicoApi::Native);
            return Err(KubernetesError::NoCalico { missing: missing.into() });
        }
    };
    let resources = server.get_json(&what, &api_path(calico.as_str())).await?;
    let names: BTreeSet<&str> = list(&resources, "resources").filter_map(|r| r.get("name")?.as_str()).collect();
    let lacking: Vec<Kind> = kinds.iter().copied().filter(|kind| !names.contains(plural(*kind))).collect();
    match lacking.iter().find(|kind| !LATER.contains(kind)) {
        Some(kind) => {
            let missing = format!("{}.{}", plural(*kind), calico.as_str());
            Err(KubernetesError::NoCalico { missing: missing.into() })
        }
        None => Ok(Discovered { calico, lacking, both }),
    }
}

/// Whether objects were migrated to another API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Superseded {
    Yes,
    No,
}

/// Whether what is in `crd.projectcalico.org/v1` was migrated to `projectcalico.org/v3`, and does not count any more. The
/// migration locks the former (`datastoreReady: false`), copies it, says that the latter is ready, and deletes the former
/// later, with its definitions, object by object. Calico's API server, where there is one, shows in the one what is in the other.
pub(super) async fn superseded(server: &Server) -> Result<Superseded, KubernetesError> {
    let groups = server.get_json(&"its APIs".into(), "/apis").await?;
    if has_version(&groups, CalicoApi::Native.as_str()) { supersedes(server).await } else { Ok(Superseded::No) }
}

async fn supersedes(server: &Server) -> Result<Superseded, KubernetesError> {
    match ready(server, CalicoApi::Stored).await? {
        Ready::Yes | Ready::Unknown => return Ok(Superseded::No),
        Ready::No | Ready::Nothing => {}
    }
    match ready(server, CalicoApi::Native).await? {
        Ready::Yes => Ok(Superseded::Yes),
        Ready::No | Ready::Nothing | Ready::Unknown => Ok(Superseded::No),
    }
}

async fn ready(server: &Server, api: CalicoApi) -> Result<Ready, KubernetesError> {
    let path = format!("{}/clusterinformations/default", api_path(api.as_str()));
    match server.get_json(&"ClusterInformation".into(), &path).await {
        Ok(information) => match information.get("spec").and_then(|spec| spec.get("datastoreReady")?.as_bool()) {
            Some(true) => Ok(Ready::Yes),
            Some(false) => Ok(Ready::No),
            None => Ok(Ready::Nothing),
        },
        // Without the object, and without its definition.
        Err(KubernetesError::Absent { .. } | KubernetesError::Refused { code: 404, .. }) => Ok(Ready::Nothing),
        Err(KubernetesError::Forbidden { message, .. }) => {
            debug!(%api, %message, "which of Calico's APIs counts may not be read");
            Ok(Ready::Unknown)
        }
        Err(error) => Err(error),
    }
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn has_version(groups: &Value, api_version: &str) -> bool {
    let versions = list(groups, "groups").flat_map(|group| list(group, "versions"));
    versions.filter_map(|v| v.get("groupVersion")?.as_str()).any(|version| version == api_version)
}
