//! heddle-rib
