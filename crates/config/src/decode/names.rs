//! Names that are defined in the file and used elsewhere in it.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeValue;

use super::reader::Reader;
use super::source::Source;
use crate::error::{NameKind, Problem};
use crate::schema::nearest;

/// More names than this are not listed in a message.
const LISTED: usize = 12;

/// The defined names of each kind.
pub(crate) struct Names {
    defined: [(NameKind, BTreeMap<String, usize>); 5],
}

impl Names {
    /// All names in the file; a second definition of one is an error.
    pub(crate) fn collect(root: &Reader<'_, '_>) -> Self {
        let kinds = [
            (NameKind::Policy, "policies"),
            (NameKind::PeerGroup, "peer_groups"),
            (NameKind::PrefixSet, "prefix_sets"),
            (NameKind::CommunitySet, "community_sets"),
            (NameKind::AsPathSet, "as_path_sets"),
        ];
        Self { defined: kinds.map(|(kind, key)| (kind, names_of(root, kind, key))) }
    }

    /// Records an error where no such name is defined.
    pub(crate) fn check(&self, source: &Source<'_>, kind: NameKind, name: &str, span: Range<usize>) {
        let Some((_, defined)) = self.defined.iter().find(|(k, _)| *k == kind) else {
            return;
        };
        if !defined.contains_key(name) {
            let near = nearest(name, defined.keys().map(String::as_str)).map(str::to_owned);
            let mut known: Vec<String> = defined.keys().take(LISTED).cloned().collect();
            if defined.len() > LISTED {
                known.push("…".to_owned());
            }
            source.error(span, Problem::UnknownName { kind, name: name.to_owned(), near, known });
        }
    }

    /// The names in a key that holds one or several, each checked.
    pub(crate) fn list(&self, reader: &Reader<'_, '_>, kind: NameKind, key: &'static str) -> Option<Vec<String>> {
        let items = reader.items(key)?;
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            if let Some(name) = reader.text_of(key, item) {
                self.check(reader.source, kind, name, item.span());
                names.push(name.to_owned());
            }
        }
        Some(names)
    }
}

/// The names in `[[key]]`, with the offset of each.
fn names_of(root: &Reader<'_, '_>, kind: NameKind, key: &'static str) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    let items = root.get(key).and_then(|v| v.get_ref().as_array());
    for item in items.into_iter().flat_map(|array| array.iter()) {
        let name = item.get_ref().get("name");
        let Some((name, DeValue::String(text))) = name.map(|n| (n, n.get_ref())) else {
            continue;
        };
        if let Some(first) = names.get(text.as_ref()) {
            let line = root.source.line(*first);
            root.source.error(name.span(), Problem::Duplicate { what: format!("{kind} {text:?}"), line });
        } else {
            names.insert(text.to_string(), name.span().start);
        }
    }
    names
}
