//! Route policy: what import and export change, let through and hold back.
//!
//! A [`PolicyChain`] is evaluated over a route: its [`Policy`]s in order, in each the [`Rule`]s in order. A rule whose
//! matches all hold does its actions, then accepts, rejects, goes on with the next rule or with the next policy. The
//! changes of a rule are seen by the matches after it. A peer without policy has
//! [`PolicyChain::without_policy`]: external peers exchange nothing (RFC 8212), internal peers everything.
//!
//! Definitions come from whoever reads a configuration: [`PolicySetBuilder`] checks names, the constructors of
//! [`PrefixRange`], [`AsPathRegex`], [`CommunityList`] and [`CommunityEdit`] check texts, and every [`PolicyError`] says
//! what was expected and at which column.
//!
//! ```
//! use heddle_rib::policy::{Action, AsPathRegex, Match, NumberEdit, Policy, PolicySet, PrefixRange, PrefixSet, Rule, Then};
//! # fn main() -> Result<(), heddle_rib::policy::PolicyError> {
//! let ours: PrefixSet = [PrefixRange::parse("10.0.0.0/8 le 24")?].into_iter().collect();
//! let policy = Policy {
//!     name: "from-rack".into(),
//!     rules: vec![Rule {
//!         matches: vec![Match::Prefix(ours.into()), Match::AsPath([AsPathRegex::new("_65001$")?].into())],
//!         actions: vec![Action::LocalPref(NumberEdit::Set(200))],
//!         then: Then::Accept,
//!     }],
//!     default: Then::Reject,
//! };
//! let set = PolicySet::builder().policy(policy)?.build();
//! let chain = set.chain(["from-rack"])?;
//! assert!(chain.depends_on_prefix());
//! # Ok(())
//! # }
//! ```

pub mod as_path;
pub mod community;
pub mod definition;
mod error;
pub mod eval;
pub mod guard;
pub mod import;
pub mod interface;
pub mod overlay;
pub mod prefix_set;
mod set;

pub use as_path::AsPathRegex;
pub use community::{CommunityList, Extended, Large, Quantifier, Span, Standard};
pub use definition::{
    Action, CommunityEdit, Match, NextHopEdit, NumberEdit, PeerContext, Policy, PolicyChain, RouteType, Rule, Then,
    Verdict,
};
pub use error::{PolicyError, PolicyField};
pub use eval::{EvalContext, EvalScratch};
pub use guard::{Guard, GuardCounts, Refusal};
pub use heddle_bgp_core::attr::Origin;
pub use import::{GracefulShutdown, ImportScratch, ImportSettings, Imported, import};
pub use interface::InterfacePattern;
pub use overlay::Overlay;
pub use prefix_set::{PrefixRange, PrefixSet};
pub use set::{PolicySet, PolicySetBuilder};
