//! A document as a tree of values that know where they stand.

use crate::error::Problem;

/// How deep a document may nest. Objects of Kubernetes nest less than half as deep.
pub(super) const MAX_DEPTH: usize = 100;

/// A place in the text; lines and columns count from 1. Line 0: there is no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    pub(super) mark: Mark,
    pub(super) data: Data,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(Truth),
    /// A number of JSON, as it is written.
    Number(Box<str>),
    /// Text of JSON, or quoted in YAML.
    Text(Box<str>),
    /// Text of YAML without quotation marks: a number, a truth value or text, as the field has it.
    Plain(Box<str>),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

/// `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
}

/// A field of a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    pub(super) mark: Mark,
    pub(super) value: Tree,
}

impl Tree {
    /// How many values it has.
    pub(super) fn size(&self) -> usize {
        match &self.data {
            Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) | Data::Plain(_) => 1,
            Data::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Data::Map(entries) => 1 + entries.iter().map(|entry| 1 + entry.value.size()).sum::<usize>(),
        }
    }

    /// How many levels it has: 1 for a scalar.
    pub(super) fn depth(&self) -> usize {
        match &self.data {
            Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) | Data::Plain(_) => 1,
            Data::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Data::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }

    /// The value of a field, if this is a map that has it.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        let Data::Map(entries) = &self.data else { return None };
        entries.iter().find(|entry| &*entry.name == name).map(|entry| &entry.value)
    }

    /// The text of a scalar.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) | Data::Plain(text) | Data::Number(text) => Some(text),
            Data::Bool(Truth::True) => Some("true"),
            Data::Bool(Truth::False) => Some("false"),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// Of JSON.
    pub(super) fn from_json(value: &serde_json::Value) -> Result<Self, Problem> {
        Self::from_json_at(value, MAX_DEPTH)
    }

    fn from_json_at(value: &serde_json::Value, levels: usize) -> Result<Self, Problem> {
        use serde_json::Value;
        let levels = levels.checked_sub(1).ok_or(Problem::Depth(MAX_DEPTH))?;
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(true) => Data::Bool(Truth::True),
            Value::Bool(false) => Data::Bool(Truth::False),
            Value::Number(number) => Data::Number(number.to_string().into()),
            Value::String(text) => Data::Text(text.as_str().into()),
            Value::Array(items) => {
                Data::List(items.iter().map(|item| Self::from_json_at(item, levels)).collect::<Result<_, Problem>>()?)
            }
            Value::Object(map) => Data::Map(
                map.iter()
                    .map(|(name, value)| {
                        let value = Self::from_json_at(value, levels)?;
                        Ok(Entry { name: name.as_str().into(), mark: Mark::default(), value })
                    })
                    .collect::<Result<_, Problem>>()?,
            ),
        };
        Ok(Self { mark: Mark::default(), data })
    }
}
