//! What a speaker runs, as one value.
//!
//! No I/O: the text of a file comes in as an argument, and files that the configuration names (MD5 keys) are read by
//! who runs it.

mod decode;
mod diff;
mod encode;
mod error;
mod example;
mod node;
pub mod schema;
mod value;

pub use decode::{CheckExpression, ExpressionError};
pub use diff::{Change, Subject, diff, resets};
pub use error::{ConfigError, ConfigErrors, Conflict, NameKind, Problem};
pub use example::example;
pub use schema::Effect;
pub use value::*;
