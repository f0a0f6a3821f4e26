//! `[confinement]`.

use std::path::PathBuf;

use super::reader::Reader;
use crate::error::Problem;
use crate::value::{Confinement, ConfinementPart};

/// What the daemon takes away from itself.
pub(crate) fn confinement(reader: &Reader<'_, '_>) -> Confinement {
    let words = ConfinementPart::ALL.map(|part| (part.as_str(), part));
    let expected = "\"dumps\", \"capabilities\", \"seccomp\" or \"landlock\"";
    let off = reader.items("off").unwrap_or_default();
    let readable = reader.list("readable", |text| {
        // A relative one would depend on where the daemon was started.
        let path = PathBuf::from(text);
        if path.is_absolute() { Ok(path) } else { Err(Problem::RelativePath { key: "readable".to_owned() }) }
    });
    Confinement {
        off: off.into_iter().filter_map(|item| reader.word_of("off", item, &words, expected)).collect(),
        readable: readable.unwrap_or_default(),
    }
}
