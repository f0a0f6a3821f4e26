//! From the text of a file to a [`Config`].
//!
//! Nothing stops at the first error: what is wrong is recorded with its place, and the rest is read on.

mod authentication;
mod confinement;
mod fib;
mod guard;
mod names;
mod network;
mod peer;
mod peers;
mod policy;
mod reader;
mod router;
mod source;

use toml::de::DeTable;

use crate::error::{ConfigErrors, Problem};
use crate::schema::Table;
use crate::value::{Api, Config, Log, Router};
use names::Names;
use reader::Reader;
use source::Source;
pub use source::{CheckExpression, ExpressionError};

impl Config {
    /// Reads a configuration file. `file` is its name, for messages; nothing else is read, not even the files that the
    /// text names.
    ///
    /// # Errors
    /// Everything that is wrong with the text, in the order of the text, each with its place and a remedy.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ConfigErrors> {
        Self::from_toml_with(text, file, &|_| Ok(()))
    }

    /// [`from_toml`](Self::from_toml), with every AS_PATH expression shown to `check`, which compiles it: an error comes
    /// out with its line and column among the others.
    ///
    /// # Errors
    /// Likewise.
    pub fn from_toml_with(text: &str, file: &str, check: CheckExpression<'_>) -> Result<Self, ConfigErrors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = Source::new(file, text, check);
        let (root, syntax) = DeTable::parse_recoverable(text);
        for error in &syntax {
            let span = error.span().unwrap_or(0..0);
            source.error(span, Problem::Syntax { reason: error.message().replace('\n', "; ") });
        }
        if source.has_errors() {
            // What the parser recovered would only bring errors that are none.
            return Err(ConfigErrors(source.into_errors()));
        }
        let config = document(&Reader::new(&source, Table::Root, root.get_ref(), 0..0));
        match config {
            Some(config) if !source.has_errors() => Ok(config),
            Some(_) | None => Err(ConfigErrors(source.into_errors())),
        }
    }
}

/// The whole file; none where `[router]` is unusable.
fn document(root: &Reader<'_, '_>) -> Option<Config> {
    let router = root.get("router").map_or_else(
        || {
            root.missing("router");
            None
        },
        |_| root.sub_table("router", Table::Router),
    );
    let router: Option<Router> = router.and_then(|r| router::router(&r));
    let api: Api = root.sub_table("api", Table::Api).map(|r| router::api(&r)).unwrap_or_default();
    let log: Log = root.sub_table("log", Table::Log).map(|r| router::log(&r)).unwrap_or_default();
    let confinement = root.sub_table("confinement", Table::Confinement);
    let confinement = confinement.map(|r| confinement::confinement(&r)).unwrap_or_default();
    let names = Names::collect(root);
    let prefix_sets = policy::prefix_sets(root);
    let community_sets = policy::community_sets(root);
    let as_path_sets = policy::as_path_sets(root);
    let policies = policy::policies(root, &names);
    let networks = network::networks(root);
    let fib = root.sub_table("fib", Table::Fib).map(|r| fib::fib(&r));
    // Peers are checked against the router; without one a stand-in still finds their other errors.
    let known = router.clone().unwrap_or_else(|| Router::new(heddle_bgp_core::Asn(0), heddle_bgp_core::BgpId(0)));
    let peers::Peers { peer_groups, listen_ranges, peers } = peers::peers(root, &known, &names);
    Some(Config {
        router: router?,
        api,
        log,
        confinement,
        prefix_sets,
        community_sets,
        as_path_sets,
        policies,
        peer_groups,
        listen_ranges,
        peers,
        networks,
        fib,
    })
}
