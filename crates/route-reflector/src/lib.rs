//! heddle-route-reflector
