//! Reading a tree field by field: every error is collected with its place, and every field that nobody asked for.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use super::tree::{Data, Entry, Mark, Tree, Truth};
use crate::error::{FieldError, Location, Note, ObjectName, Problem, Remark, Rule, ValueType};
use crate::value::{AsNumber, Cidr, Family, InterfaceAddress, RoutePriority};

/// What was found out about an object so far.
#[derive(Debug)]
pub(super) struct Context<'c> {
    pub(super) file: Option<&'c Arc<str>>,
    pub(super) object: ObjectName,
    errors: RefCell<Vec<FieldError>>,
    notes: RefCell<Vec<Note>>,
}

impl<'c> Context<'c> {
    pub(super) fn new(file: Option<&'c Arc<str>>, object: ObjectName) -> Self {
        Self { file, object, errors: RefCell::default(), notes: RefCell::default() }
    }

    pub(super) fn location(&self, mark: Mark) -> Option<Location> {
        let file = self.file?;
        (mark.line > 0).then(|| Location { file: file.clone(), line: mark.line, column: mark.column })
    }

    /// Whether nothing is wrong so far. Rules of several fields are looked at only then: what they say would follow
    /// from an error that is told already.
    pub(super) fn is_clean(&self) -> bool {
        self.errors.borrow().is_empty()
    }

    /// The errors in the order of the text, and the notes.
    pub(super) fn into_parts(self) -> (ObjectName, Vec<FieldError>, Vec<Note>) {
        let mut errors = self.errors.into_inner();
        errors.sort_by(|a, b| a.at.cmp(&b.at));
        let mut notes = self.notes.into_inner();
        notes.sort_by(|a, b| a.at.cmp(&b.at));
        (self.object, errors, notes)
    }
}

/// Where a value is in its object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Path::Root, name) => f.write_str(name),
            Self::Field(parent, name) if name.contains(['.', '/']) => write!(f, "{parent}[{name}]"),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A value, where it stands, and where errors go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'v> {
    pub(super) tree: &'v Tree,
    pub(super) path: Path<'v>,
    pub(super) context: &'v Context<'v>,
}

/// A value as messages show it: on one line, and not long.
fn shown(tree: &Tree) -> Option<String> {
    const SHOWN: usize = 60;
    let text = tree.scalar()?;
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    Some(format!("{shown:?}"))
}

impl<'v> Value<'v> {
    /// Notes an error of this value. Always `None`, so that it can end a function.
    pub(super) fn fail<T>(&self, problem: impl Into<Problem>) -> Option<T> {
        self.fail_showing(shown(self.tree), problem.into())
    }

    /// The same, of a value that must not be shown.
    pub(super) fn fail_hidden<T>(&self, problem: impl Into<Problem>) -> Option<T> {
        self.fail_showing(None, problem.into())
    }

    fn fail_showing<T>(&self, value: Option<String>, problem: Problem) -> Option<T> {
        let at = self.context.location(self.tree.mark);
        self.context.errors.borrow_mut().push(FieldError { at, path: self.path.to_string(), value, problem });
        None
    }

    /// Notes that this value is passed over. Always `None`.
    pub(super) fn pass_over<T>(&self, problem: impl Into<Problem>) -> Option<T> {
        let value = shown(self.tree).unwrap_or_default();
        let remark = Remark::Ignored { value, problem: problem.into() };
        self.context.notes.borrow_mut().push(Note {
            object: self.context.object.clone(),
            at: self.context.location(self.tree.mark),
            path: self.path.to_string(),
            remark,
        });
        None
    }

