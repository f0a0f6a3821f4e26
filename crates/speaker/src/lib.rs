//! heddle-speaker
