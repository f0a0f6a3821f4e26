//! What a node peer adds to the API of a speaker.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use crate::types::{ApiError, DrainReport, DrainStep, FibPage, FibQuery, NodeReport};

/// An answer that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;

/// A node behind the API. A speaker that is no node has none, and answers 404 where this is asked for.
pub trait Node: Debug + Send + Sync + 'static {
    /// The node's state.
    fn report(&self) -> Later<'_, NodeReport>;

    /// Some of the forwarding table: as much as takes about a millisecond.
    fn fib(&self, query: FibQuery) -> Later<'_, FibPage>;

    /// Makes the node's routes the last choice and withdraws them, or undoes it.
    fn drain(&self, step: DrainStep) -> Later<'_, DrainReport>;
}
