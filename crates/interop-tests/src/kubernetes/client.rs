//! The test's own hand in a cluster: plain requests, as documented for the API.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::Request;
use ureq::{BodyReader, SendBody};

use crate::http::{self, Answer, Tls};
use crate::tls::Authority;

/// Who wrote a field, as the API server keeps it.
const FIELD_MANAGER: &str = "heddle-tests";

/// How many requests are under way at the same time when there are many.
const WORKERS: usize = 8;

/// A client with a token.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    url: String,
    authorization: String,
    kinds: Mutex<BTreeMap<(String, String), Resource>>,
}

/// Where the objects of a kind are.
#[derive(Clone, Debug)]
struct Resource {
    plural: String,
    namespaced: bool,
    has_status: bool,
}

impl Client {
    /// A client of the server at `url`.
    #[must_use]
    pub fn new(url: &str, token: &str, authority: &Authority) -> Self {
        Self::with_timeout(url, token, authority, http::TIMEOUT)
    }

    /// [`Client::new`] that waits at most this long for an answer.
    #[must_use]
    pub fn with_timeout(url: &str, token: &str, authority: &Authority, timeout: Duration) -> Self {
        let agent = http::agent(&Tls::Authority { authority, client: None }, timeout);
        let authorization = format!("Bearer {token}");
        Self { agent, url: url.to_owned(), authorization, kinds: Mutex::default() }
    }

