//! Manifests to objects.
//!
//! Text becomes a [tree](tree) of values that know where they stand; JSON becomes one too, without places. Then each
//! object is read field by field, and every error of it is collected.

mod bgp_configuration;
mod bgp_filter;
mod bgp_peer;
mod fields;
mod ip_pool;
mod ipam;
mod metadata;
mod node;
mod object;
mod pod;
mod secret;
mod service;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::error::{InvalidObject, Location, Note, ObjectName};
use crate::kind::Key;
use crate::object::Object;
use tree::Tree;

/// An object out of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Its identity.
    pub key: Key,
    /// The object.
    pub object: Object,
    /// Where it begins, if it comes from a file.
    pub at: Option<Location>,
    /// What is worth saying about it: unknown fields, values that are passed over.
    pub notes: Vec<Note>,
}

/// What became of an object of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// It is one that we read.
    Object(Decoded),
    /// It is of a kind that we do not read.
    Skipped {
        /// Which object.
        object: ObjectName,
        /// `apiVersion`
        api_version: String,
        /// Where, if it comes from a file.
        at: Option<Location>,
    },
}

/// Decodes one object as the Kubernetes API has it.
///
/// # Errors
///
/// If the object is invalid: all reasons.
pub fn decode_json(value: &serde_json::Value) -> Result<Document, InvalidObject> {
    let tree = Tree::from_json(value).map_err(|problem| InvalidObject::of_document(None, problem))?;
    object::decode(&tree, None)
}

/// Decodes all objects of a file: YAML with any number of documents, lists included. `file` is what messages call it.
///
/// A document that is no YAML is one error and does not touch those behind the next `---`.
#[must_use]
pub fn decode_documents(text: &str, file: &str) -> Vec<Result<Document, InvalidObject>> {
    let mut results = Vec::new();
    decode_each(text, &file.into(), |result| results.push(result));
    results
}

/// As [`decode_documents`], one object after the other: a large file need not be in memory a second time.
pub fn decode_each(text: &str, file: &Arc<str>, mut with: impl FnMut(Result<Document, InvalidObject>)) {
    yaml::each_document(text, file, &mut |tree| match tree {
        Ok(tree) => object::decode_all(&tree, Some(file), &mut with),
        Err(error) => with(Err(error)),
    });
}
