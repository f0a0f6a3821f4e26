//! Manifests to objects.

use crate::error::{InvalidObject, Location, Note, ObjectName};
use crate::kind::Key;
use crate::object::Object;

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

/// Decodes an object as the Kubernetes API has it.
///
/// # Errors
///
/// If the object is invalid: all reasons.
pub fn decode_json(_value: &serde_json::Value) -> Result<Document, InvalidObject> {
    Err(InvalidObject { object: ObjectName::default(), errors: Vec::new() })
}

/// Decodes all objects of a file: YAML with any number of documents, lists included. `file` is what messages call it.
#[must_use]
pub fn decode_documents(_text: &str, _file: &str) -> Vec<Result<Document, InvalidObject>> {
    Vec::new()
}
