//! `metadata`

use std::collections::BTreeMap;

use super::fields::{Fields, Value};
use super::object::Api;
use crate::error::Problem;
use crate::kind::{Kind, Scope};
use crate::metadata::{Labels, Metadata};

/// In this annotation kubectl keeps the whole manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// In this annotation Calico's API server keeps the metadata of the object that it stores.
const STORED_METADATA: &str = "projectcalico.org/metadata";

pub(super) fn decode(object: &Fields<'_>, api: Api, kind: Kind) -> Option<Metadata> {
    let value = object.required("metadata")?;
    let fields = value.fields()?;
    let name = fields.required("name").and_then(|name| name.name());
    let namespace = fields.get("namespace").and_then(|namespace| namespace.shared());
    let namespace = match kind.scope() {
        Scope::Cluster => None,
        Scope::Namespaced => Some(namespace.unwrap_or_else(|| "default".into())),
    };
    let mut labels = fields.get("labels").and_then(|labels| pairs(&labels)).unwrap_or_default();
    let mut annotations = fields.get("annotations").and_then(|annotations| pairs(&annotations)).unwrap_or_default();
    if api == Api::CalicoStored
        && let Some((stored_labels, stored_annotations)) = stored(&fields, &annotations)
    {
        labels = stored_labels;
        annotations = stored_annotations;
    }
    let metadata = Metadata {
        name: name?.into(),
        namespace,
        labels,
        annotations: annotations.iter().filter(|(name, _)| *name != LAST_APPLIED).collect(),
        resource_version: fields.get("resourceVersion").and_then(|version| version.shared()),
        uid: fields.get("uid").and_then(|uid| uid.shared()),
        deletion_timestamp: fields.get("deletionTimestamp").and_then(|time| time.time()),
    };
    if matches!(api, Api::Calico | Api::CalicoStored) {
        fields.ignore(&[
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "finalizers",
            "generateName",
            "generation",
            "managedFields",
            "ownerReferences",
            "selfLink",
        ]);
        fields.finish();
    }
    Some(metadata)
}

pub(super) fn pairs(value: &Value<'_>) -> Option<Labels> {
    Some(value.pairs(|_, value| value.shared())?.into_iter().collect())
}

/// The labels and annotations that the user gave an object which Calico's API server stores.
fn stored(fields: &Fields<'_>, annotations: &Labels) -> Option<(Labels, Labels)> {
    let text = annotations.get(STORED_METADATA)?;
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(stored) => Some((json_labels(stored.get("labels")), json_labels(stored.get("annotations")))),
        Err(_) => {
            let value = fields.get("annotations")?;
            value.pairs(|name, value| match name {
                STORED_METADATA => value.pass_over::<()>(Problem::Json),
                _ => None,
            });
            None
        }
    }
}

/// Texts of a JSON object; anything else in it is left out.
pub(super) fn json_labels(value: Option<&serde_json::Value>) -> Labels {
    let map = value.and_then(serde_json::Value::as_object);
    let pairs: BTreeMap<&str, &str> =
        map.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    pairs.into_iter().collect()
}
