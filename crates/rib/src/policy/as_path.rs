//! AS_PATH in a canonical block (4-octet AS numbers): its text, its length, the rewrites, and regular expressions over
//! the text.
//!
//! The text is FRR's: `65001 65002 {65003,65004}`; confederation segments are `(…)` and `[…]` (RFC 5065 §3).

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};

use heddle_bgp_core::Asn;
use heddle_bgp_core::reader::Reader;
use regex_automata::meta::Regex;

use super::error::PolicyError;

/// RFC 4271 §4.3: an unordered set.
pub const AS_SET: u8 = 1;
/// RFC 4271 §4.3: an ordered sequence.
pub const AS_SEQUENCE: u8 = 2;
/// RFC 5065 §3: an ordered sequence of member ASes.
pub const AS_CONFED_SEQUENCE: u8 = 3;
/// RFC 5065 §3: an unordered set of member ASes.
pub const AS_CONFED_SET: u8 = 4;

/// One segment of an AS_PATH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its type.
    pub kind: u8,
    octets: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The AS numbers in order.
    pub fn asns(self) -> impl ExactSizeIterator<Item = Asn> + 'a {
        let (chunks, _) = self.octets.as_chunks::<4>();
        chunks.iter().map(|c| Asn(u32::from_be_bytes(*c)))
    }
}

/// The segments of an AS_PATH value; ends at the first that is cut.
pub fn segments(value: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = Reader::new(value);
    std::iter::from_fn(move || {
        let [kind, count] = rest.array().ok()?;
        Some(Segment { kind, octets: rest.take(usize::from(count) * 4).ok()? })
    })
}

/// The length of an AS_PATH: an AS_SET counts one (RFC 4271 §9.1.2.2 a), confederation segments nothing
/// (RFC 5065 §5.3).
#[must_use]
pub fn length(value: &[u8]) -> usize {
    segments(value)
        .map(|s| match s.kind {
            AS_SEQUENCE => s.asns().len(),
            AS_SET => 1,
            _ => 0,
        })
        .sum()
}

/// The AS that originated the route: the last of a final sequence; none for an empty path or a set.
#[must_use]
pub fn origin_as(value: &[u8]) -> Option<Asn> {
    segments(value).last().filter(|s| s.kind == AS_SEQUENCE)?.asns().last()
}

/// The AS that the route came from: the first of a leading sequence; none for an empty path or a set.
#[must_use]
pub fn first_as(value: &[u8]) -> Option<Asn> {
    segments(value).next().filter(|s| s.kind == AS_SEQUENCE)?.asns().next()
}

/// Writes the text of a path over `out`, as FRR prints it.
pub fn write_text(value: &[u8], out: &mut String) {
    out.clear();
    for segment in segments(value) {
        let (open, between, close) = match segment.kind {
            AS_SET => ("{", ',', "}"),
            AS_CONFED_SEQUENCE => ("(", ' ', ")"),
            AS_CONFED_SET => ("[", ',', "]"),
            _ => ("", ' ', ""),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(open);
        for (i, asn) in segment.asns().enumerate() {
            if i > 0 {
                out.push(between);
            }
            // Writing to a String cannot fail.
            let _ = write!(out, "{asn}");
        }
        out.push_str(close);
    }
}

/// A path with `asn` put before it `times` times: into a leading sequence while it has room, else as a new segment
/// (RFC 4271 §5.1.2).
#[must_use]
pub fn prepend(value: &[u8], asn: Asn, times: u8) -> Vec<u8> {
    let added = usize::from(times) * 4;
    let mut out = Vec::with_capacity(value.len() + added + 2);
    if times == 0 {
        out.extend_from_slice(value);
        return out;
    }
    let mut tail = value;
    let mut count = times;
    if let [AS_SEQUENCE, n, rest @ ..] = value
        && let Some(sum) = n.checked_add(times)
    {
        count = sum;
        tail = rest;
    }
    out.extend_from_slice(&[AS_SEQUENCE, count]);
    (0..times).for_each(|_| out.extend_from_slice(&asn.0.to_be_bytes()));
    out.extend_from_slice(tail);
    out
}

/// A path with every AS number mapped; `None` drops it, and a segment that becomes empty goes.
#[must_use]
pub fn map_asns(value: &[u8], mut f: impl FnMut(Asn) -> Option<Asn>) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for segment in segments(value) {
        let start = out.len();
        out.extend_from_slice(&[segment.kind, 0]);
        let mut count = 0u8;
        for asn in segment.asns().filter_map(&mut f) {
            out.extend_from_slice(&asn.0.to_be_bytes());
            count = count.saturating_add(1);
        }
        match out.get_mut(start + 1) {
            Some(slot) if count > 0 => *slot = count,
            Some(_) | None => out.truncate(start),
        }
    }
    out
}

