//! Which APIs the API server has.

use std::collections::BTreeSet;
use std::sync::Arc;

use heddle_resources::Kind;
use serde_json::Value;

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
}

/// Finds out what the API server has. Where there is no other wish, Calico's own rule holds: `projectcalico.org/v3` counts
/// where `crd.projectcalico.org/v1` is not there; with both, the one is Calico's API server, which stores in the other.
pub(super) async fn discover(
    server: &Server,
    wanted: Option<CalicoApi>,
    kinds: &[Kind],
) -> Result<Discovered, KubernetesError> {
    let what: Arc<str> = "its APIs".into();
    let groups = server.get_json(&what, "/apis").await?;
    let has = |api: CalicoApi| has_version(&groups, api.as_str());
    let calico = match wanted {
        Some(api) if has(api) => api,
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
        None => Ok(Discovered { calico, lacking }),
    }
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn has_version(groups: &Value, api_version: &str) -> bool {
    let versions = list(groups, "groups").flat_map(|group| list(group, "versions"));
    versions.filter_map(|v| v.get("groupVersion")?.as_str()).any(|version| version == api_version)
}
