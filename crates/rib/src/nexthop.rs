//! Reachability of next hops and the interior cost to them (RFC 4271 §9.1.2.1): an input of the RIB, not its business.
//!
//! A reflector does not resolve: every next hop is reachable at no cost. A router that forwards does: whoever watches
//! the kernel's routes tells the table what it found, and the table says which next hops changed, so that the
//! destinations behind them are decided anew. Until something is known of a next hop it is unreachable.

use heddle_bgp_core::attr::NextHop;

use crate::route::NextHopState;

/// Whether next hops are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Resolve {
    /// All are reachable at no cost.
    #[default]
    Off,
    /// They are what the events say.
    On,
}

impl NextHopState {
    /// Unreachable: routes with it are not eligible (RFC 4271 §9.1.2.1).
    pub const UNREACHABLE: Self = Self { cost: None };

    /// Whether routes with it are eligible.
    #[must_use]
    pub const fn is_reachable(self) -> bool {
        self.cost.is_some()
    }
}

/// What happened to a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHopEvent {
    /// The next hop.
    pub next_hop: NextHop,
    /// What holds from now on.
    pub state: NextHopState,
}
