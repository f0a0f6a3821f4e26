//! What a node writes back to etcd: its addresses and its status, each into the object that Calico has for it.
//!
//! An object is read, changed and written if nobody wrote it meanwhile (its revision is compared, as by Calico's own clients); otherwise it
//! is read again. Fields that are not Heddle's stay as they are. Nothing else is tried again: whoever writes knows when it is worth it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tracing::debug;

use super::client::Client;
use super::error::EtcdError;
use super::keys;
use super::options::{Endpoint, EtcdOptions};
use crate::node_writer::{IfAbsent, NodeField};

/// How often an object is read and written when somebody else changes it meanwhile.
const ATTEMPTS: u32 = 5;

/// Writes to etcd what a node has to say of itself.
pub struct EtcdWriter {
    options: EtcdOptions,
    /// The connection that was used last: a login is work for etcd.
    held: Mutex<Option<Client>>,
    /// The member that is asked first.
    first: usize,
}

impl fmt::Debug for EtcdWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdWriter").field("node", &self.options.node).finish_non_exhaustive()
    }
}

impl EtcdWriter {
    pub(super) fn new(options: EtcdOptions) -> Self {
        // Nodes are spread over the members.
        let chance = usize::try_from(RandomState::new().hash_one(0_u8) >> 33).unwrap_or_default();
        let first = chance.checked_rem(options.endpoints.len()).unwrap_or_default();
        Self { options, held: Mutex::new(None), first }
    }

    /// Sets fields of the node, and takes away those without a value. Writes nothing where it is so already.
    ///
    /// # Errors
    /// It was not done.
    pub async fn write_node(
        &self,
        fields: &[(NodeField, Option<String>)],
        if_absent: IfAbsent,
    ) -> Result<(), EtcdError> {
        let fresh = match if_absent {
            IfAbsent::Create => Some(new_node(&self.options.node)),
            IfAbsent::Fail => None,
        };
        let edit = |node: &mut Map<String, Value>| {
            for (field, value) in fields {
                set(node, path(*field), value.as_ref().map(|text| field_value(*field, text)));
            }
        };
        self.change(&keys::node(&self.options.node), fresh, edit).await
    }

    /// Writes the status of a `CalicoNodeStatus`, all of it.
    ///
    /// # Errors
    /// It was not done.
    pub async fn write_status(&self, name: &str, status: &Value) -> Result<(), EtcdError> {
        let edit = |object: &mut Map<String, Value>| set(object, &["status"], Some(status.clone()));
        self.change(&keys::status(name), None, edit).await
    }

