//! Which names of files count.

/// What the name of a file says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameUse {
    /// It is read.
    Read,
    /// It is passed over, and said so.
    Other,
    /// It is passed over in silence: hidden, or a temporary file of an editor.
    Hidden,
}

/// Hidden files, and what editors and copying programs leave beside the file that they write.
fn is_hidden(name: &str) -> bool {
    let temporary = [".swp", ".swx", ".swo", ".tmp", ".temp", ".bak", ".orig", ".rej", ".part", ".new", "~"];
    name.starts_with('.')
        || (name.starts_with('#') && name.ends_with('#'))
        || name == "4913" // vim asks with this name whether it may write here.
        || temporary.iter().any(|end| name.ends_with(end))
}

/// Manifests: `.yaml`, `.yml`, `.json`.
pub(crate) fn manifest(name: &str) -> NameUse {
    if is_hidden(name) {
        return NameUse::Hidden;
    }
    let lower = name.to_ascii_lowercase();
    if [".yaml", ".yml", ".json"].iter().any(|end| lower.ends_with(end)) { NameUse::Read } else { NameUse::Other }
}

/// Every file that is not hidden.
pub(crate) fn any_visible(name: &str) -> NameUse {
    if is_hidden(name) { NameUse::Hidden } else { NameUse::Read }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a.yaml", "a.yml", "A.JSON", "a.b.yaml"] {
            assert_eq!(manifest(name), NameUse::Read, "{name}");
        }
        for name in ["README.md", "yaml", "a.yaml.txt", "Makefile"] {
            assert_eq!(manifest(name), NameUse::Other, "{name}");
        }
        for name in [".a.yaml", "..data", "a.yaml~", ".a.yaml.swp", "#a.yaml#", "4913", "a.yaml.tmp", ".#a.yaml"] {
            assert_eq!(manifest(name), NameUse::Hidden, "{name}");
            assert_eq!(any_visible(name), NameUse::Hidden, "{name}");
        }
        assert_eq!(any_visible("pod1"), NameUse::Read);
    }
}
