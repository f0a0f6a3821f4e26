//! Parsed values that several resources have: addresses, AS numbers, communities, durations.

mod address;
mod as_number;
mod community;
mod duration;
mod pattern;
mod route_priority;

pub use address::{Cidr, CidrError, Family, InterfaceAddress, PeerAddress, PeerAddressError};
pub use as_number::{AsNumber, AsNumberError};
pub use community::{Community, CommunityError};
pub use duration::{DurationError, parse_duration};
pub use pattern::{InterfacePattern, InterfacePatternError};
pub use route_priority::{RoutePriority, RoutePriorityError};

#[cfg(test)]
mod tests;
