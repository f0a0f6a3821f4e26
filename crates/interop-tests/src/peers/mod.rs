//! The daemons: how each is started and asked.

pub mod bird;
pub mod exabgp;
pub mod frr;
pub mod gobgp;
pub mod heddle;
pub mod openbgpd;

use std::time::Duration;

use serde_json::Value;

use crate::view::{Family, Field, Route, Session};
use crate::wait::{PATIENCE, ensure, wait_for};

/// What every daemon can be asked.
pub trait Daemon {
    /// The host's name, for messages.
    fn name(&self) -> &str;

    /// The session with the peer at `peer`.
    ///
    /// # Errors
    /// What came instead of an answer.
    fn session(&self, peer: &str) -> Result<Session, String>;

    /// All BGP routes that it learned and accepted, all paths of them.
    ///
    /// # Errors
    /// What came instead of an answer.
    fn routes(&self, family: Family) -> Result<Vec<Route>, String>;

    /// The attributes that its answers do not show.
    fn blind_to(&self) -> &'static [Field];

    /// The paths of one prefix.
    ///
    /// # Errors
    /// What came instead of an answer.
    fn paths(&self, prefix: &str) -> Result<Vec<Route>, String> {
        let family = if prefix.contains(':') { Family::Ipv6 } else { Family::Ipv4 };
        let mut routes = self.routes(family)?;
        routes.retain(|route| route.prefix == prefix);
        Ok(routes)
    }

    /// Waits until the session is Established, and returns it.
    #[track_caller]
    fn wait_established(&self, peer: &str) -> Session {
        wait_for(&format!("{}: the session with {peer} is Established", self.name()), PATIENCE, || {
            let session = self.session(peer)?;
            if session.established { Ok(session) } else { Err(format!("{session:?}")) }
        })
    }

    /// Waits until the session is not Established.
    #[track_caller]
    fn wait_down(&self, peer: &str) {
        wait_for(&format!("{}: the session with {peer} is down", self.name()), PATIENCE, || {
            let session = self.session(peer)?;
            ensure(!session.established, || format!("{session:?}"))
        });
    }

    /// Waits until the prefix has exactly one path, and returns it.
    #[track_caller]
    fn wait_route(&self, prefix: &str) -> Route {
        wait_for(&format!("{}: one path to {prefix}", self.name()), PATIENCE, || {
            let mut paths = self.paths(prefix)?;
            match (paths.pop(), paths.is_empty()) {
                (Some(route), true) => Ok(route),
                (Some(_), false) => Err(format!("{} paths", paths.len() + 1)),
                (None, _) => Err(format!("none; it has {}", self.prefixes())),
            }
        })
    }

    /// Waits until there is no path to the prefix.
    #[track_caller]
    fn wait_no_route(&self, prefix: &str) {
        wait_for(&format!("{}: no path to {prefix}", self.name()), PATIENCE, || {
            let paths = self.paths(prefix)?;
            ensure(paths.is_empty(), || format!("{paths:#?}"))
        });
    }

    /// All prefixes, for messages.
    fn prefixes(&self) -> String {
        let mut all = Vec::new();
        for family in Family::ALL {
            match self.routes(family) {
                Ok(routes) => all.extend(routes.into_iter().map(|route| route.prefix)),
                Err(error) => all.push(error),
            }
        }
        format!("[{}]", all.join(", "))
    }
}

/// The time that a daemon gets to answer its control socket after its start.
const START: Duration = Duration::from_secs(30);

/// Parses JSON that a daemon printed.
fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON ({error}): {text}"))
}

/// A string member, or empty.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A number member that fits 32 bits.
fn number(value: &Value, key: &str) -> Option<u32> {
    value.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

/// The members of an array member.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The strings of an array member.
fn strings(value: &Value, key: &str) -> Vec<String> {
    list(value, key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A flag member; absent is false.
fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}
