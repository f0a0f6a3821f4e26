//! What is remembered between looks at this machine: an interface that is gone for a moment, and the address that it had.

use std::net::IpAddr;
use std::time::Duration;

use heddle_resources::value::{Family, InterfaceAddress};
use tokio::time::Instant;

/// How long an address that is on no interface any more is waited for, before another one is taken: longer than a link is
/// down while its driver or its network is begun again.
const GONE: Duration = Duration::from_secs(60);

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    v4: Remembered,
    v6: Remembered,
}

#[derive(Debug, Default)]
struct Remembered {
    /// The address of the Node that was on an interface at an earlier look. One that never was is not waited for: it may be
    /// of another network, or another node's by now.
    seen: Option<IpAddr>,
    /// Since when the present address is on no interface.
    gone: Option<Instant>,
    left: Option<Left>,
    claim: Option<Claim>,
}

/// An address that was written into the Node, until it is there and no other node has it.
#[derive(Clone, Copy, Debug)]
struct Claim {
    address: IpAddr,
    /// Whether it was given up, until the Node is without it.
    given_up: bool,
}

/// An address that was left because it was gone.
#[derive(Clone, Copy, Debug)]
struct Left {
    home: InterfaceAddress,
    /// The one that was taken in its place.
    taken: InterfaceAddress,
    /// Whether the Node has been without it since.
    arrived: bool,
}

impl Memory {
    fn of(&mut self, family: Family) -> &mut Remembered {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// The address that counts once it is back: it was left for the present one, or for none where another node has the one that
    /// was to be taken; and nobody has chosen another since.
    pub(super) fn home(&mut self, family: Family, present: Option<InterfaceAddress>) -> Option<InterfaceAddress> {
        let left = self.of(family).left.as_mut()?;
        match present {
            // What was decided is not in the Node yet.
            Some(present) if present == left.home => None,
            Some(present) if present != left.taken => {
                self.of(family).left = None;
                None
            }
            Some(_) | None => {
                left.arrived = true;
                Some(left.home)
            }
        }
    }

    /// The present address is on an interface that is up.
    pub(super) fn is_here(&mut self, family: Family, present: InterfaceAddress) {
        let remembered = self.of(family);
        remembered.seen = Some(present.address());
        remembered.gone = None;
        // It is home again: whoever writes the other one now means it.
        remembered.left = remembered.left.filter(|left| !left.arrived || left.home.address() != present.address());
    }

    /// An address is written into the Node, whatever becomes of that.
    pub(crate) fn claims(&mut self, family: Family, address: IpAddr) {
        self.of(family).claim = Some(Claim { address, given_up: false });
    }

    /// It was not written after all.
    pub(crate) fn claims_not(&mut self, family: Family, address: IpAddr) {
        let remembered = self.of(family);
        remembered.claim = remembered.claim.filter(|claim| claim.address != address);
    }

    /// Whether this process has written the address, and it was not this node's alone since.
    pub(super) fn is_claimed(&mut self, family: Family, address: IpAddr) -> bool {
        self.of(family).claim.is_some_and(|claim| claim.address == address)
    }

    /// It is taken out of the Node.
    pub(super) fn gives_up(&mut self, family: Family) {
        if let Some(claim) = &mut self.of(family).claim {
            claim.given_up = true;
        }
    }

    /// The Node is seen to have this address, or none.
    pub(super) fn is_present(&mut self, family: Family, present: Option<IpAddr>) {
        let remembered = self.of(family);
        remembered.claim = remembered.claim.filter(|claim| !claim.given_up || present == Some(claim.address));
    }

    /// The Node has its address, and no other node has it: who comes now has to see that.
    pub(super) fn is_ours(&mut self, family: Family) {
        self.of(family).claim = None;
    }

    /// Whether it is not known of an address whose it is: nothing is to begin with it.
    pub(crate) fn has_claims(&self) -> bool {
        self.v4.claim.is_some() || self.v6.claim.is_some()
    }

    /// The present address counts, wherever it is.
    pub(super) fn counts(&mut self, family: Family) {
        self.of(family).gone = None;
    }

    /// The present address is on no interface that is up. Whether it is waited for.
    pub(super) fn is_waited_for(&mut self, family: Family, present: InterfaceAddress, now: Instant) -> bool {
        let remembered = self.of(family);
        remembered.seen == Some(present.address()) && now.duration_since(*remembered.gone.get_or_insert(now)) < GONE
    }

    /// Another address is taken, or the present one, in which case nothing changes.
    pub(super) fn moved(&mut self, family: Family, present: InterfaceAddress, taken: InterfaceAddress) {
        let remembered = self.of(family);
        if remembered.gone.is_some() && remembered.left.is_none_or(|left| left.home.address() != taken.address()) {
            let home = remembered.left.map_or(present, |left| left.home);
            remembered.left = Some(Left { home, taken, arrived: false });
        }
    }
}
