//! Reads the keys of one table. Every method records what is wrong and returns none.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Source;
use crate::error::Problem;
use crate::schema::{Table, nearest};
use crate::value::Seconds;

/// A value of the file and where it stands.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;

/// One table of the file.
#[derive(Clone)]
pub(crate) struct Reader<'s, 't> {
    pub(crate) source: &'s Source<'t>,
    pub(crate) kind: Table,
    table: &'s DeTable<'t>,
    span: Range<usize>,
}

/// One word of several, and what it stands for.
pub(crate) type Words<T> = [(&'static str, T)];

/// The type of a value in the words of a user.
pub(crate) const fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl<'s, 't> Reader<'s, 't> {
    /// A reader of this table; keys that it cannot have are recorded as errors.
    pub(crate) fn new(source: &'s Source<'t>, kind: Table, table: &'s DeTable<'t>, span: Range<usize>) -> Self {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if kind.key(name).is_none() {
                let near = nearest(name, kind.keys().map(|k| k.name));
                let known = kind.keys().map(|k| k.name.to_owned()).collect();
                source
                    .error(key.span(), Problem::UnknownKey { key: name.to_owned(), table: kind.title(), near, known });
            }
        }
        Self { source, kind, table, span }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &'static str) -> Option<&'s Value<'t>> {
        debug_assert!(self.kind.key(key).is_some(), "{key} is missing in the table of keys of {:?}", self.kind);
        self.table.iter().find(|(k, _)| k.get_ref() == key).map(|(_, v)| v)
    }

    /// Where a key stands, or the table where it does not have it.
    pub(crate) fn span(&self, key: &'static str) -> Range<usize> {
        self.table.keys().find(|k| k.get_ref() == key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Whether the table has no keys.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Where the table begins.
    pub(crate) fn own_span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Records that a key is missing.
    pub(crate) fn missing(&self, key: &'static str) {
        let kind = self.kind.key(key).map_or("", |k| k.kind);
        self.source.error(self.own_span(), Problem::Missing { key, table: self.kind.title(), kind });
    }

    /// Records a value of the wrong type.
    pub(crate) fn wrong_type(&self, key: &str, value: &Value<'t>, expected: &'static str) {
        let found = type_of(value.get_ref());
        self.source.error(value.span(), Problem::WrongType { key: key.to_owned(), found, expected });
    }

    /// The text of a value.
    pub(crate) fn text_of(&self, key: &str, value: &'s Value<'t>) -> Option<&'s str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a text in quotes");
        }
        text
    }

    /// A text.
    pub(crate) fn text(&self, key: &'static str) -> Option<&'s str> {
        self.text_of(key, self.get(key)?)
    }

    /// A text that is required and not empty.
    pub(crate) fn name(&self, key: &'static str) -> Option<&'s str> {
        let Some(value) = self.get(key) else {
            self.missing(key);
            return None;
        };
        let text = self.text_of(key, value)?;
        if text.is_empty() {
            self.source.error(value.span(), Problem::Empty { key: key.to_owned(), expected: "a name" });
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong_type(key, value, "true or false, without quotes");
        }
        found
    }

    /// The number of a value, in a range.
    pub(crate) fn integer_of(&self, key: &str, value: &Value<'t>, range: (i64, i64)) -> Option<i64> {
        let (min, max) = range;
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong_type(key, value, "a number, without quotes");
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let inside = number.filter(|n| (min..=max).contains(n));
        if inside.is_none() {
            let found: String = integer.as_str().chars().take(40).collect();
            self.source.error(value.span(), Problem::OutOfRange { key: key.to_owned(), found, min, max });
        }
        inside
    }

    /// A number in a range that its type holds.
    pub(crate) fn integer<T: TryFrom<i64>>(&self, key: &'static str, range: (i64, i64)) -> Option<T> {
        self.integer_of(key, self.get(key)?, range).and_then(|n| T::try_from(n).ok())
    }

    /// Seconds in a range.
    pub(crate) fn seconds(&self, key: &'static str, range: (i64, i64)) -> Option<Seconds> {
        self.integer(key, range).map(Seconds)
    }

    /// One of several words.
    pub(crate) fn word_of<T: Copy>(
        &self,
        key: &str,
        value: &'s Value<'t>,
        words: &Words<T>,
        expected: &'static str,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(key, value, expected);
            return None;
        };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, t)| *t);
        if found.is_none() {
            let near = nearest(text, words.iter().map(|(word, _)| *word));
            let found = text.to_owned();
            self.source.error(value.span(), Problem::NotOneOf { key: key.to_owned(), found, expected, near });
        }
        found
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(&self, key: &'static str, words: &Words<T>, expected: &'static str) -> Option<T> {
        self.word_of(key, self.get(key)?, words, expected)
    }

    /// A text that another type reads.
    pub(crate) fn parsed<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<T> {
        self.parsed_of(key, self.get(key)?, &parse)
    }

    /// A text that another type reads.
    pub(crate) fn parsed_of<T>(
        &self,
        key: &str,
        value: &'s Value<'t>,
        parse: &impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let text = self.text_of(key, value)?;
        parse(text).map_err(|problem| self.source.error(value.span(), problem)).ok()
    }

    /// The items of a list; a single value is a list of one.
    pub(crate) fn items(&self, key: &'static str) -> Option<Vec<&'s Value<'t>>> {
        let value = self.get(key)?;
        Some(match value.get_ref().as_array() {
            Some(array) => array.iter().collect(),
            None => vec![value],
        })
    }

    /// A list, or a single value, of what another type reads.
    pub(crate) fn list<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<Vec<T>> {
        Some(self.items(key)?.into_iter().filter_map(|v| self.parsed_of(key, v, &parse)).collect())
    }

    /// A table.
    pub(crate) fn sub_table(&self, key: &'static str, kind: Table) -> Option<Self> {
        let value = self.get(key)?;
        self.table_of(key, value, kind)
    }

    /// A table.
    pub(crate) fn table_of(&self, key: &str, value: &'s Value<'t>, kind: Table) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table");
            return None;
        };
        Some(Self::new(self.source, kind, table, value.span()))
    }

    /// The tables of `[[key]]`.
    pub(crate) fn tables(&self, key: &'static str, kind: Table) -> Vec<Self> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            let expected = "a list of tables, each headed by double brackets";
            self.wrong_type(key, value, expected);
            return Vec::new();
        };
        array.iter().filter_map(|item| self.table_of(key, item, kind)).collect()
    }
}

/// Reads an IP address of a key.
pub(crate) fn ip_address(key: &'static str) -> impl Fn(&str) -> Result<IpAddr, Problem> {
    move |text| {
        text.parse().map_err(|_| Problem::Address {
            key: key.to_owned(),
            text: text.to_owned(),
            reason: crate::value::AddressError::Shape,
        })
    }
}
