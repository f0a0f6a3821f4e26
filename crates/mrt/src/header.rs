//! The header of a record (RFC 6396 §2, §3), and the numbers of types and subtypes.

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Seconds since 1970 UTC.
    pub seconds: u32,
    /// Microseconds within the second, in the extended types (RFC 6396 §3).
    pub micros: Option<u32>,
    /// Type.
    pub kind: u16,
    /// Subtype.
    pub subtype: u16,
}

/// Octets of a header without microseconds.
pub const HEADER_LEN: usize = 12;

/// Types (RFC 6396 §4, IANA "MRT Types").
pub mod kind {
    /// TABLE_DUMP.
    pub const TABLE_DUMP: u16 = 12;
    /// TABLE_DUMP_V2.
    pub const TABLE_DUMP_V2: u16 = 13;
    /// BGP4MP.
    pub const BGP4MP: u16 = 16;
    /// BGP4MP_ET.
    pub const BGP4MP_ET: u16 = 17;
    /// ISIS_ET.
    pub const ISIS_ET: u16 = 33;
    /// OSPFv3_ET.
    pub const OSPF_V3_ET: u16 = 49;

    /// Whether microseconds follow the header (RFC 6396 §3).
    #[must_use]
    pub const fn is_extended(kind: u16) -> bool {
        matches!(kind, BGP4MP_ET | ISIS_ET | OSPF_V3_ET)
    }

    /// Whether the number is assigned to something that can stand in a file. Anything else means that the file is no MRT
    /// file; so do types 0 to 4, which RFC 6396 Appendix B.1 deprecates and which a file of zeros would have.
    #[must_use]
    pub const fn is_assigned(kind: u16) -> bool {
        matches!(kind, 5..=13 | 16 | 17 | 32 | 33 | 48 | 49)
    }
}

/// Subtypes of TABLE_DUMP (RFC 6396 §4.2): the AFI. 3 and 4 are in use for the same with 4-octet AS numbers.
pub mod table_dump {
    /// AFI_IPv4.
    pub const IPV4: u16 = 1;
    /// AFI_IPv6.
    pub const IPV6: u16 = 2;
    /// IPv4, 4-octet AS numbers.
    pub const IPV4_AS4: u16 = 3;
    /// IPv6, 4-octet AS numbers.
    pub const IPV6_AS4: u16 = 4;
}

/// Subtypes of TABLE_DUMP_V2 (RFC 6396 §4.3, RFC 8050 §4).
pub mod table_dump_v2 {
    /// PEER_INDEX_TABLE.
    pub const PEER_INDEX_TABLE: u16 = 1;
    /// RIB_IPV4_UNICAST.
    pub const RIB_IPV4_UNICAST: u16 = 2;
    /// RIB_IPV6_UNICAST.
    pub const RIB_IPV6_UNICAST: u16 = 4;
    /// RIB_IPV4_UNICAST_ADDPATH.
    pub const RIB_IPV4_UNICAST_ADDPATH: u16 = 8;
    /// RIB_IPV6_UNICAST_ADDPATH.
    pub const RIB_IPV6_UNICAST_ADDPATH: u16 = 10;
}

/// Subtypes of BGP4MP and BGP4MP_ET (RFC 6396 §4.4, RFC 8050 §3).
pub mod bgp4mp {
    /// BGP4MP_STATE_CHANGE.
    pub const STATE_CHANGE: u16 = 0;
    /// BGP4MP_MESSAGE.
    pub const MESSAGE: u16 = 1;
    /// BGP4MP_MESSAGE_AS4.
    pub const MESSAGE_AS4: u16 = 4;
    /// BGP4MP_STATE_CHANGE_AS4.
    pub const STATE_CHANGE_AS4: u16 = 5;
    /// BGP4MP_MESSAGE_LOCAL.
    pub const MESSAGE_LOCAL: u16 = 6;
    /// BGP4MP_MESSAGE_AS4_LOCAL.
    pub const MESSAGE_AS4_LOCAL: u16 = 7;
    /// BGP4MP_MESSAGE_ADDPATH.
    pub const MESSAGE_ADDPATH: u16 = 8;
    /// BGP4MP_MESSAGE_AS4_ADDPATH.
    pub const MESSAGE_AS4_ADDPATH: u16 = 9;
    /// BGP4MP_MESSAGE_LOCAL_ADDPATH.
    pub const MESSAGE_LOCAL_ADDPATH: u16 = 10;
    /// BGP4MP_MESSAGE_AS4_LOCAL_ADDPATH.
    pub const MESSAGE_AS4_LOCAL_ADDPATH: u16 = 11;
}
