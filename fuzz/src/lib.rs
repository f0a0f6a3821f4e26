//! The bodies of the fuzz targets: each takes any octets and panics where something does not hold.

pub mod config;
pub mod mrt;
pub mod negotiate;
pub mod netlink;
pub mod policy;
pub mod resources;
pub mod wire;
