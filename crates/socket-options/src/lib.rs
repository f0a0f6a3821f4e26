//! heddle-socket-options
