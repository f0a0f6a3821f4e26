//! What is remembered between looks at this machine: an interface that is gone for a moment, and the address that it had.

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
    /// Since when the present address is on no interface.
    gone: Option<Instant>,
    /// The address that was left because it was gone, and the one that was taken in its place.
    left: Option<(InterfaceAddress, InterfaceAddress)>,
}

impl Memory {
    fn of(&mut self, family: Family) -> &mut Remembered {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// The address that counts once it is back: it was left for the present one, and nobody has chosen another since.
    pub(super) fn home(&mut self, family: Family, present: Option<InterfaceAddress>) -> Option<InterfaceAddress> {
        let (home, taken) = self.of(family).left?;
        match present {
            // What was decided is not in the Node yet.
            Some(present) if present == home => None,
            Some(present) if present == taken => Some(home),
            Some(_) | None => {
                self.of(family).left = None;
                None
            }
        }
    }

    /// The present address is on an interface.
    pub(super) fn is_here(&mut self, family: Family) {
        self.of(family).gone = None;
    }

    /// The present address is on none. Whether it is waited for.
    pub(super) fn is_waited_for(&mut self, family: Family, now: Instant) -> bool {
        now.duration_since(*self.of(family).gone.get_or_insert(now)) < GONE
    }

    /// Another address is taken, or the present one, in which case nothing changes.
    pub(super) fn moved(&mut self, family: Family, present: InterfaceAddress, taken: InterfaceAddress) {
        let remembered = self.of(family);
        if remembered.gone.is_some() && remembered.left.is_none_or(|(home, _)| home != taken) {
            let home = remembered.left.map_or(present, |(home, _)| home);
            remembered.left = Some((home, taken));
        }
    }
}
