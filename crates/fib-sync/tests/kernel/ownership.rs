//! Whose routes are whose.

use crate::Case;

pub(crate) const CASES: &[Case] = &[];
