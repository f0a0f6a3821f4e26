//! Rules of the semantics, one by one.

use heddle_config::Config;
use heddle_resources::{Document, Snapshot, decode_documents};

use crate::{Generated, NodeContext, generate};

/// A cluster out of manifests.
pub(crate) fn cluster(manifests: &str) -> Snapshot {
    let objects = decode_documents(manifests, "cluster.yaml").into_iter().map(|document| match document {
        Ok(Document::Object(decoded)) => decoded.object,
        other => panic!("not read: {other:?}"),
    });
    objects.collect()
}

/// What `node` runs in a cluster out of manifests.
pub(crate) fn generated(manifests: &str, node: &str) -> Generated {
    generate(&cluster(manifests), &NodeContext::new(node))
}

/// Likewise, the configuration alone.
pub(crate) fn config(manifests: &str, node: &str) -> Config {
    let generated = generated(manifests, node);
    generated.config.unwrap_or_else(|| panic!("waiting: {:?}", generated.waiting))
}

mod mesh;
