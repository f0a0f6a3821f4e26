//! What a speaker runs, as one value.
//!
//! No I/O: the text of a file comes in as an argument, and files that the configuration names (MD5 keys) are read by
//! who runs it.

mod decode;
mod error;
pub mod schema;
mod value;

pub use decode::{CheckExpression, ExpressionError};
pub use error::{ConfigError, ConfigErrors, Conflict, NameKind, Problem};
pub use schema::Effect;
pub use value::*;
