//! heddle-mrt
