//! What a speaker runs, as one value.
//!
//! [`Config::from_toml`] reads a file, [`Config::to_toml`] writes one, [`diff`] says what changing over from one value to
//! another takes and [`resets`] whom it interrupts, [`Config::warnings`] what is allowed and most likely not meant.
//! [`schema`] is the table of all keys, which `docs/configuration.md` shows.
//!
//! No I/O: the text of a file comes in as an argument, and files that the configuration names (TCP MD5 keys) are read by
//! who runs it. AS_PATH expressions are compiled elsewhere: [`Config::from_toml_with`] takes the compiler, so that its
//! errors come out with line and column among the others.
//!
//! ```
//! use heddle_config::{Config, diff};
//!
//! let old = Config::from_toml("router = { asn = 65001, router_id = '10.0.0.1' }", "old.toml")?;
//! let new = "router = { asn = 65001, router_id = '10.0.0.1', hostname = 'rr1' }";
//! let changes = diff(&old, &Config::from_toml(new, "new.toml")?);
//! assert_eq!(changes[0].to_string(), "router: hostname none -> \"rr1\" (next session)");
//! # Ok::<(), heddle_config::ConfigErrors>(())
//! ```

mod decode;
mod diff;
mod encode;
mod error;
mod example;
mod node;
pub mod schema;
mod value;
mod warning;

pub use decode::{CheckExpression, ExpressionError};
pub use diff::{Change, Subject, diff, resets};
pub use error::{ConfigError, ConfigErrors, Conflict, NameKind, Problem};
pub use example::example;
pub use schema::Effect;
pub use value::*;
pub use warning::Warning;
