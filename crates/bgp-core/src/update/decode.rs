//! Decoding an UPDATE.

use smallvec::SmallVec;

use super::context::UpdateContext;
use super::fault::{AttrFault, FaultAction, FaultKind, ResetReason, SessionReset};
use super::walk::{Buffers, Walk};
use crate::family::Family;
use crate::nlri::{NlriSlice, PathIds};
use crate::reader::Reader;

/// Buffers that decoding uses again and again; what [`decode`] returns borrows from them.
#[derive(Debug, Default)]
pub struct Scratch {
    buffers: Buffers,
    blocks: [Vec<u8>; 2],
}

impl Scratch {
    /// Empty ones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Routes that one UPDATE advertises with one canonical block of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach<'a> {
    /// The prefixes.
    pub nlri: NlriSlice<'a>,
    /// The canonical block ([`crate::attr`]).
    pub block: &'a [u8],
}

/// Packed prefixes that an UPDATE withdraws: at most two fields, and two more when its routes are treated as withdrawn.
pub type Withdrawn<'a> = SmallVec<[NlriSlice<'a>; 4]>;

/// Why routes that are well-formed must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ineligible {
    /// OTC says that the route was leaked (RFC 9234 §5).
    RouteLeak,
}

/// One UPDATE. Withdrawals come first: a prefix in both is advertised (RFC 4271 §4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// What is withdrawn; with [`FaultAction::TreatAsWithdraw`] also what the message advertised.
    pub withdrawn: Withdrawn<'a>,
    /// What is advertised: the NLRI field, MP_REACH_NLRI, or both.
    pub reach: SmallVec<[Reach<'a>; 2]>,
    /// The family whose initial table is complete (RFC 4724 §2).
    pub end_of_rib: Option<Family>,
    /// Why the routes of `reach` must not be used, though they are well-formed.
    pub ineligible: Option<Ineligible>,
    /// What is wrong with it; of very many faults the first ones.
    pub faults: &'a [AttrFault],
    /// The strongest action of the faults.
    pub action: Option<FaultAction>,
}

/// The three fields of an UPDATE (RFC 4271 §4.3).
struct Fields<'a> {
    withdrawn: &'a [u8],
    attrs: &'a [u8],
    nlri: &'a [u8],
}

impl<'a> Fields<'a> {
    /// RFC 7606 §3(b): lengths that go beyond the message end the session.
    fn split(body: &'a [u8]) -> Result<Self, SessionReset> {
        let lengths = |_| SessionReset::malformed(ResetReason::Lengths);
        let mut r = Reader::new(body);
        let len = usize::from(r.u16().map_err(lengths)?);
        let withdrawn = r.take(len).map_err(lengths)?;
        let len = usize::from(r.u16().map_err(lengths)?);
        let attrs = r.take(len).map_err(lengths)?;
        Ok(Self { withdrawn, attrs, nlri: r.rest() })
    }

    fn is_empty(&self) -> bool {
        self.withdrawn.is_empty() && self.attrs.is_empty() && self.nlri.is_empty()
    }
}

/// Decodes the body of an UPDATE (what follows the header).
///
/// Nothing is allocated once the scratch has grown to what the peer's messages need, faults aside. When the
/// attributes came in canonical form already, the block is the message's own bytes.
///
/// # Errors
/// The session has to end (RFC 7606 §3).
pub fn decode<'a>(
    body: &'a [u8],
    context: &UpdateContext,
    scratch: &'a mut Scratch,
) -> Result<Update<'a>, SessionReset> {
    let Scratch { buffers, blocks } = scratch;
    buffers.clear();
    let fields = Fields::split(body)?;
    let path_ids = Walk::ipv4_path_ids(context);
    // The NLRI field comes first: whatever is wrong with attributes, the prefixes have to be known (RFC 7606 §3(j)).
    let withdrawn = ipv4_field(fields.withdrawn, path_ids)?;
    let nlri = ipv4_field(fields.nlri, path_ids)?;
    let base = 4 + fields.withdrawn.len();
    let mut walk = Walk::new(context, buffers, fields.attrs, base, nlri.is_some());
    walk.run()?;
    if path_ids.is_none() && !(fields.withdrawn.is_empty() && fields.nlri.is_empty()) {
        walk.message_fault(FaultKind::Family(Family::IPV4_UNICAST), FaultAction::AttributeDiscard, "RFC 4760 §6");
    }
    let advertises = walk.advertises();
    if advertises {
        walk.finish();
    }
    let withdraw = walk.action >= Some(FaultAction::TreatAsWithdraw);
    if withdraw && !advertises && !walk.has_mp_reach && fields.nlri.is_empty() && walk.others {
        // RFC 7606 §5.2: nothing that could be treated as withdrawn, so that the NLRI cannot be trusted to be all.
        if let Some(fault) = walk.strongest() {
            return Err(SessionReset::malformed(ResetReason::NoNlri(fault)));
        }
    }
    let mp_reach = walk.mp_reach.filter(|m| !m.nlri.is_empty());
    let mp_unreach = walk.mp_unreach;
    let end_of_rib = match mp_unreach {
        // RFC 4724 §2: nothing but MP_UNREACH_NLRI, and nothing in it.
        Some(n) if n.is_empty() && !walk.others && withdrawn.is_none() && fields.nlri.is_empty() => Some(n.family()),
        None if fields.is_empty() && path_ids.is_some() => Some(Family::IPV4_UNICAST),
        _ => None,
    };
    let mut gone = Withdrawn::new();
    let mut reach = SmallVec::new();
    if let Some(withdrawn) = withdrawn {
        gone.push(withdrawn);
    }
    if let Some(mp_unreach) = mp_unreach.filter(|n| !n.is_empty()) {
        gone.push(mp_unreach);
    }
    if withdraw {
        gone.extend(nlri.into_iter().chain(mp_reach.map(|m| m.nlri)));
    } else {
        let [ipv4_block, mp_block] = blocks;
        if let Some(nlri) = nlri {
            let block = match walk.as_block() {
                Some(block) => block,
                None => {
                    walk.sort();
                    walk.write_block(ipv4_block, None);
                    &*ipv4_block
                }
            };
            reach.push(Reach { nlri, block });
        }
        if let Some(mp_reach) = mp_reach {
            walk.sort();
            walk.write_block(mp_block, Some(mp_reach));
            reach.push(Reach { nlri: mp_reach.nlri, block: &*mp_block });
        }
    }
    let ineligible = walk.leak.then_some(Ineligible::RouteLeak);
    let action = walk.action;
    Ok(Update { withdrawn: gone, reach, end_of_rib, ineligible, faults: buffers.faults(), action })
}

/// The Withdrawn Routes or NLRI field; none when it is empty or IPv4 unicast was not negotiated.
fn ipv4_field(field: &[u8], path_ids: Option<PathIds>) -> Result<Option<NlriSlice<'_>>, SessionReset> {
    let Some(path_ids) = path_ids.filter(|_| !field.is_empty()) else { return Ok(None) };
    NlriSlice::parse(Family::IPV4_UNICAST, path_ids, field)
        .map(Some)
        .map_err(|e| SessionReset::network_field(ResetReason::Nlri(e)))
}

#[cfg(test)]
mod tests;