/// A compiled regular expression over the text of AS_PATHs; linear in the length of the path.
///
/// `_` matches the start, the end, or one of space, comma, braces, parentheses, as in FRR and IOS; inside brackets it
/// stands for those characters. Equality and hash are those of the text.
#[derive(Clone)]
pub struct AsPathRegex {
    text: Box<str>,
    compiled: Regex,
}

/// What `_` stands for outside and inside of brackets.
const SEPARATOR: &str = "(?:^|[,{}() ]|$)";
const SEPARATOR_IN_CLASS: &str = ",{}() ";
/// The most that an expression may compile to, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

impl AsPathRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// A malformed expression, with the column of the fault, or one that would take too much memory.
    pub fn new(text: &str) -> Result<Self, PolicyError> {
        let (pattern, columns) = expand(text);
        let fault = |span: &regex_syntax::ast::Span, reason: String| {
            let column = columns.get(span.start.offset).or(columns.last()).copied().unwrap_or(1);
            PolicyError::Regex { text: text.to_owned(), column, reason }
        };
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(64).build().parse(&pattern);
        let hir = hir.map_err(|error| match &error {
            regex_syntax::Error::Parse(e) => fault(e.span(), e.kind().to_string()),
            regex_syntax::Error::Translate(e) => fault(e.span(), e.kind().to_string()),
            other => PolicyError::Regex { text: text.to_owned(), column: 1, reason: other.to_string() },
        })?;
        let config =
            Regex::config().nfa_size_limit(Some(SIZE_LIMIT)).hybrid_cache_capacity(SIZE_LIMIT / 4).utf8_empty(false);
        let compiled = Regex::builder().configure(config).build_from_hir(&hir);
        let compiled = compiled.map_err(|_| PolicyError::RegexTooLarge { text: text.to_owned(), limit: SIZE_LIMIT })?;
        Ok(Self { text: text.into(), compiled })
    }

    /// Whether the expression matches somewhere in the text of a path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.compiled.is_match(path)
    }

    /// The expression as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The expression with `_` written out, and for each byte of it the column (from 1) in the user's text.
fn expand(text: &str) -> (String, Vec<usize>) {
    let mut pattern = String::with_capacity(text.len());
    let mut columns = Vec::with_capacity(text.len() + 1);
    let (mut escaped, mut in_class) = (false, false);
    for (index, c) in text.chars().enumerate() {
        match (c, escaped) {
            ('_', false) if in_class => pattern.push_str(SEPARATOR_IN_CLASS),
            ('_', false) => pattern.push_str(SEPARATOR),
            ('_', true) => {
                // An escaped underscore is none that the parser knows; a path has no underscore to match either.
                pattern.pop();
                columns.pop();
                pattern.push_str("[_]");
            }
            _ => pattern.push(c),
        }
        match (c, escaped) {
            ('[', false) => in_class = true,
            (']', false) => in_class = false,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        columns.resize(pattern.len(), index + 1);
    }
    columns.push(text.chars().count().max(1));
    (pattern, columns)
}

impl fmt::Debug for AsPathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsPathRegex({:?})", self.text)
    }
}
impl fmt::Display for AsPathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl PartialEq for AsPathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for AsPathRegex {}
impl Hash for AsPathRegex {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

#[cfg(test)]
mod tests;
