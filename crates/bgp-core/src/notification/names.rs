//! The names of codes and subcodes as IANA's "BGP Error (Notification) Codes" registry has them.

/// Names of the error codes.
pub(super) const CODES: [(u8, &str); 8] = [
    (super::HEADER, "Message Header Error"),
    (super::OPEN, "OPEN Message Error"),
    (super::UPDATE, "UPDATE Message Error"),
    (super::HOLD_TIMER, "Hold Timer Expired"),
    (super::FSM, "Finite State Machine Error"),
    (super::CEASE, "Cease"),
    (super::ROUTE_REFRESH, "ROUTE-REFRESH Message Error"),
    (super::SEND_HOLD_TIMER, "Send Hold Timer Expired"),
];

/// Names of the subcodes, by code and subcode; those that IANA lists as deprecated are said to be so.
pub(super) const SUBCODES: [(u8, u8, &str); 36] = [
    // RFC 4271 §6.1
    (1, 1, "Connection Not Synchronized"),
    (1, 2, "Bad Message Length"),
    (1, 3, "Bad Message Type"),
    // RFC 4271 §6.2; 7 RFC 5492 §5; 11 RFC 9234 §4.2
    (2, 1, "Unsupported Version Number"),
    (2, 2, "Bad Peer AS"),
    (2, 3, "Bad BGP Identifier"),
    (2, 4, "Unsupported Optional Parameter"),
    (2, 5, "Authentication Failure (deprecated)"),
    (2, 6, "Unacceptable Hold Time"),
    (2, 7, "Unsupported Capability"),
    (2, 11, "Role Mismatch"),
    // RFC 4271 §6.3
    (3, 1, "Malformed Attribute List"),
    (3, 2, "Unrecognized Well-known Attribute"),
    (3, 3, "Missing Well-known Attribute"),
    (3, 4, "Attribute Flags Error"),
    (3, 5, "Attribute Length Error"),
    (3, 6, "Invalid ORIGIN Attribute"),
    (3, 7, "AS Routing Loop (deprecated)"),
    (3, 8, "Invalid NEXT_HOP Attribute"),
    (3, 9, "Optional Attribute Error"),
    (3, 10, "Invalid Network Field"),
    (3, 11, "Malformed AS_PATH"),
    // RFC 6608 §4
    (5, 1, "Receive Unexpected Message in OpenSent State"),
    (5, 2, "Receive Unexpected Message in OpenConfirm State"),
    (5, 3, "Receive Unexpected Message in Established State"),
    // RFC 4486 §3; 9 RFC 8538 §3.1; 10 RFC 9384 §3
    (6, 1, "Maximum Number of Prefixes Reached"),
    (6, 2, "Administrative Shutdown"),
    (6, 3, "Peer De-configured"),
    (6, 4, "Administrative Reset"),
    (6, 5, "Connection Rejected"),
    (6, 6, "Other Configuration Change"),
    (6, 7, "Connection Collision Resolution"),
    (6, 8, "Out of Resources"),
    (6, 9, "Hard Reset"),
    (6, 10, "BFD Down"),
    // RFC 7313 §5
    (7, 1, "Invalid Message Length"),
];