    /// One request; any status code is an answer. The body has its content type with it.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn call(&self, method: &str, path: &str, body: Option<(&str, &str)>) -> Result<Answer, String> {
        let headers = [("Authorization", self.authorization.as_str()), ("Accept", "application/json")];
        http::call(&self.agent, method, &format!("{}{path}", self.url), &headers, body)
    }

    /// What is at a path.
    ///
    /// # Errors
    /// What came instead.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.call("GET", path, None)?.success().map_err(|error| format!("GET {path}: {error}"))
    }

    /// Creates an object below a path.
    ///
    /// # Errors
    /// What came instead of its creation.
    pub fn post(&self, path: &str, object: &Value) -> Result<Value, String> {
        let answer = self.call("POST", path, Some(("application/json", &object.to_string())))?;
        answer.success().map_err(|error| format!("POST {path}: {error}"))
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// What came instead.
    pub fn put(&self, path: &str, object: &Value) -> Result<Value, String> {
        let answer = self.call("PUT", path, Some(("application/json", &object.to_string())))?;
        answer.success().map_err(|error| format!("PUT {path}: {error}"))
    }

    /// Changes an object by a merge patch (RFC 7386).
    ///
    /// # Errors
    /// What came instead.
    pub fn merge(&self, path: &str, patch: &Value) -> Result<Value, String> {
        let answer = self.call("PATCH", path, Some(("application/merge-patch+json", &patch.to_string())))?;
        answer.success().map_err(|error| format!("PATCH {path}: {error}"))
    }

    /// Deletes an object, or all below a path.
    ///
    /// # Errors
    /// What came instead.
    pub fn delete(&self, path: &str) -> Result<Value, String> {
        self.call("DELETE", path, None)?.success().map_err(|error| format!("DELETE {path}: {error}"))
    }

    /// Applies manifests (YAML, any number of documents, lists too) as `kubectl apply --server-side` does, status included.
    ///
    /// # Errors
    /// The first that was refused, and why.
    pub fn apply(&self, manifests: &str) -> Result<Vec<Value>, String> {
        parse(manifests).iter().map(|object| self.apply_object(object)).collect()
    }

    /// Applies one object; its status too where that is written apart.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn apply_object(&self, object: &Value) -> Result<Value, String> {
        let path = self.path(object)?;
        let patch = |path: &str, body: &Value| {
            let path = format!("{path}?fieldManager={FIELD_MANAGER}&force=true");
            let answer = self.call("PATCH", &path, Some(("application/apply-patch+yaml", &body.to_string())))?;
            answer.success().map_err(|error| format!("{path}: {error}"))
        };
        let applied = patch(&path, object)?;
        let Some(status) = object.get("status").filter(|_| self.resource(object).is_ok_and(|found| found.has_status))
        else {
            return Ok(applied);
        };
        let of = |key: &str| object.get(key).cloned().unwrap_or_default();
        let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
        let body = json!({
            "apiVersion": of("apiVersion"), "kind": of("kind"), "metadata": {"name": name}, "status": status,
        });
        patch(&format!("{path}/status"), &body)
    }

    /// Applies many objects, some at a time.
    ///
    /// # Errors
    /// One of the refusals.
    pub fn apply_all(&self, objects: &[Value]) -> Result<(), String> {
        let share = objects.len().div_ceil(WORKERS).max(1);
        thread::scope(|scope| {
            let work = |objects: &[Value]| objects.iter().try_for_each(|object| self.apply_object(object).map(|_| ()));
            let workers: Vec<_> = objects.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
        })
    }

    /// Deletes the object that a manifest describes.
    ///
    /// # Errors
    /// What came instead.
    pub fn delete_object(&self, object: &Value) -> Result<Value, String> {
        self.delete(&self.path(object)?)
    }

    /// The path of an object: `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME`, from what the server says of its kinds.
    ///
    /// # Errors
    /// When the server does not have this kind.
    pub fn path(&self, object: &Value) -> Result<String, String> {
        let resource = self.resource(object)?;
        let name = text(object, "/metadata/name");
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
        let within = if resource.namespaced { format!("/namespaces/{namespace}") } else { String::new() };
        Ok(format!("{}{within}/{}/{name}", group(text(object, "/apiVersion")), resource.plural))
    }

    fn resource(&self, object: &Value) -> Result<Resource, String> {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let key = (version.to_owned(), kind.to_owned());
        let known = || self.kinds.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(resource) = known() {
            return Ok(resource);
        }
        let listed = self.get(&group(version))?;
        let resources = listed.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = resources.iter().map(|resource| text(resource, "/name")).collect();
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in resources {
            let plural = text(resource, "/name");
            if plural.contains('/') {
                continue;
            }
            let found = Resource {
                plural: plural.to_owned(),
                namespaced: resource.get("namespaced").and_then(Value::as_bool).unwrap_or(false),
                has_status: names.contains(&format!("{plural}/status").as_str()),
            };
            kinds.insert((version.to_owned(), text(resource, "/kind").to_owned()), found);
        }
        kinds.get(&key).cloned().ok_or_else(|| format!("the server has no {kind} of {version}: {names:?}"))
    }

    /// Sends what a reader brings.
    ///
    /// # Errors
    /// What came instead of an answer.
    pub fn upload(&self, path: &str, body: impl Read + 'static) -> Result<u16, String> {
        let request = Request::post(format!("{}{path}", self.url)).header("Authorization", &self.authorization);
        let request = request.header("Content-Type", "application/json").body(SendBody::from_owned_reader(body));
        let answer = self.agent.run(request.map_err(|error| error.to_string())?);
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    }

    /// Watches what is at a path (with its query, if it has one) from a version on; the server ends the watch after `seconds`.
    ///
    /// # Errors
    /// What came instead of events.
    pub fn watch(&self, path: &str, version: &str, seconds: u32) -> Result<Watch, String> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let watch = format!("watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}");
        let url = format!("{}{path}{sign}{watch}", self.url);
        let request = Request::get(&url).header("Authorization", &self.authorization);
        let request = request.body(()).map_err(|error| error.to_string())?;
        let limit = Duration::from_secs(u64::from(seconds) + 30);
        let request = self.agent.configure_request(request).timeout_global(Some(limit)).build();
        let mut response = self.agent.run(request).map_err(|error| format!("{url}: {error}"))?;
        if !response.status().is_success() {
            let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
            return Err(format!("{url}: {}: {text}", response.status().as_u16()));
        }
        let reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Watch { lines: BufReader::new(reader) })
    }
}

/// The events of a watch, as the server sends them, until it ends. Bookmarks and errors are among them.
pub struct Watch {
    lines: BufReader<BodyReader<'static>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Iterator for Watch {
    type Item = Result<Value, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))),
            Err(error) => Some(Err(error.to_string())),
        }
    }
}

/// The objects of manifests: documents of YAML, lists taken apart.
///
/// # Panics
/// When it is no YAML.
#[must_use]
pub fn parse(manifests: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap_or_else(|error| panic!("{error}"));
    let mut objects = Vec::new();
    for document in documents {
        match document.get("items").and_then(Value::as_array) {
            Some(items) => objects.extend(items.iter().cloned()),
            None if document.is_null() => {}
            None => objects.push(document),
        }
    }
    objects
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn group(version: &str) -> String {
    if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") }
}
