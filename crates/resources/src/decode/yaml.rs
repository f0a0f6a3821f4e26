//! YAML to trees.
//!
//! `---` at the start of a line ends a document wherever it stands (YAML 1.2 §9.1.2 forbids it inside of one), so the
//! text is cut there first, and an error in one document leaves the others alone. Plain scalars stay text until a field
//! says what they are. Aliases are copied, within bounds; merge keys (`<<`) are resolved.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::tree::{Data, Entry, MAX_DEPTH, Mark, Tree};
use crate::error::{FieldError, InvalidObject, Location, ObjectName, Problem, ValueType};

/// How many values anchors and aliases may copy in a document, whatever its length.
const MAX_COPIED: usize = 100_000;
/// How many they may copy in a short document; one more for each of its octets. A value takes some 100 octets.
const FEW_COPIED: usize = 10_000;

/// Calls `with` for every document that has a value.
pub(super) fn each_document(text: &str, file: &Arc<str>, with: &mut impl FnMut(Result<Tree, InvalidObject>)) {
    for (first_line, part) in parts(text) {
        let mut reader = Reader::new(part, first_line);
        loop {
            match reader.document() {
                Ok(Some(tree)) => with(Ok(tree)),
                Ok(None) => break,
                Err((mark, problem)) => {
                    let at = Location { file: file.clone(), line: mark.line, column: mark.column };
                    with(Err(InvalidObject::of_document(Some(at), problem)));
                    break;
                }
            }
        }
    }
}

impl InvalidObject {
    /// A whole document.
    pub(super) fn of_document(at: Option<Location>, problem: Problem) -> Self {
        let error = FieldError { at, path: String::new(), value: None, problem };
        Self { object: ObjectName::default(), errors: vec![error] }
    }
}

/// The text cut before every `---`, with the number of lines before each part. Parts of comments and directives alone
/// are left out.
fn parts(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut starts = vec![(0_u32, 0_usize)];
    let mut offset = 0;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (0_u32..).zip(text.split_inclusive('\n')) {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']) || rest.is_empty());
        if marker && offset > 0 {
            starts.push((number, offset));
        }
        offset += line.len();
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|(_, start)| *start).chain([offset]).collect();
    starts.into_iter().zip(ends).filter_map(move |((line, start), end)| {
        let part = text.get(start..end)?;
        let blank = part
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#') || line.starts_with('%'));
        (!blank).then_some((line, part))
    })
}

type ReadError = (Mark, Problem);

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// Lines before the text that is parsed.
    lines_before: u32,
    anchors: HashMap<usize, Tree>,
    copied: usize,
    /// What `copied` may be.
    most_copied: usize,
}

