//! rtnetlink, as a routing daemon needs it: routes into the kernel by the hundred thousand, and what happens to routes, links
//! and addresses.
//!
//! | type | what | waits |
//! |---|---|---|
//! | [`RequestSocket`] | routes and nexthop objects, many a system call, only failures are answered | while the kernel works |
//! | [`Monitor`] | events, without those of the request socket | never |
//! | [`DumpSocket`] | dumps, filtered by the kernel, told one by one | for the kernel |
//! | [`Control`] | links, addresses, single routes, each with an answer | for the kernel |
//! | [`sysctl`] | settings under `/proc/sys` | |
//! | [`namespace`] | threads in other network namespaces | |

mod address;
mod attribute;
mod control;
mod dump;
mod event;
mod link;
mod message;
mod monitor;
pub mod namespace;
mod nexthop;
mod number;
mod request;
mod route;
mod socket;
pub mod sysctl;
mod wire;

pub use ipnetwork::IpNetwork;
pub use nix::errno::Errno;

pub use address::Address;
pub use control::{Control, ControlError, VethEnd, Vxlan};
pub use dump::{DumpError, DumpSocket, Dumped, RouteFilter};
pub use event::{Change, Event, Malformed};
pub use link::{Link, MacAddress};
pub use monitor::{Monitor, MonitorOptions, Pending, Subscriptions};
pub use nexthop::{NexthopObject, NexthopTarget};
pub use number::{Family, LinkIndex, NexthopId, Port, Protocol, Table, Weight};
pub use request::{Cookie, EncodeError, Failure, QueueError, RequestSocket, Results, SendError, Sent};
pub use route::{Leg, Route, RouteKey, RouteKind, Scope};
pub use socket::{OpenError, RECEIVE_BUFFER};