    /// Changes an object by any of the members. Where there is none, `fresh` is changed and written.
    async fn change<E>(&self, key: &str, fresh: Option<Map<String, Value>>, edit: E) -> Result<(), EtcdError>
    where
        E: Fn(&mut Map<String, Value>) + Send + Sync,
    {
        let mut held = self.held.lock().await;
        if let Some(client) = held.take() {
            match change_by(&client, key, fresh.as_ref(), &edit).await {
                Err(error) if !error.is_of_object() => {
                    // The connection may have ended since, or its token.
                    debug!(%error, "asking again");
                }
                done => {
                    *held = Some(client);
                    return done;
                }
            }
        }
        let mut failed = EtcdError::NoEndpoint;
        let (behind, before) = self.options.endpoints.split_at_checked(self.first).unwrap_or_default();
        for endpoint in before.iter().chain(behind) {
            match self.change_at(endpoint, key, fresh.as_ref(), &edit).await {
                Ok((client, done)) => {
                    *held = Some(client);
                    return done;
                }
                // No other member would permit it.
                Err(error) if error.is_denial() => return Err(error),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Connects to a member and changes an object there; answers the connection, if that is well.
    async fn change_at<E>(
        &self,
        endpoint: &Endpoint,
        key: &str,
        fresh: Option<&Map<String, Value>>,
        edit: &E,
    ) -> Result<(Client, Result<(), EtcdError>), EtcdError>
    where
        E: Fn(&mut Map<String, Value>) + Send + Sync,
    {
        let client = Client::connect(endpoint, &self.options).await?;
        match change_by(&client, key, fresh, edit).await {
            Err(error) if !error.is_of_object() => Err(error),
            done => Ok((client, done)),
        }
    }
}

/// Reads, changes and writes an object, until nobody else did so in between.
async fn change_by<E>(client: &Client, key: &str, fresh: Option<&Map<String, Value>>, edit: &E) -> Result<(), EtcdError>
where
    E: Fn(&mut Map<String, Value>) + Send + Sync,
{
    let name: Arc<str> = key.into();
    let form = |error| EtcdError::Value { key: Arc::clone(&name), error: Arc::new(error) };
    let octets = Bytes::from(key.to_owned());
    for _ in 0..ATTEMPTS {
        let (revision, present) = match client.get(octets.clone()).await? {
            Some(kv) => (kv.mod_revision, Some(serde_json::from_slice::<Map<_, _>>(&kv.value).map_err(form)?)),
            None => (0, None),
        };
        let Some(mut object) = present.clone().or_else(|| fresh.cloned()) else {
            return Err(EtcdError::Absent { key: name });
        };
        edit(&mut object);
        if present.as_ref() == Some(&object) {
            return Ok(());
        }
        let value = serde_json::to_vec(&object).map_err(form)?;
        match client.put_if(&octets, revision, value.into()).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(EtcdError::Denied { endpoint, reason }) => {
                return Err(EtcdError::NotWritable { endpoint, key: name, reason });
            }
            Err(error) => return Err(error),
        }
    }
    Err(EtcdError::Contended { key: name })
}

/// Where Calico's node has it.
const fn path(field: NodeField) -> &'static [&'static str] {
    match field {
        NodeField::Ipv4Address => &["spec", "bgp", "ipv4Address"],
        NodeField::Ipv6Address => &["spec", "bgp", "ipv6Address"],
        NodeField::AsNumber => &["spec", "bgp", "asNumber"],
        NodeField::Interfaces => &["spec", "interfaces"],
    }
}

/// As it stands there: texts, but for numbers and lists.
fn field_value(field: NodeField, text: &str) -> Value {
    match field {
        NodeField::Ipv4Address | NodeField::Ipv6Address => text.into(),
        NodeField::AsNumber | NodeField::Interfaces => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// Sets a field, or takes it away; what is empty then goes with it.
fn set(object: &mut Map<String, Value>, path: &[&str], value: Option<Value>) {
    match (path, value) {
        ([], _) => {}
        ([last], Some(value)) => drop(object.insert((*last).to_owned(), value)),
        ([last], None) => drop(object.remove(*last)),
        ([first, rest @ ..], value) => {
            let inner = object.entry(*first).or_insert(Value::Null);
            let mut fields = inner.as_object_mut().map(std::mem::take).unwrap_or_default();
            let takes_away = value.is_none();
            set(&mut fields, rest, value);
            if takes_away && fields.is_empty() {
                object.remove(*first);
            } else {
                *inner = Value::Object(fields);
            }
        }
    }
}

/// A Node as Calico's node makes it where there is none.
fn new_node(name: &str) -> Map<String, Value> {
    let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let node = json!({
        "kind": "Node", "apiVersion": "projectcalico.org/v3",
        "metadata": { "name": name, "uid": uid(), "creationTimestamp": now },
        "spec": {},
    });
    if let Value::Object(fields) = node { fields } else { Map::new() }
}

/// A random UUID (RFC 9562, section 5.4), without which Calico's clients do not change an object.
fn uid() -> String {
    let random = |salt: u8| RandomState::new().hash_one(salt);
    let (high, low) = (random(0) & !0xf000 | 0x4000, random(1) & (u64::MAX >> 2) | 1 << 63);
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(object: Value, changes: &[(NodeField, Option<&str>)]) -> Value {
        let mut fields = object.as_object().expect("an object").clone();
        for (field, value) in changes {
            set(&mut fields, path(*field), value.map(|text| field_value(*field, text)));
        }
        Value::Object(fields)
    }

    /// What is not Heddle's stays; what is empty goes.
    #[test]
    fn fields_of_a_node() {
        let node = json!({ "spec": { "orchRefs": [1], "bgp": { "ipv4IPIPTunnelAddr": "10.1.0.1" } }, "status": {} });
        let all = edited(
            node.clone(),
            &[
                (NodeField::Ipv4Address, Some("10.0.0.1/24")),
                (NodeField::AsNumber, Some("65001")),
                (NodeField::Interfaces, Some(r#"[{"name":"eth0"}]"#)),
            ],
        );
        let wanted = json!({ "spec": { "orchRefs": [1], "interfaces": [{ "name": "eth0" }], "bgp": {
            "ipv4IPIPTunnelAddr": "10.1.0.1", "ipv4Address": "10.0.0.1/24", "asNumber": 65001 } }, "status": {} });
        assert_eq!(all, wanted);
        let less = [(NodeField::Ipv4Address, None), (NodeField::AsNumber, None), (NodeField::Interfaces, None)];
        assert_eq!(edited(all, &less), node);
        let address = [(NodeField::Ipv6Address, Some("fd00::1/64"))];
        for without in [json!({}), json!({ "spec": null }), json!({ "spec": { "bgp": null } }), json!({ "spec": 1 })] {
            let made = edited(without, &address);
            assert_eq!(made, json!({ "spec": { "bgp": { "ipv6Address": "fd00::1/64" } } }));
            assert_eq!(edited(made, &[(NodeField::Ipv6Address, None)]), json!({}));
        }
    }

    #[test]
    fn a_new_node_is_one_that_calicos_clients_change() {
        let node = Value::Object(new_node("n1"));
        assert_eq!((&node["kind"], &node["metadata"]["name"]), (&json!("Node"), &json!("n1")));
        let uid = node["metadata"]["uid"].as_str().expect("a text").to_owned();
        let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uid}");
        assert!(uid.as_bytes()[14] == b'4' && matches!(uid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{uid}");
        assert_ne!(Value::Object(new_node("n1"))["metadata"]["uid"], uid);
        let created = node["metadata"]["creationTimestamp"].as_str().expect("a text");
        assert!(created.parse::<k8s_openapi::jiff::Timestamp>().is_ok(), "{created}");
    }
}