    /// Text. Numbers without quotation marks are the text that they are written as; truth values are `true` or `false`,
    /// however they are written: that is what Calico's tools make of `label: yes`.
    pub(super) fn text(&self) -> Option<&'v str> {
        match &self.tree.data {
            Data::Text(text) => Some(text),
            Data::Plain(text) => Some(match plain_truth(text) {
                Some(Truth::True) => "true",
                Some(Truth::False) => "false",
                None => text,
            }),
            Data::Null => Some(""),
            Data::Bool(_) | Data::Number(_) | Data::List(_) | Data::Map(_) => self.fail(Problem::Type(ValueType::Text)),
        }
    }

    /// Text, shared.
    pub(super) fn shared(&self) -> Option<Arc<str>> {
        self.text().map(Arc::from)
    }

    /// A value that is written as text.
    pub(super) fn parsed<T: FromStr>(&self) -> Option<T>
    where
        Problem: From<T::Err>,
    {
        match self.text()?.parse() {
            Ok(value) => Some(value),
            Err(error) => self.fail(Problem::from(error)),
        }
    }

    /// Text of at most so many octets.
    pub(super) fn at_most(&self, max: usize) -> Option<&'v str> {
        let text = self.text()?;
        let length = text.len();
        if length > max { self.fail(Problem::TooLong { length, max }) } else { Some(text) }
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, words: &'static [&'static str], values: &[T]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().zip(values).find(|(word, _)| **word == text).map(|(_, value)| *value);
        found.or_else(|| self.fail(Problem::UnknownValue(words)))
    }

    /// A truth value, in any of the ways in which YAML 1.1 writes one.
    pub(super) fn truth(&self) -> Option<Truth> {
        match &self.tree.data {
            Data::Bool(truth) => Some(*truth),
            Data::Plain(text) => plain_truth(text).or_else(|| self.fail(Problem::Type(ValueType::Bool))),
            Data::Null | Data::Number(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => {
                self.fail(Problem::Type(ValueType::Bool))
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, min: u64, max: u64) -> Option<u64> {
        let (Data::Number(text) | Data::Plain(text)) = &self.tree.data else {
            return self.fail(Problem::Type(ValueType::Number));
        };
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return self.fail(Problem::Type(ValueType::Number));
        }
        let number = text.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
        number.or_else(|| self.fail(Problem::Range { min, max }))
    }

    /// A whole number within bounds that a smaller type holds.
    pub(super) fn small<T: TryFrom<u64>>(&self, min: u64, max: u64) -> Option<T> {
        T::try_from(self.number(min, max)?).ok().or_else(|| self.fail(Problem::Range { min, max }))
    }

    /// A list, each entry read by a function. Entries that fail are left out; their errors are noted.
    pub(super) fn list<T>(&self, each: impl Fn(Value<'_>) -> Option<T>) -> Option<Vec<T>> {
        self.list_within(0, usize::MAX, each)
    }

    /// A list of some length.
    pub(super) fn list_within<T>(
        &self,
        min: usize,
        max: usize,
        each: impl Fn(Value<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Data::List(items) = &self.tree.data else { return self.fail(Problem::Type(ValueType::List)) };
        let length = items.len();
        if length < min || length > max {
            return self.fail(Problem::ListLength { length, min, max });
        }
        let value = |(index, tree)| Value { tree, path: Path::Index(&self.path, index), context: self.context };
        Some(items.iter().enumerate().map(value).filter_map(each).collect())
    }

    /// The fields of a map.
    pub(super) fn fields<'f>(&'f self) -> Option<Fields<'f>> {
        let Data::Map(entries) = &self.tree.data else { return self.fail(Problem::Type(ValueType::Map)) };
        Some(Fields { value: self, entries, asked: entries.iter().map(|_| Cell::new(Asked::No)).collect() })
    }

    /// The fields of a map whose names are free.
    pub(super) fn pairs<T>(&self, each: impl Fn(&str, Value<'_>) -> Option<T>) -> Option<Vec<(Arc<str>, T)>> {
        let Data::Map(entries) = &self.tree.data else { return self.fail(Problem::Type(ValueType::Map)) };
        let pair = |entry: &Entry| {
            let path = Path::Field(&self.path, &entry.name);
            let value = each(&entry.name, Value { tree: &entry.value, path, context: self.context })?;
            Some((Arc::from(&*entry.name), value))
        };
        Some(entries.iter().filter_map(pair).collect())
    }

    /// An AS number: a number, or text.
    pub(super) fn as_number(&self) -> Option<AsNumber> {
        if let Data::Number(_) = &self.tree.data {
            return self.small(0, u64::from(u32::MAX)).map(AsNumber);
        }
        self.parsed()
    }

    /// An AS number that can be somebody's (RFC 7607 §2).
    pub(super) fn as_number_in_use(&self) -> Option<AsNumber> {
        match self.as_number()? {
            AsNumber(0) => self.fail(Rule::AsZero),
            number => Some(number),
        }
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.text()?.parse().ok().or_else(|| self.fail(Problem::Address))
    }

    pub(super) fn ipv4(&self) -> Option<Ipv4Addr> {
        match self.address()? {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => self.fail(Problem::Family(Family::V4)),
        }
    }

    pub(super) fn ipv6(&self) -> Option<Ipv6Addr> {
        match self.address()? {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => self.fail(Problem::Family(Family::V6)),
        }
    }

    /// An address with a prefix length, of a family.
    pub(super) fn interface_address(&self, family: Family) -> Option<InterfaceAddress> {
        let address: InterfaceAddress = self.parsed()?;
        if Family::of(address.address()) == family { Some(address) } else { self.fail(Problem::Family(family)) }
    }

    /// A CIDR of a family.
    pub(super) fn cidr_of(&self, family: Family) -> Option<Cidr> {
        let cidr: Cidr = self.parsed()?;
        if cidr.family() == family { Some(cidr) } else { self.fail(Problem::Family(family)) }
    }

    pub(super) fn route_priority(&self) -> Option<RoutePriority> {
        let number: u32 = self.small(1, 2_147_483_646)?;
        RoutePriority::try_from(number).ok().or_else(|| self.fail(Problem::Range { min: 1, max: 2_147_483_646 }))
    }

    /// A duration in Go's notation.
    pub(super) fn duration(&self) -> Option<std::time::Duration> {
        match crate::value::parse_duration(self.text()?) {
            Ok(duration) => Some(duration),
            Err(error) => self.fail(error),
        }
    }

    /// A point in time (RFC 3339).
    pub(super) fn time(&self) -> Option<jiff::Timestamp> {
        self.text()?.parse().ok().or_else(|| self.fail(Problem::Time))
    }

    /// The name of an object: a subdomain as in RFC 1123, small letters only.
    pub(super) fn name(&self) -> Option<&'v str> {
        let text = self.at_most(253)?;
        let label = |label: &str| {
            let ends = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
            label.bytes().next().is_some_and(ends)
                && label.bytes().next_back().is_some_and(ends)
                && label.bytes().all(|c| ends(c) || c == b'-')
        };
        if text.split('.').all(label) { Some(text) } else { self.fail(Problem::Name) }
    }
}

/// Whether somebody asked for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    No,
    Yes,
}

