//! ROUTE-REFRESH (RFC 2918 §3) with the subtypes of enhanced route refresh (RFC 7313 §3.2).

use crate::family::Family;

/// A ROUTE-REFRESH message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family.
    pub family: Family,
    /// What it says.
    pub subtype: RefreshSubtype,
}

/// Message subtype (RFC 7313 §3.2); unknown ones are kept and ignored by the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshSubtype {
    /// 0: please send the family again.
    Request,
    /// 1: Beginning of Route Refresh.
    Begin,
    /// 2: End of Route Refresh.
    End,
    /// Any other.
    Unknown(u8),
}
