//! `[confinement]`.

use crate::node::{Keys, text};
use crate::value::Confinement;

/// `[confinement]`; a list that is empty is the default.
pub(crate) fn confinement_keys(confinement: &Confinement) -> Keys {
    let mut keys = Keys::default();
    let off: Vec<_> = confinement.off.iter().copied().collect();
    keys.list("off", &off, text);
    keys.list("readable", &confinement.readable, |path| text(&path.display()));
    keys
}
