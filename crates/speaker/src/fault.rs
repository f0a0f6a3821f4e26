//! Faults on purpose, for tests: a panic at the n-th of the points that the work for one peer passes.
//!
//! They exist with the feature `fault-injection` in a build with debug assertions, and in no other: a release build has
//! none, whatever its features. Elsewhere a point is nothing at all.

#[cfg(not(all(feature = "fault-injection", debug_assertions)))]
mod nothing {
    use std::net::IpAddr;

    /// Runs `f`, whose points are those of a peer.
    #[inline]
    pub(crate) fn within<R>(_peer: IpAddr, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// A point in the work for a peer.
    #[inline]
    pub(crate) const fn point() {}

    /// A point in the RIB's work for a peer.
    #[inline]
    pub(crate) const fn rib_point() {}

    /// Whether the RIB is to have no number for another peer.
    #[inline]
    pub(crate) const fn rib_is_full() -> bool {
        false
    }
}

#[cfg(not(all(feature = "fault-injection", debug_assertions)))]
pub(crate) use nothing::{point, rib_is_full, rib_point, within};

#[cfg(all(feature = "fault-injection", debug_assertions))]
mod injected {
    use std::cell::Cell;
    use std::collections::VecDeque;
    use std::net::IpAddr;
    use std::panic::Location;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
    use std::sync::{Mutex, PoisonError};

    thread_local! {
        /// Whose work this thread does.
        static PEER: Cell<Option<IpAddr>> = const { Cell::new(None) };
    }

    /// At whose points it is counted, and how many are to be passed; then the next of them.
    static PLAN: Mutex<VecDeque<(IpAddr, u64)>> = Mutex::new(VecDeque::new());
    /// A fault is wanted in the RIB.
    static RIB: AtomicBool = AtomicBool::new(false);
    /// The RIB has no number for the next peer.
    static FULL: AtomicBool = AtomicBool::new(false);
    /// Points passed by the peer of the plan.
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// The work for `peer` panics at the `n`-th point from now on, the first is 0; where a fault waits already, from that on.
    pub fn arm(peer: IpAddr, n: u64) {
        PLAN.lock().unwrap_or_else(PoisonError::into_inner).push_back((peer, n));
    }

    /// Whether a fault waits still.
    #[must_use]
    pub fn is_armed() -> bool {
        !PLAN.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// How many points the peer of the plan has passed, of all plans together.
    #[must_use]
    pub fn passed() -> u64 {
        PASSED.load(SeqCst)
    }

    /// The RIB panics at its next point.
    pub fn arm_rib() {
        RIB.store(true, SeqCst);
    }

    /// The RIB has no number for the next peer.
    pub fn arm_full_rib() {
        FULL.store(true, SeqCst);
    }

    /// Runs `f`, whose points are those of `peer`.
    pub(crate) fn within<R>(peer: IpAddr, f: impl FnOnce() -> R) -> R {
        /// Puts back whose work it was.
        struct Before(Option<IpAddr>);
        impl Drop for Before {
            fn drop(&mut self) {
                PEER.set(self.0);
            }
        }
        let _before = Before(PEER.replace(Some(peer)));
        f()
    }

    /// A point in the work for a peer. Its message is one that a log has to escape.
    #[track_caller]
    pub(crate) fn point() {
        let Some(peer) = PEER.get() else { return };
        {
            let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((_, left)) = plan.front_mut().filter(|(wanted, _)| *wanted == peer) else { return };
            PASSED.fetch_add(1, SeqCst);
            if *left > 0 {
                *left -= 1;
                return;
            }
            plan.pop_front();
        }
        panic!("injected\n\u{1b}[31mfault at {}", Location::caller());
    }

    /// A point in the RIB's work for a peer.
    pub(crate) fn rib_point() {
        assert!(!RIB.swap(false, SeqCst), "injected fault of the RIB");
    }

    /// Whether the RIB is to have no number for another peer.
    pub(crate) fn rib_is_full() -> bool {
        FULL.swap(false, SeqCst)
    }
}

#[cfg(all(feature = "fault-injection", debug_assertions))]
pub use injected::{arm, arm_full_rib, arm_rib, is_armed, passed};
#[cfg(all(feature = "fault-injection", debug_assertions))]
pub(crate) use injected::{point, rib_is_full, rib_point, within};
