//! `Secret`, and references to one

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fields::{Fields, Value};
use crate::error::Problem;
use crate::metadata::Metadata;
use crate::secret::{Secret, SecretKeyRef, SecretValue};

pub(super) fn decode(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<Secret> {
    let mut data = BTreeMap::new();
    if let Some(encoded) = object.get("data") {
        data.extend(encoded.pairs(|_, value| base64(&value))?);
    }
    if let Some(plain) = object.get("stringData") {
        data.extend(plain.pairs(|_, value| plain_text(&value))?);
    }
    Some(Secret { metadata: metadata?, data })
}

fn plain_text(value: &Value<'_>) -> Option<SecretValue> {
    match value.tree.scalar() {
        Some(text) => Some(SecretValue::new(text.as_bytes())),
        None => value.fail_hidden(Problem::Type(crate::error::ValueType::Text)),
    }
}

fn base64(value: &Value<'_>) -> Option<SecretValue> {
    let Some(text) = value.tree.scalar() else {
        return value.fail_hidden(Problem::Type(crate::error::ValueType::Text));
    };
    let text: Vec<u8> = text.bytes().filter(|c| !b"\r\n".contains(c)).collect();
    match STANDARD.decode(text) {
        Ok(octets) => Some(SecretValue::new(octets)),
        Err(_) => value.fail_hidden(Problem::Base64),
    }
}

/// `{secretKeyRef: {name, key}}`
pub(super) fn key_ref(value: &Value<'_>) -> Option<SecretKeyRef> {
    let fields = value.fields()?;
    let reference = fields.get("secretKeyRef");
    fields.finish();
    let reference = reference?;
    let fields = reference.fields()?;
    let name = fields.required("name").and_then(|name| name.name());
    let key = fields.required("key").and_then(|key| key.shared());
    fields.ignore(&["optional"]);
    fields.finish();
    Some(SecretKeyRef { name: name?.into(), key: key? })
}
