//! heddle-bgp-fsm
