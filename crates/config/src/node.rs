//! A configuration as a tree of keys, in the order of a file: what [`to_toml`](crate::Config::to_toml) writes, serde
//! serializes, and [`diff`](crate::diff) compares.

use std::fmt::{self, Write as _};

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::value::Password;

/// A value of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    /// What is compared and never shown.
    Secret(Password),
    Integer(i64),
    Boolean(bool),
    /// Short values in one line.
    List(Vec<Node>),
    /// A table in one line.
    Inline(Keys),
    /// `[name]`
    Table(Keys),
    /// `[[name]]`
    Tables(Vec<Keys>),
}

/// The keys of a table, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys(pub(crate) Vec<(String, Node)>);

impl Keys {
    /// Adds a key.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Node>) {
        self.0.push((key.to_owned(), value.into()));
    }

    /// Adds a key whose value is not the default.
    pub(crate) fn differing<T: PartialEq>(
        &mut self,
        key: &str,
        value: &T,
        base: Option<&T>,
        node: impl Fn(&T) -> Node,
    ) {
        if base != Some(value) {
            self.put(key, node(value));
        }
    }

    /// Adds a key where there is a value.
    pub(crate) fn optional<T>(&mut self, key: &str, value: Option<T>, node: impl Fn(T) -> Node) {
        if let Some(value) = value {
            self.put(key, node(value));
        }
    }

    /// Adds a list that is not empty.
    pub(crate) fn list<T>(&mut self, key: &str, items: &[T], node: impl Fn(&T) -> Node) {
        if !items.is_empty() {
            self.put(key, Node::List(items.iter().map(node).collect()));
        }
    }

    /// Adds a table that is not empty.
    pub(crate) fn table(&mut self, key: &str, table: Self, wrap: impl Fn(Self) -> Node) {
        if !table.0.is_empty() {
            self.put(key, wrap(table));
        }
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| name != key);
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }
}

impl From<bool> for Node {
    fn from(b: bool) -> Self {
        Self::Boolean(b)
    }
}

impl From<u32> for Node {
    fn from(n: u32) -> Self {
        Self::Integer(n.into())
    }
}

impl From<i64> for Node {
    fn from(n: i64) -> Self {
        Self::Integer(n)
    }
}

impl From<&str> for Node {
    fn from(s: &str) -> Self {
        Self::Text(s.to_owned())
    }
}

/// A text of what prints itself as it is read.
pub(crate) fn text<T: fmt::Display + ?Sized>(value: &T) -> Node {
    Node::Text(value.to_string())
}

/// In one line, as TOML writes a value.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(s) => write_quoted(f, s),
            Self::Secret(_) => write_quoted(f, Password::HIDDEN),
            Self::Integer(n) => n.fmt(f),
            Self::Boolean(b) => b.fmt(f),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Inline(keys) | Self::Table(keys) => keys.fmt(f),
            Self::Tables(tables) => {
                f.write_str("[")?;
                for (i, table) in tables.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{table}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("{}");
        }
        f.write_str("{ ")?;
        for (i, (key, value)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{key} = {value}")?;
        }
        f.write_str(" }")
    }
}

/// A text in quotes: literal where it has backslashes or quotes and can be, else with escapes (TOML 1.0).
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let literal = text.contains(['\\', '"']) && !text.contains('\'') && !text.contains(|c: char| c.is_control());
    if literal {
        return write!(f, "'{text}'");
    }
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_str("\"")
}

/// The tree as a TOML document.
pub(crate) fn document(root: &Keys) -> String {
    let mut out = String::new();
    write_table(&mut out, "", root);
    out
}

/// The keys of a table, then its tables, each under its heading.
fn write_table(out: &mut String, path: &str, keys: &Keys) {
    for (key, value) in &keys.0 {
        if !matches!(value, Node::Table(_) | Node::Tables(_)) {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{key} = {value}");
        }
    }
    for (key, value) in &keys.0 {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let blank = if out.is_empty() { "" } else { "\n" };
        match value {
            Node::Table(table) => {
                let _ = writeln!(out, "{blank}[{path}]");
                write_table(out, &path, table);
            }
            Node::Tables(tables) => {
                for table in tables {
                    let blank = if out.is_empty() { "" } else { "\n" };
                    let _ = writeln!(out, "{blank}[[{path}]]");
                    write_table(out, &path, table);
                }
            }
            Node::Text(_) | Node::Secret(_) | Node::Integer(_) | Node::Boolean(_) | Node::List(_) | Node::Inline(_) => {
            }
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(s) => serializer.serialize_str(s),
            Self::Secret(_) => serializer.serialize_str(Password::HIDDEN),
            Self::Integer(n) => serializer.serialize_i64(*n),
            Self::Boolean(b) => serializer.serialize_bool(*b),
            Self::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(item))?;
                seq.end()
            }
            Self::Inline(keys) | Self::Table(keys) => keys.serialize(serializer),
            Self::Tables(tables) => {
                let mut seq = serializer.serialize_seq(Some(tables.len()))?;
                tables.iter().try_for_each(|table| seq.serialize_element(table))?;
                seq.end()
            }
        }
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}
