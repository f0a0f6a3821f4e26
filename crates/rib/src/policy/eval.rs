//! Evaluation of a policy chain over a route. Nothing is allocated while nothing changes: the text of the AS_PATH, for
//! regular expressions, is written into a buffer that is reused.

use heddle_bgp_core::attr::{AsPathView, AttrCode, Community, NextHop};
use heddle_bgp_core::{Asn, Prefix};

use super::as_path;
use super::community::{self, CommunityKind, Standard};
use super::definition::{
    Action, CommunityEdit, Match, NextHopEdit, Policy, PolicyChain, RouteType, Rule, Then, Verdict,
};
use super::overlay::{MedOrigin, NextHopChoice, Overlay};
use crate::route::RouteView;

/// LOCAL_PREF of a route that has none (RFC 4271 §5.1.5 leaves it to the speaker; all daemons take 100).
pub const DEFAULT_LOCAL_PREF: u32 = 100;

/// What evaluation knows beside the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvalContext {
    /// Our AS toward the peer, for `prepend`.
    pub own_asn: Asn,
    /// Our own next hop toward the peer, for next hop self on import; on export the export rules fill it in.
    pub self_next_hop: Option<NextHop>,
}

/// Buffers that evaluation reuses.
#[derive(Clone, Debug, Default)]
pub struct EvalScratch {
    path_text: String,
    path_text_valid: bool,
}

impl PolicyChain {
    /// Evaluates the chain; `overlay` is the route's block and takes the changes. After a rejection the changes mean
    /// nothing.
    pub fn evaluate(
        &self,
        route: &RouteView<'_>,
        overlay: &mut Overlay<'_>,
        ctx: &EvalContext,
        scratch: &mut EvalScratch,
    ) -> Verdict {
        scratch.path_text_valid = false;
        for policy in self.policies() {
            match policy.evaluate(route, overlay, ctx, scratch) {
                Then::Accept => return Verdict::Accept,
                Then::Reject => return Verdict::Reject,
                Then::NextRule | Then::NextPolicy => {}
            }
        }
        self.end()
    }
}

impl Policy {
    fn evaluate(
        &self,
        route: &RouteView<'_>,
        overlay: &mut Overlay<'_>,
        ctx: &EvalContext,
        scratch: &mut EvalScratch,
    ) -> Then {
        for rule in &self.rules {
            match rule.evaluate(route, overlay, ctx, scratch) {
                Then::NextRule => {}
                decided @ (Then::Accept | Then::Reject | Then::NextPolicy) => return decided,
            }
        }
        self.default
    }
}

impl Rule {
    fn evaluate(
        &self,
        route: &RouteView<'_>,
        overlay: &mut Overlay<'_>,
        ctx: &EvalContext,
        scratch: &mut EvalScratch,
    ) -> Then {
        if !self.matches.iter().all(|m| m.holds(route, overlay, scratch)) {
            return Then::NextRule;
        }
        // A route that is rejected needs no changes.
        if self.then != Then::Reject {
            for action in &self.actions {
                action.apply(overlay, ctx);
                if matches!(action, Action::PrependOwn(_) | Action::Prepend(_)) {
                    scratch.path_text_valid = false;
                }
            }
        }
        self.then
    }
}

impl Match {
    fn holds(&self, route: &RouteView<'_>, overlay: &Overlay<'_>, scratch: &mut EvalScratch) -> bool {
        let value = |code| overlay.value(code).unwrap_or_default();
        let path = || AsPathView(value(AttrCode::AS_PATH));
        match self {
            Self::Prefix(set) => set.matches(route.prefix),
            Self::Communities(list) => list.matches(value(AttrCode::COMMUNITIES)),
            Self::ExtendedCommunities(list) => list.matches(value(AttrCode::EXTENDED_COMMUNITIES)),
            Self::LargeCommunities(list) => list.matches(value(AttrCode::LARGE_COMMUNITIES)),
            Self::AsPath(list) => {
                if !scratch.path_text_valid {
                    as_path::write_text(path().0, &mut scratch.path_text);
                    scratch.path_text_valid = true;
                }
                list.iter().any(|regex| regex.matches(&scratch.path_text))
            }
            Self::AsPathLength(span) => span.contains(u32::try_from(path().hops()).unwrap_or(u32::MAX)),
            Self::OriginAs(list) => path().origin_as().is_some_and(|asn| list.contains(&asn)),
            Self::FirstAs(list) => path().neighbor_as().is_some_and(|asn| list.contains(&asn)),
            Self::NextHop(set) => overlay.next_hop().is_some_and(|n| set.matches_addr(n.addr())),
            Self::Origin(origin) => overlay.value(AttrCode::ORIGIN) == Some(&[*origin as u8]),
            Self::Med(span) => overlay.number(AttrCode::MULTI_EXIT_DISC).is_some_and(|n| span.contains(n)),
            Self::LocalPref(span) => span.contains(overlay.number(AttrCode::LOCAL_PREF).unwrap_or(DEFAULT_LOCAL_PREF)),
            // Resolved before evaluation; without a peer they hold for none.
            Self::PeerAddress(_) | Self::PeerGroup(_) | Self::PeerAs(_) => false,
            Self::Family(family) => route.prefix.family() == *family,
            Self::RouteType(kind) => RouteType::of(route.source.kind) == *kind,
            Self::Interface(list) => {
                route.block.interface().is_some_and(|name| list.iter().any(|pattern| pattern.matches(name)))
            }
            Self::Not(inner) => !inner.holds(route, overlay, scratch),
            Self::AnyOf(list) => list.iter().any(|m| m.holds(route, overlay, scratch)),
            Self::AllOf(list) => list.iter().all(|m| m.holds(route, overlay, scratch)),
        }
    }
}