/// A list or map that is not complete.
struct Open {
    mark: Mark,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Tree>),
    /// The fields, and the name of the one whose value comes next.
    Map(Vec<Entry>, Option<(Box<str>, Mark)>),
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, lines_before: u32) -> Self {
        let most_copied = MAX_COPIED.min(FEW_COPIED.saturating_add(text.len()));
        Self { parser: Parser::new_from_str(text), lines_before, anchors: HashMap::new(), copied: 0, most_copied }
    }

    fn mark(&self, marker: &Marker) -> Mark {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Mark {
            line: number(marker.line()).saturating_add(self.lines_before),
            column: number(marker.col()).saturating_add(1),
        }
    }

    fn scan_error(&self, error: &ScanError) -> ReadError {
        (self.mark(error.marker()), Problem::Yaml(error.info().into()))
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, ReadError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(self.scan_error(&error)),
        }
    }

    /// The next document; `None` behind the last one.
    fn document(&mut self) -> Result<Option<Tree>, ReadError> {
        let mut open: Vec<Open> = Vec::new();
        while let Some((event, span)) = self.next()? {
            let mark = self.mark(&span.start);
            let (tree, anchor) = match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => continue,
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(_) => {
                    self.anchors.clear();
                    self.copied = 0;
                    continue;
                }
                Event::Alias(anchor) => (self.alias(anchor, open.len(), mark)?, 0),
                Event::Scalar(text, style, anchor, tag) => {
                    (Tree { mark, data: scalar(&text, style, tag.as_deref()) }, anchor)
                }
                Event::SequenceStart(anchor, _) => {
                    open.push(Open { mark, anchor, kind: OpenKind::List(Vec::new()) });
                    deep_enough(&open, mark)?;
                    continue;
                }
                Event::MappingStart(anchor, _) => {
                    open.push(Open { mark, anchor, kind: OpenKind::Map(Vec::new(), None) });
                    deep_enough(&open, mark)?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(closed) = open.pop() else { continue };
                    let data = match closed.kind {
                        OpenKind::List(items) => Data::List(items),
                        OpenKind::Map(entries, _) => Data::Map(merged(entries)?),
                    };
                    (Tree { mark: closed.mark, data }, closed.anchor)
                }
            };
            if anchor != 0 {
                self.count_copy(&tree, mark)?;
                self.anchors.insert(anchor, tree.clone());
            }
            match open.last_mut() {
                None => return Ok(Some(tree)),
                Some(parent) => put(&mut parent.kind, tree)?,
            }
        }
        Ok(None)
    }

    /// A copy of what the anchor names, `level` levels deep in the document.
    fn alias(&mut self, anchor: usize, level: usize, mark: Mark) -> Result<Tree, ReadError> {
        let Some(tree) = self.anchors.get(&anchor).cloned() else {
            return Err((mark, Problem::Yaml("an alias inside of its own anchor".into())));
        };
        if level + tree.depth() > MAX_DEPTH {
            return Err((mark, Problem::Depth(MAX_DEPTH)));
        }
        self.count_copy(&tree, mark)?;
        Ok(tree)
    }

    fn count_copy(&mut self, tree: &Tree, mark: Mark) -> Result<(), ReadError> {
        self.copied = self.copied.saturating_add(tree.size());
        if self.copied > self.most_copied { Err((mark, Problem::Size(self.most_copied))) } else { Ok(()) }
    }
}

fn deep_enough(open: &[Open], mark: Mark) -> Result<(), ReadError> {
    if open.len() >= MAX_DEPTH { Err((mark, Problem::Depth(MAX_DEPTH))) } else { Ok(()) }
}

/// Puts a value into the list or map that it belongs to; in a map, a name and its value take turns.
fn put(parent: &mut OpenKind, tree: Tree) -> Result<(), ReadError> {
    match parent {
        OpenKind::List(items) => items.push(tree),
        OpenKind::Map(entries, name) => match name.take() {
            Some((name, mark)) => entries.push(Entry { name, mark, value: tree }),
            None => {
                let text = tree.scalar().ok_or((tree.mark, Problem::Type(ValueType::Text)))?;
                *name = Some((text.into(), tree.mark));
            }
        },
    }
    Ok(())
}

/// The fields of a map, each once, merge keys resolved: what the map itself has counts.
fn merged(entries: Vec<Entry>) -> Result<Vec<Entry>, ReadError> {
    let mut own: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut merges = Vec::new();
    let mut lines: HashMap<Box<str>, u32> = HashMap::with_capacity(entries.len());
    for entry in entries {
        if let Some(first_line) = lines.insert(entry.name.clone(), entry.mark.line) {
            return Err((entry.mark, Problem::Duplicate { field: entry.name, first_line }));
        }
        if &*entry.name == "<<" { merges.push(entry.value) } else { own.push(entry) }
    }
    for merge in merges {
        let mark = merge.mark;
        let maps = match merge.data {
            Data::List(items) => items,
            data => vec![Tree { mark, data }],
        };
        for map in maps {
            let Data::Map(entries) = map.data else { return Err((mark, Problem::Type(ValueType::Map))) };
            for entry in entries {
                if !lines.contains_key(&entry.name) {
                    lines.insert(entry.name.clone(), entry.mark.line);
                    own.push(entry);
                }
            }
        }
    }
    Ok(own)
}

/// What a scalar is as far as it is known without its field.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Data {
    let text_by_tag = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    match style {
        ScalarStyle::Plain if text_by_tag => Data::Text(text.into()),
        ScalarStyle::Plain if matches!(text, "" | "~" | "null" | "Null" | "NULL") => Data::Null,
        ScalarStyle::Plain => Data::Plain(text.into()),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Literal | ScalarStyle::Folded => {
            Data::Text(text.into())
        }
    }
}
