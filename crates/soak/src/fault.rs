//! What is done to a lab.

use std::fmt;

/// Something that goes wrong, or that an operator does, on a host or in the datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A cable is pulled: `A-B`.
    Cut { link: String },
    /// Some of the packets that come to a host are lost.
    Loss { host: String, percent: u64 },
    /// What a host sends comes late.
    Delay { host: String, milliseconds: u64 },
    /// All packets that come to a host are lost, and no carrier tells.
    Silence { host: String },
    /// SIGKILL of what speaks BGP; it is started again at the end.
    Kill { host: String },
    /// SIGTERM, and a start at the end.
    Stop { host: String },
    /// SIGSTOP, and SIGCONT at the end.
    Freeze { host: String },
    /// A session is reset by an operator; `pick` says which.
    Clear { host: String, pick: u64 },
    /// A session's routes are asked for and sent anew.
    Refresh { host: String, pick: u64 },
    /// A session is shut down, and allowed again at the end.
    Down { host: String, pick: u64 },
    /// A node is drained; undone at the end.
    Drain { host: String },
    /// Somebody deletes routes of ours from a kernel; each bit of `pick` stands for one.
    Delete { host: String, pick: u64 },
    /// Somebody changes routes of ours in a kernel.
    Change { host: String, pick: u64 },
    /// A stranger's routes take the places of ours until the end.
    Usurp { host: String, pick: u64 },
    /// A stranger adds and deletes so many routes that no socket holds all news of them.
    Burst { host: String, routes: u64 },
    /// The datastore is not as it should be until the end.
    Datastore(Damage),
    /// A node gets one more block, or loses it again; it stays so.
    Block { host: String },
    /// The file of a reflector changes, and changes back at the end; SIGHUP tells it, both times.
    Reflector { host: String, change: FileChange },
}

/// What happens to the files of the datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// A file ends in its middle: so many of 256 parts are there.
    Half { file: File, parts: u8 },
    /// A file has nothing in it.
    Empty(File),
    /// A file that is no YAML.
    Garbage,
    /// The directory is gone.
    Missing,
    /// A second object with the address of a node.
    Doubled,
    /// Another AS.
    AsNumber,
    /// The mesh beside the reflectors.
    Mesh,
    /// Communities for all routes.
    Communities,
    /// No session with reflectors or switches is configured.
    NoPeers,
}

/// A file of the datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Configuration,
    Pools,
    Nodes,
    Peers,
    Blocks,
}

/// What happens to the file of a reflector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileChange {
    /// It has an error.
    Broken,
    /// Another Hold Time.
    HoldTime,
    /// Another peer, that is not there.
    Peer,
}

impl File {
    pub(crate) const ALL: [Self; 5] = [Self::Configuration, Self::Pools, Self::Nodes, Self::Peers, Self::Blocks];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration.yaml",
            Self::Pools => "pools.yaml",
            Self::Nodes => "nodes.yaml",
            Self::Peers => "peers.yaml",
            Self::Blocks => "blocks.yaml",
        }
    }
}

impl Fault {
    /// What only one fault may have at a time.
    pub(crate) fn holds(&self) -> String {
        match self {
            Self::Cut { link } => format!("link {link}"),
            Self::Loss { host, .. } | Self::Delay { host, .. } | Self::Silence { host } => format!("packets {host}"),
            Self::Kill { host } | Self::Stop { host } | Self::Freeze { host } => format!("process {host}"),
            Self::Clear { host, .. } | Self::Refresh { host, .. } | Self::Down { host, .. } => {
                format!("sessions {host}")
            }
            Self::Drain { host } => format!("drain {host}"),
            Self::Delete { host, .. } | Self::Change { host, .. } | Self::Usurp { host, .. } => {
                format!("kernel {host}")
            }
            Self::Burst { host, .. } => format!("strangers {host}"),
            Self::Datastore(_) | Self::Block { .. } => "datastore".to_owned(),
            Self::Reflector { host, .. } => format!("file {host}"),
        }
    }

    /// Whether it is over as soon as it is done.
    pub(crate) fn is_a_moment(&self) -> bool {
        match self {
            Self::Clear { .. }
            | Self::Refresh { .. }
            | Self::Delete { .. }
            | Self::Change { .. }
            | Self::Burst { .. }
            | Self::Block { .. } => true,
            Self::Cut { .. }
            | Self::Loss { .. }
            | Self::Delay { .. }
            | Self::Silence { .. }
            | Self::Kill { .. }
            | Self::Stop { .. }
            | Self::Freeze { .. }
            | Self::Down { .. }
            | Self::Drain { .. }
            | Self::Usurp { .. }
            | Self::Datastore(_)
            | Self::Reflector { .. } => false,
        }
    }

    /// What it is called in the summary.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Cut { .. } => "link cut",
            Self::Loss { .. } => "packets lost",
            Self::Delay { .. } => "packets late",
            Self::Silence { .. } => "silence",
            Self::Kill { .. } => "SIGKILL",
            Self::Stop { .. } => "planned restart",
            Self::Freeze { .. } => "SIGSTOP",
            Self::Clear { .. } => "session cleared",
            Self::Refresh { .. } => "routes asked for anew",
            Self::Down { .. } => "session shut down",
            Self::Drain { .. } => "node drained",
            Self::Delete { .. } => "our routes deleted",
            Self::Change { .. } => "our routes changed",
            Self::Usurp { .. } => "our places taken",
            Self::Burst { .. } => "burst of others' routes",
            Self::Datastore(damage) => damage.kind(),
            Self::Block { .. } => "block added or removed",
            Self::Reflector { .. } => "reflector's file changed",
        }
    }
}

impl Damage {
    const fn kind(self) -> &'static str {
        match self {
            Self::Half { .. } => "file cut off",
            Self::Empty(_) => "file emptied",
            Self::Garbage => "file of garbage",
            Self::Missing => "datastore gone",
            Self::Doubled => "address twice",
            Self::AsNumber => "another AS",
            Self::Mesh => "mesh switched on",
            Self::Communities => "communities added",
            Self::NoPeers => "peers removed",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Cut { link } => write!(f, ": {link}"),
            Self::Loss { host, percent } => write!(f, ": {percent} % of what comes to {host}"),
            Self::Delay { host, milliseconds } => write!(f, ": {milliseconds} ms from {host}"),
            Self::Silence { host }
            | Self::Kill { host }
            | Self::Stop { host }
            | Self::Freeze { host }
            | Self::Drain { host }
            | Self::Block { host } => write!(f, ": {host}"),
            Self::Clear { host, .. } | Self::Refresh { host, .. } | Self::Down { host, .. } => {
                write!(f, ": on {host}")
            }
            Self::Delete { host, .. } | Self::Change { host, .. } | Self::Usurp { host, .. } => {
                write!(f, ": in the kernel of {host}")
            }
            Self::Burst { host, routes } => write!(f, ": {routes} on {host}"),
            Self::Datastore(Damage::Half { file, parts }) => write!(f, ": {parts}/256 of {}", file.name()),
            Self::Datastore(Damage::Empty(file)) => write!(f, ": {}", file.name()),
            Self::Datastore(_) => Ok(()),
            Self::Reflector { host, change } => write!(f, ": {change:?} of {host}"),
        }
    }
}
