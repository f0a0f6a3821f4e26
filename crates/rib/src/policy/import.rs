//! Import: what becomes of a route between Adj-RIB-In and Loc-RIB.
//!
//! The order is that of FRR: AS numbers of `local_as` first, so that policies see the path as others will; then the
//! policy; then GRACEFUL_SHUTDOWN, which no policy undoes by accident.

use heddle_bgp_core::Asn;
use heddle_bgp_core::attr::{AttrCode, Community};

use super::community::{self, Standard};
use super::definition::{PolicyChain, Verdict};
use super::eval::{EvalContext, EvalScratch, add_community, prepend};
use super::guard::{Guard, Refusal};
use super::overlay::Overlay;
use crate::route::{RouteView, SourceKind};

/// What the import of one peer's routes depends on. Equal settings give equal results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSettings {
    /// What is refused before any policy; none for internal peers, and for external ones in a fabric.
    pub guard: Option<Guard>,
    /// The policies, [resolved](PolicyChain::resolve) for the peer.
    pub policy: PolicyChain,
    /// The AS that received paths get in front: the peer's `local_as` unless it says no-prepend.
    pub prepend: Option<Asn>,
    /// What GRACEFUL_SHUTDOWN from an external peer does.
    pub graceful_shutdown: GracefulShutdown,
    /// What evaluation knows beside the route.
    pub context: EvalContext,
}

/// What GRACEFUL_SHUTDOWN (RFC 8326) from an external peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GracefulShutdown {
    /// LOCAL_PREF becomes 0 (RFC 8326 §4.2).
    Honor,
    /// Nothing.
    Ignore,
    /// All routes of the peer get a LOCAL_PREF of 0 and the community: its session is about to end (RFC 8326 §3.1).
    Drain,
}

/// The outcome of import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported<'s> {
    /// Accepted as it came.
    Unchanged,
    /// Accepted with these attributes, a canonical block.
    Changed(&'s [u8]),
    /// Rejected.
    Rejected,
    /// Refused by the guard (RFC 7454 §6).
    Refused(Refusal),
}

/// Buffers that import reuses; the block of [`Imported::Changed`] lies here.
#[derive(Clone, Debug, Default)]
pub struct ImportScratch {
    eval: EvalScratch,
    out: Vec<u8>,
}

impl ImportSettings {
    /// Everything is accepted as it comes, as from an internal peer without policy.
    #[must_use]
    pub fn accept_all() -> Self {
        Self::unconditional(PolicyChain::accept_all())
    }

    /// Nothing is accepted, as from an external peer without policy (RFC 8212 §3).
    #[must_use]
    pub fn reject_all() -> Self {
        Self::unconditional(PolicyChain::reject_all())
    }

    fn unconditional(policy: PolicyChain) -> Self {
        let context = EvalContext { own_asn: Asn(0), self_next_hop: None };
        Self { guard: None, policy, prepend: None, graceful_shutdown: GracefulShutdown::Honor, context }
    }

    /// Whether the outcome may be remembered by attributes alone, for the routes of one source and family.
    #[must_use]
    pub fn depends_on_prefix(&self) -> bool {
        self.guard.is_some() || self.policy.depends_on_prefix()
    }
}

/// Imports a route: pure, the same input gives the same outcome.
pub fn import<'s>(settings: &ImportSettings, route: &RouteView<'_>, scratch: &'s mut ImportScratch) -> Imported<'s> {
    if let Some(refusal) = settings.guard.as_ref().and_then(|g| g.refuses(route.prefix, route.next_hop())) {
        return Imported::Refused(refusal);
    }
    if settings.policy.is_reject_all() {
        return Imported::Rejected;
    }
    let mut overlay = Overlay::new(route.block);
    let external = route.source.kind == SourceKind::Ebgp;
    if let Some(asn) = settings.prepend.filter(|_| external) {
        prepend(&mut overlay, asn, 1);
    }
    match settings.policy.evaluate(route, &mut overlay, &settings.context, &mut scratch.eval) {
        Verdict::Reject => return Imported::Rejected,
        Verdict::Accept => {}
    }
    if settings.graceful_shutdown == GracefulShutdown::Drain {
        overlay.set_number(AttrCode::LOCAL_PREF, 0);
        add_community(&mut overlay, Community::GRACEFUL_SHUTDOWN);
    }
    // RFC 8326 §4.2: routes from an external session that carry the community get a LOCAL_PREF of 0. It is looked for
    // in what the peer sent: a policy that cleans communities does not hide it.
    if external && settings.graceful_shutdown == GracefulShutdown::Honor && has_graceful_shutdown(route) {
        overlay.set_number(AttrCode::LOCAL_PREF, 0);
    }
    if !overlay.is_changed() {
        return Imported::Unchanged;
    }
    match overlay.write_to(&mut scratch.out) {
        Ok(()) if scratch.out == route.block.0 => Imported::Unchanged,
        Ok(()) => Imported::Changed(&scratch.out),
        Err(super::overlay::BlockTooLong) => Imported::Rejected,
    }
}

fn has_graceful_shutdown(route: &RouteView<'_>) -> bool {
    let value = route.block.get(AttrCode::COMMUNITIES).map_or(&[][..], |a| a.value);
    community::values::<Standard>(value).any(|v| Community(u32::from_be_bytes(v)) == Community::GRACEFUL_SHUTDOWN)
}
