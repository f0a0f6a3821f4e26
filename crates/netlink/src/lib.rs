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
//!
//! # How to follow the kernel
//!
//! 1. Open the [`RequestSocket`], then the [`Monitor`], deaf to its [`port`](RequestSocket::port): an install of 500,000 routes would
//!    fill any buffer otherwise.
//! 2. Dump. What changes meanwhile is heard. A dump that was [`Interrupted`](Dumped::Interrupted) proves nothing missing.
//! 3. Compare in the canonical form ([`Route::canonical`], [`NexthopObject::canonical`]); write differences with
//!    [`RequestSocket::add`] where the key is not known as ours, with [`RequestSocket::replace`] where it is. When the key
//!    changes, add the new route before deleting the old one.
//! 4. After [`Event::Overrun`], dump again. After events of links and nexthop objects, look again: [`Event::Route`] says what the kernel
//!    does not tell.
//!
//! The sockets belong to the network namespace of the thread that opened them. They know nothing of tokio: the monitor has a
//! descriptor for `AsyncFd` and never blocks; the others block, and want a thread.
//!
//! # How fast
//!
//! IPv4 routes a second on one virtual machine of two cores with Linux 6.18, 200,000 routes in one table, as
//! `cargo run --release -p heddle-netlink --example route_rate` tells; for orientation, machines differ.
//!
//! | how | routes/s |
//! |---|---|
//! | one message a system call, acknowledged ([`Control`]) | 150,000 |
//! | one message a system call | 170,000 |
//! | batched ([`RequestSocket`]) | 265,000 |
//! | batched, over a nexthop object | 345,000 |
//! | batched replacement by the same | 650,000 |
//! | batched deletion | 175,000 |
//! | dump ([`DumpSocket`]) | 2,100,000 |

mod address;
mod attribute;
mod control;
mod deletions;
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
pub use dump::{DumpError, DumpSocket, Dumped, Reply, RouteFilter};
pub use event::{Change, Event, Malformed, events};
pub use link::{Link, MacAddress};
pub use monitor::{Monitor, MonitorOptions, Pending, Subscriptions};
pub use nexthop::{NexthopObject, NexthopTarget};
pub use number::{Family, LinkIndex, NexthopId, Port, Protocol, Table, Weight};
pub use request::{Cookie, EncodeError, Failure, QueueError, RequestSocket, Results, SendError, Sent};
pub use route::{Leg, Route, RouteKey, RouteKind, Scope};
pub use socket::{OpenError, RECEIVE_BUFFER};
