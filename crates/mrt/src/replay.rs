//! Replay (to follow).