/// The fields of a map. A field that is `null`, or empty text, counts as not set, as it does in Go.
#[derive(Debug)]
pub(super) struct Fields<'f> {
    value: &'f Value<'f>,
    entries: &'f [Entry],
    asked: Box<[Cell<Asked>]>,
}

impl<'f> Fields<'f> {
    /// The value of a field.
    pub(super) fn get(&self, name: &'static str) -> Option<Value<'_>> {
        let value = self.get_or_empty(name)?;
        let empty = matches!(&value.tree.data, Data::Text(text) if text.is_empty());
        (!empty).then_some(value)
    }

    /// The value of a field for which empty text is a value.
    pub(super) fn get_or_empty(&self, name: &'static str) -> Option<Value<'_>> {
        let (entry, asked) = self.entries.iter().zip(&self.asked).find(|(entry, _)| &*entry.name == name)?;
        asked.set(Asked::Yes);
        if entry.value.data == Data::Null {
            return None;
        }
        Some(Value { tree: &entry.value, path: Path::Field(&self.value.path, name), context: self.value.context })
    }

    /// The value of a field that has to be there.
    pub(super) fn required(&self, name: &'static str) -> Option<Value<'_>> {
        let value = self.get(name);
        if value.is_none() {
            let missing = Value { path: Path::Field(&self.value.path, name), ..*self.value };
            missing.fail_hidden::<()>(Problem::Missing);
        }
        value
    }

    /// Notes an error of a field, or of the whole map where the field is not there.
    pub(super) fn fail<T>(&self, name: &'static str, problem: impl Into<Problem>) -> Option<T> {
        let path = Path::Field(&self.value.path, name);
        match self.entries.iter().find(|entry| &*entry.name == name) {
            Some(entry) => Value { tree: &entry.value, path, context: self.value.context }.fail(problem),
            None => Value { path, ..*self.value }.fail_hidden(problem),
        }
    }

    /// Fields that are known and of no interest.
    pub(super) fn ignore(&self, names: &[&str]) {
        for (entry, asked) in self.entries.iter().zip(&self.asked) {
            if names.contains(&&*entry.name) {
                asked.set(Asked::Yes);
            }
        }
    }

    /// Whether nothing is wrong with the object so far.
    pub(super) fn is_clean(&self) -> bool {
        self.value.context.is_clean()
    }

    /// Reports the fields that nobody asked for.
    pub(super) fn finish(&self) {
        let context = self.value.context;
        for (entry, asked) in self.entries.iter().zip(&self.asked) {
            if asked.get() == Asked::No {
                context.notes.borrow_mut().push(Note {
                    object: context.object.clone(),
                    at: context.location(entry.mark),
                    path: Path::Field(&self.value.path, &entry.name).to_string(),
                    remark: Remark::UnknownField,
                });
            }
        }
    }
}

/// A truth value in any of the ways in which YAML 1.1 writes one without quotation marks.
fn plain_truth(text: &str) -> Option<Truth> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(Truth::True),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(Truth::False),
        _ => None,
    }
}
