//! Places where objects are, each with the source that reads it: what consumers see must not depend on which it is.

use std::fs;
use std::path::PathBuf;

use heddle_datastore::{FileSource, KubernetesSource};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api_server::{ApiServer, STORED};
use crate::suite::Place;

/// A folder of manifests.
pub(crate) struct Folder {
    _above: TempDir,
    folder: PathBuf,
    away: PathBuf,
}

impl Folder {
    fn path(&self, kind: &str, name: &str) -> PathBuf {
        let folder = if self.folder.exists() { &self.folder } else { &self.away };
        folder.join(format!("{kind}-{name}.yaml"))
    }
}

impl Place for Folder {
    type Source = FileSource;

    async fn new() -> Self {
        let above = tempfile::tempdir().expect("a folder");
        let (folder, away) = (above.path().join("datastore"), above.path().join("away"));
        fs::create_dir(&folder).expect("a folder");
        Self { _above: above, folder, away }
    }

    fn source(&self) -> FileSource {
        FileSource::of(&self.folder)
    }

    fn set(&self, kind: &str, name: &str, spec: Value) {
        let object =
            json!({ "apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": { "name": name }, "spec": spec });
        let path = self.path(kind, name);
        let beside = path.with_extension("tmp");
        fs::write(&beside, object.to_string()).expect("a file");
        fs::rename(&beside, path).expect("a file");
    }

    fn delete(&self, kind: &str, name: &str) {
        fs::remove_file(self.path(kind, name)).expect("it is there");
    }

    fn lose(&self) {
        fs::rename(&self.folder, &self.away).expect("it is there");
    }

    fn regain(&self) {
        fs::rename(&self.away, &self.folder).expect("it is there");
    }

    fn forget(&self) {
        self.lose();
        self.regain();
    }
}

/// An API server.
pub(crate) struct Cluster(ApiServer);

impl Place for Cluster {
    type Source = KubernetesSource;

    async fn new() -> Self {
        Self(ApiServer::start().await)
    }

    fn source(&self) -> KubernetesSource {
        self.0.source()
    }

    fn set(&self, kind: &str, name: &str, spec: Value) {
        self.0.set(json!({ "apiVersion": STORED, "kind": kind, "metadata": { "name": name }, "spec": spec }));
    }

    fn delete(&self, kind: &str, name: &str) {
        self.0.delete(&json!({ "apiVersion": STORED, "kind": kind, "metadata": { "name": name } }));
    }

    fn lose(&self) {
        self.0.down(true);
    }

    fn regain(&self) {
        self.0.down(false);
    }

    fn forget(&self) {
        self.0.compact();
    }
}
