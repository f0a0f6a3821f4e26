//! Black-box tests of Heddle against other BGP speakers.
//!
//! Nothing of Heddle's libraries that speaks BGP is used here. The `heddle` command is started as a user starts it, in a network namespace
//! that the test made, next to BIRD, FRR, GoBGP, OpenBGPD and ExaBGP with configurations that the test wrote; what
//! arrived is asked of *them*.
//!
//! - [`lab::Lab`] is one test's world: a bridge in a namespace of its own and a namespace for each host on it.
//! - [`peers`] start the daemons and turn their answers into [`view::Route`] and [`view::Session`].
//! - [`wait::wait_for`] is the only place that waits.
//!
//! - [`kubernetes::Cluster`] is a real API server with a real [`etcd`], for what reads its objects from there.
//!
//! The whole fabrics of `tests/fabric` are raised by `heddle-lab` instead; there, too, the program on every node is the real one.
//!
//! A test needs root (for namespaces) and the daemon that it is about. Where one is missing the test is skipped by name
//! with the reason; with `CI=true` in the environment it fails instead.

pub mod etcd;
pub mod free_port;
pub mod http;
pub mod kubernetes;
pub mod lab;
pub mod log_lines;
pub mod netns;
pub mod peers;
pub mod process;
pub mod require;
pub mod segment;
pub mod tls;
pub mod trials;
pub mod usage;
pub mod view;
pub mod wait;
