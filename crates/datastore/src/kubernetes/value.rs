//! JSON of the API server, without the parts of objects that nobody reads and that are most of them.

use std::fmt;

use heddle_resources::{Document, InvalidObject, Kind, decode_json};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Fields that are left out, each with the one that it is in.
type Skipped = &'static [(&'static str, &'static str)];

const EVERYWHERE: Skipped = &[("metadata", "managedFields"), ("metadata", "ownerReferences")];

/// What else is left out of objects of a kind. Fields of Calico's objects are all read, or reported.
const fn skipped(kind: Kind) -> Skipped {
    match kind {
        Kind::Node => &[("status", "images"), ("status", "conditions"), ("status", "nodeInfo"), ("status", "capacity")],
        Kind::Pod => &[
            ("spec", "containers"),
            ("spec", "initContainers"),
            ("spec", "volumes"),
            ("spec", "affinity"),
            ("spec", "tolerations"),
            ("status", "conditions"),
            ("status", "containerStatuses"),
            ("status", "initContainerStatuses"),
        ],
        Kind::Service => &[("spec", "ports"), ("spec", "selector"), ("status", "conditions")],
        Kind::BgpConfiguration
        | Kind::BgpPeer
        | Kind::BgpFilter
        | Kind::IpPool
        | Kind::BlockAffinity
        | Kind::IpamBlock
        | Kind::Secret
        | Kind::EndpointSlice
        | Kind::CalicoNodeStatus => &[],
    }
}

/// Decodes an object. In lists of its own kinds the API server leaves out what the list says already.
pub(crate) fn decode(mut object: Value, kind: Kind, api_version: &str) -> Result<Document, InvalidObject> {
    if let Value::Object(fields) = &mut object {
        fields.entry("kind").or_insert_with(|| kind.as_str().into());
        fields.entry("apiVersion").or_insert_with(|| api_version.into());
    }
    decode_json(&object)
}

/// Reads an object.
pub(crate) fn object(text: &[u8], kind: Kind) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Slim { kind, depth: 0, within: "" }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// An event of a watch.
#[derive(Debug)]
pub(crate) struct WatchEvent {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`
    pub(crate) what: String,
    pub(crate) object: Value,
}

/// Reads an event of a watch.
pub(crate) fn event(text: &[u8], kind: Kind) -> Result<WatchEvent, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let event = reader.deserialize_map(EventVisitor { kind })?;
    reader.end()?;
    Ok(event)
}

struct EventVisitor {
    kind: Kind,
}

impl<'de> Visitor<'de> for EventVisitor {
    type Value = WatchEvent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event of a watch")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<WatchEvent, M::Error> {
        let mut event = WatchEvent { what: String::new(), object: Value::Null };
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "type" => event.what = map.next_value()?,
                "object" => event.object = map.next_value_seed(Slim { kind: self.kind, depth: 0, within: "" })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(event)
    }
}

/// Reads a value, without what is left out.
#[derive(Clone, Copy)]
struct Slim<'n> {
    kind: Kind,
    depth: u8,
    /// The field that the value is the one of.
    within: &'n str,
}

impl Slim<'_> {
    fn skips(&self, name: &str) -> bool {
        let listed = |list: Skipped| list.iter().any(|(outer, inner)| *outer == self.within && *inner == name);
        self.depth == 1 && (listed(EVERYWHERE) || listed(skipped(self.kind)))
    }
}

impl<'de> DeserializeSeed<'de> for Slim<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Slim<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Value, S::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Slim { depth: u8::MAX, ..self })? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Value, M::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.skips(&name) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let inner = Slim { kind: self.kind, depth: self.depth.saturating_add(1), within: &name };
            let value = map.next_value_seed(inner)?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_reads_is_left_out_where_it_stands_and_nowhere_else() {
        let text = json!({
            "metadata": { "name": "n", "managedFields": [{ "f": {} }], "labels": { "images": "1", "managedFields": "2" } },
            "spec": { "podCIDRs": ["10.0.0.0/24", null, 1, -1, 1.5, true], "images": "stays" },
            "status": { "images": [{ "names": ["a"] }], "addresses": [{ "status": { "images": 1 } }] },
        });
        let want = json!({
            "metadata": { "name": "n", "labels": { "images": "1", "managedFields": "2" } },
            "spec": { "podCIDRs": ["10.0.0.0/24", null, 1, -1, 1.5, true], "images": "stays" },
            "status": { "addresses": [{ "status": { "images": 1 } }] },
        });
        assert_eq!(object(text.to_string().as_bytes(), Kind::Node).expect("JSON"), want);
        let line = json!({ "type": "ADDED", "object": text, "more": {} }).to_string();
        let read = event(line.as_bytes(), Kind::Node).expect("JSON");
        assert_eq!((read.what.as_str(), read.object), ("ADDED", want));
        let pods = object(text.to_string().as_bytes(), Kind::Pod).expect("JSON");
        assert!(pods["status"]["images"].is_array());
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "{} x", "[1,]", &"[".repeat(100_000)] {
            assert!(object(text.as_bytes(), Kind::Node).is_err());
        }
        assert!(event(b"[]", Kind::Node).is_err() && event(br#"{"type":1}"#, Kind::Node).is_err());
    }
}
