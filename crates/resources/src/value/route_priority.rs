//! Route priorities: metrics of kernel routes.

use std::fmt;

use thiserror::Error;

/// Why a number is no route priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a route priority is a number from 1 to 2147483646")]
pub struct RoutePriorityError;

/// A route priority, that is, the metric of a kernel route: 1 to 2147483646, lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutePriority(u32);

impl RoutePriority {
    /// What routes of workloads have when nothing says otherwise: 1024.
    pub const NORMAL: Self = Self(1024);

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for RoutePriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u32> for RoutePriority {
    type Error = RoutePriorityError;

    fn try_from(number: u32) -> Result<Self, RoutePriorityError> {
        if (1..=2_147_483_646).contains(&number) { Ok(Self(number)) } else { Err(RoutePriorityError) }
    }
}
