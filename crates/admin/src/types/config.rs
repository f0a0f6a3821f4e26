//! The running configuration and its change.

use std::borrow::Cow;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::{PeerAddress, WallTime};

/// `GET /v1/config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningConfig {
    /// Path of the file that it came from.
    pub file: Option<String>,
    /// When it was applied.
    pub applied_at: WallTime,
    /// The running configuration as TOML, secrets left out.
    pub toml: String,
}

/// A configuration to compare or apply: body of `POST /v1/config/diff` and `POST /v1/config/apply`.
///
/// Without a text the daemon reads its own file anew, as on SIGHUP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigSource {
    /// The text in TOML.
    pub toml: Option<String>,
    /// What messages call the text: the path of its file.
    pub file: Option<String>,
}

/// Answer of `GET` and `POST /v1/config/diff`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigDiff {
    /// What would change; empty when both are the same.
    pub changes: Vec<ConfigChange>,
    /// Configured peers whose session would be reset, by address.
    pub resets: Vec<PeerAddress>,
    /// Listen ranges whose peers' sessions would be reset.
    pub reset_ranges: Vec<IpNetwork>,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
}

/// Answer of `POST /v1/config/apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigApplied {
    /// When it was applied.
    pub applied_at: WallTime,
    /// What changed.
    #[serde(flatten)]
    pub diff: ConfigDiff,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// What it belongs to: `router`, `api`, `log`, `peer`, `listen range`, `policy`, `prefix set`, `community set`,
    /// `set of AS_PATH expressions`, `network`.
    pub subject: Cow<'static, str>,
    /// Address, prefix or name of the subject, where there can be several.
    pub name: Option<String>,
    /// The key, as in the file; empty when the subject as a whole comes or goes.
    pub key: String,
    /// The peer, where the subject is one.
    pub peer: Option<PeerAddress>,
    /// When it acts.
    pub effect: ChangeEffect,
    /// Value before; none for something new.
    pub old: Option<String>,
    /// Value after; none for something removed.
    pub new: Option<String>,
}

/// When a change acts, in rising order of what it disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeEffect {
    /// At once, without a trace on the wire.
    Immediate,
    /// With the next session of the peer.
    NextSession,
    /// Routes are evaluated or sent anew.
    Refresh,
    /// The session is reset.
    Reset,
    /// Only a restart of the daemon brings it.
    Restart,
}
