//! Decoding an UPDATE.

use smallvec::SmallVec;

use super::context::UpdateContext;
use super::fault::{AttrFault, FaultAction, SessionReset};
use crate::family::Family;
use crate::nlri::NlriSlice;

/// Buffers that decoding uses again and again; what [`decode`] returns borrows from them.
#[derive(Debug, Default)]
pub struct Scratch {
    blocks: [Vec<u8>; 2],
    faults: Vec<AttrFault>,
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
    /// What is wrong with it.
    pub faults: &'a [AttrFault],
    /// The strongest action of the faults.
    pub action: Option<FaultAction>,
}

/// Decodes the body of an UPDATE (what follows the header).
///
/// # Errors
/// The session has to end (RFC 7606 §3).
pub fn decode<'a>(
    body: &'a [u8],
    context: &UpdateContext,
    scratch: &'a mut Scratch,
) -> Result<Update<'a>, SessionReset> {
    let _ = (body, context, scratch);
    todo!("lands next")
}
