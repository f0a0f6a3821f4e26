//! heddle-interop-tests
