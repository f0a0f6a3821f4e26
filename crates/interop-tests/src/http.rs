//! HTTP as the tests speak it with an API server and with etcd: one call, one answer, JSON.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::http::Request;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::tls::{Authority, Issued};

/// Nothing that is asked here takes as long as this on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// An API server's answer to a list of thousands of objects is well below.
const LARGEST_ANSWER: u64 = 256 << 20;

/// Whom an agent believes, and who it is.
#[derive(Debug)]
pub enum Tls<'a> {
    /// No TLS.
    None,
    /// TLS with servers of this authority, with a certificate of the client where one is asked for.
    Authority {
        /// Who vouches for servers.
        authority: &'a Authority,
        /// Who the client is.
        client: Option<Issued>,
    },
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body; text that is no JSON is a string.
    pub body: Value,
}

impl Answer {
    /// The body of an answer that says success.
    ///
    /// # Errors
    /// Status code and body of another.
    pub fn success(self) -> Result<Value, String> {
        if (200..300).contains(&self.status) { Ok(self.body) } else { Err(format!("{}: {}", self.status, self.body)) }
    }
}

/// An agent with connections of its own, that waits this long for a whole answer.
///
/// # Panics
/// When a certificate cannot be read.
#[must_use]
pub fn agent(tls: &Tls<'_>, timeout: Duration) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .max_idle_connections_per_host(16);
    if let Tls::Authority { authority, client } = tls {
        let root = Certificate::from_pem(authority.pem().as_bytes()).expect("a certificate that we made can be read");
        let client = client.as_ref().map(|client| ClientCert::new_with_certs(&certificates(client), key(client)));
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[root]))
            .client_cert(client)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        config = config.tls_config(tls);
    }
    config.build().new_agent()
}

fn certificates(issued: &Issued) -> Vec<Certificate<'static>> {
    parse_pem(issued.certificate.as_bytes())
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect()
}

fn key(issued: &Issued) -> PrivateKey<'static> {
    PrivateKey::from_pem(issued.key.as_bytes()).expect("a key that we made can be read")
}

/// Calls a URL; the body has its content type with it.
///
/// # Errors
/// What came instead of an answer.
pub fn call(
    agent: &ureq::Agent,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<(&str, &str)>,
) -> Result<Answer, String> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let failed = |error: &dyn std::fmt::Display| format!("{method} {url}: {error}");
    let response = match body {
        None => agent.run(request.body(()).map_err(|error| failed(&error))?),
        Some((kind, text)) => {
            let request = request.header("Content-Type", kind).body(text.to_owned());
            agent.run(request.map_err(|error| failed(&error))?)
        }
    };
    let mut response = response.map_err(|error| failed(&error))?;
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string();
    let text = text.map_err(|error| failed(&error))?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, body })
}
