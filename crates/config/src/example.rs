//! A file to begin with.

/// A configuration file with every key, explained; those at their default are commented out.
/// [`Config::from_toml`](crate::Config::from_toml) reads it.
#[must_use]
pub const fn example() -> &'static str {
    include_str!("example.toml")
}
