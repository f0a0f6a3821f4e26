//! heddle-admin