impl Action {
    fn apply(&self, overlay: &mut Overlay<'_>, ctx: &EvalContext) {
        match self {
            Self::LocalPref(edit) => {
                let now = overlay.number(AttrCode::LOCAL_PREF).unwrap_or(DEFAULT_LOCAL_PREF);
                overlay.set_number(AttrCode::LOCAL_PREF, edit.apply(now));
            }
            Self::Med(edit) => {
                let now = overlay.number(AttrCode::MULTI_EXIT_DISC).unwrap_or(0);
                overlay.set_number(AttrCode::MULTI_EXIT_DISC, edit.apply(now));
                overlay.med_origin = MedOrigin::Policy;
            }
            Self::RemoveMed => overlay.remove(AttrCode::MULTI_EXIT_DISC),
            Self::Origin(origin) => overlay.set(AttrCode::ORIGIN, &[*origin as u8]),
            Self::NextHop(edit) => set_next_hop(overlay, *edit, ctx),
            Self::Communities(edit) => edit_communities(overlay, AttrCode::COMMUNITIES, edit),
            Self::ExtendedCommunities(edit) => edit_communities(overlay, AttrCode::EXTENDED_COMMUNITIES, edit),
            Self::LargeCommunities(edit) => edit_communities(overlay, AttrCode::LARGE_COMMUNITIES, edit),
            Self::PrependOwn(times) => prepend(overlay, ctx.own_asn, *times),
            Self::Prepend(asns) => asns.iter().rev().for_each(|asn| prepend(overlay, *asn, 1)),
        }
    }
}

/// Prepends an AS number in the overlay's AS_PATH (RFC 4271 §5.1.2).
pub(crate) fn prepend(overlay: &mut Overlay<'_>, asn: Asn, times: u8) {
    let mut path = AsPathView(overlay.value(AttrCode::AS_PATH).unwrap_or_default()).to_owned();
    path.prepend(asn, usize::from(times));
    overlay.set(AttrCode::AS_PATH, path.octets());
}

/// Adds a standard community, unless it is there.
pub(crate) fn add_community(overlay: &mut Overlay<'_>, community: Community) {
    add_values::<Standard>(overlay, AttrCode::COMMUNITIES, &[community.0.to_be_bytes()]);
}

fn set_next_hop(overlay: &mut Overlay<'_>, edit: NextHopEdit, ctx: &EvalContext) {
    match (edit, ctx.self_next_hop) {
        (NextHopEdit::Address(addr), _) => {
            overlay.set_next_hop(match addr {
                std::net::IpAddr::V4(a) => NextHop::V4(a),
                std::net::IpAddr::V6(a) => NextHop::V6(a),
            });
            overlay.next_hop_choice = NextHopChoice::Fixed;
        }
        (NextHopEdit::Unchanged, _) => overlay.next_hop_choice = NextHopChoice::Fixed,
        (NextHopEdit::SelfAddress, own) => {
            if let Some(own) = own {
                overlay.set_next_hop(own);
            }
            overlay.next_hop_choice = NextHopChoice::SelfAddress;
        }
    }
}

fn edit_communities<K: CommunityKind>(overlay: &mut Overlay<'_>, code: AttrCode, edit: &CommunityEdit<K>) {
    match edit {
        CommunityEdit::Set(values) => {
            overlay.remove(code);
            add_values::<K>(overlay, code, values);
        }
        CommunityEdit::Add(values) => add_values::<K>(overlay, code, values),
        CommunityEdit::Remove(patterns) => {
            let now = overlay.value(code).unwrap_or_default();
            let gone = |v: K::Value| patterns.iter().any(|p| p.matches(v));
            if community::values::<K>(now).any(gone) {
                let mut kept = Vec::with_capacity(now.len());
                for v in community::values::<K>(now).filter(|v| !gone(*v)) {
                    kept.extend_from_slice(v.as_ref());
                }
                overlay.set_list(code, &kept);
            }
        }
    }
}

fn add_values<K: CommunityKind>(overlay: &mut Overlay<'_>, code: AttrCode, values: &[K::Value]) {
    let now = overlay.value(code).unwrap_or_default();
    let mut new: Option<Vec<u8>> = None;
    for value in values {
        let octets = new.as_deref().unwrap_or(now);
        if !community::values::<K>(octets).any(|v| v == *value) {
            new.get_or_insert_with(|| now.to_vec()).extend_from_slice(value.as_ref());
        }
    }
    if let Some(new) = new {
        overlay.set(code, &new);
    }
}

/// A prefix for routes whose policy does not look at it, as when the outcome is remembered by attributes.
#[must_use]
pub fn any_prefix(family: heddle_bgp_core::Family) -> Option<Prefix> {
    let addr: std::net::IpAddr = match family.index()? {
        0 => std::net::Ipv4Addr::UNSPECIFIED.into(),
        _ => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    Prefix::new(addr, 0)
}

#[cfg(test)]
mod tests;
