//! What Felix tells of a workload on this node: a file of its own for each, in
//! `/var/run/calico/endpoint-status` (`CALICO_ENDPOINT_STATUS_PATH_PREFIX`). Calico's confd makes sessions with workloads
//! out of them.

use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use crate::value::Cidr;

/// A workload on this node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointStatus {
    /// `ifaceName`: its interface on this node.
    pub interface: Arc<str>,
    /// `mac`
    pub mac: Option<Arc<str>>,
    /// `ipv4Nets`, in the order of the file.
    pub ipv4: Vec<Cidr>,
    /// `ipv6Nets`, in the order of the file.
    pub ipv6: Vec<Cidr>,
    /// `bgpPeerName`: the `BGPPeer` that asks for a session with it.
    pub bgp_peer: Option<Arc<str>>,
}

/// Why a file is no status of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointStatusError {
    /// No JSON.
    #[error("no valid JSON: {0}; Felix writes this file, restart calico-node")]
    Json(Arc<str>),
    /// A field of another type, or none where there has to be one.
    #[error("{0}: write {1}")]
    Field(&'static str, &'static str),
    /// An entry that is no address.
    #[error("{field}[{index}]: {value:?} is no address of this version with a length, such as {example}")]
    Address {
        /// The field.
        field: &'static str,
        /// The place in the list.
        index: usize,
        /// What is there, shortened.
        value: String,
        /// What could be.
        example: &'static str,
    },
}

impl EndpointStatus {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is wrong. Fields that are not known are passed over.
    pub fn from_json(text: &str) -> Result<Self, EndpointStatusError> {
        let value: Value = serde_json::from_str(text).map_err(|e| EndpointStatusError::Json(e.to_string().into()))?;
        let Value::Object(map) = value else { return Err(EndpointStatusError::Field("the file", "a map of fields")) };
        let optional = |field: &'static str| match map.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Arc::<str>::from(text.as_str())).filter(|t| !t.is_empty())),
            Some(_) => Err(EndpointStatusError::Field(field, "text")),
        };
        let interface = optional("ifaceName")?;
        Ok(Self {
            interface: interface.ok_or(EndpointStatusError::Field("ifaceName", "the name of the interface"))?,
            mac: optional("mac")?,
            ipv4: addresses("ipv4Nets", map.get("ipv4Nets"), false)?,
            ipv6: addresses("ipv6Nets", map.get("ipv6Nets"), true)?,
            bgp_peer: optional("bgpPeerName")?,
        })
    }
}

/// A list of addresses of one version.
fn addresses(field: &'static str, value: Option<&Value>, v6: bool) -> Result<Vec<Cidr>, EndpointStatusError> {
    let items = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(EndpointStatusError::Field(field, "a list")),
    };
    let one = |(index, item): (usize, &Value)| {
        let text = item.as_str().unwrap_or_default();
        let cidr = text.parse::<Cidr>().ok().filter(|c| c.address().is_ipv6() == v6);
        cidr.ok_or_else(|| EndpointStatusError::Address {
            field,
            index,
            value: item.to_string().chars().take(60).collect(),
            example: if v6 { "2001:db8::7/128" } else { "192.0.2.7/32" },
        })
    };
    items.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_calico() {
        let text = r#"{"ifaceName":"cali97e1defe654","mac":"ee:ee:ee:ee:ee:ee","ipv4Nets":["192.168.162.134/32"],
            "ipv6Nets":["fd00:10:244:0:586d:4461:e980:a284/128"],"bgpPeerName":"test-global-peer-with-filter","x":1}"#;
        let status = EndpointStatus::from_json(text).unwrap();
        assert_eq!(&*status.interface, "cali97e1defe654");
        assert_eq!(status.bgp_peer.as_deref(), Some("test-global-peer-with-filter"));
        assert_eq!(status.ipv4[0].to_string(), "192.168.162.134/32");
        assert_eq!(status.ipv6[0].to_string(), "fd00:10:244:0:586d:4461:e980:a284/128");
        let bare = EndpointStatus::from_json(r#"{"ifaceName":"cali1","ipv4Nets":null,"bgpPeerName":""}"#).unwrap();
        assert_eq!((bare.ipv4.len(), bare.bgp_peer, bare.mac), (0, None, None));
    }

    #[test]
    fn wrong_files() {
        for (text, want) in [
            (
                "{",
                "no valid JSON: EOF while parsing an object at line 1 column 1; Felix writes this file, restart calico-node",
            ),
            ("[]", "the file: write a map of fields"),
            ("{}", "ifaceName: write the name of the interface"),
            (r#"{"ifaceName":1}"#, "ifaceName: write text"),
            (r#"{"ifaceName":"a","ipv4Nets":"x"}"#, "ipv4Nets: write a list"),
            (
                r#"{"ifaceName":"a","ipv4Nets":["192.0.2.1/32","fd00::1/128"]}"#,
                r#"ipv4Nets[1]: "\"fd00::1/128\"" is no address of this version with a length, such as 192.0.2.7/32"#,
            ),
        ] {
            assert_eq!(EndpointStatus::from_json(text).unwrap_err().to_string(), want);
        }
    }
}
