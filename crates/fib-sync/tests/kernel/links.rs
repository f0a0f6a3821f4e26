//! Links that lose their carrier, go down, and come back.

use crate::Case;

pub(crate) const CASES: &[Case] = &[];
