//! From the configuration value to what the libraries below take.

pub(crate) mod policy;
pub(crate) mod rib;
pub(crate) mod session;
