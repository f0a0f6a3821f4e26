//! The messages of etcd's API v3 that are used here (`etcdserver/api/etcdserverpb/rpc.proto`, `mvcc/mvccpb/kv.proto`), without the fields
//! that nobody reads.

use bytes::Bytes;

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct ResponseHeader {
    #[prost(uint64, tag = "1")]
    pub(super) cluster_id: u64,
    #[prost(int64, tag = "3")]
    pub(super) revision: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) mod_revision: i64,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) value: Bytes,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    /// The first key behind the range; empty: only `key`.
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) range_end: Bytes,
    /// The most keys; 0: all.
    #[prost(int64, tag = "3")]
    pub(super) limit: i64,
    /// 0: the newest.
    #[prost(int64, tag = "4")]
    pub(super) revision: i64,
    /// The member need not ask the others.
    #[prost(bool, tag = "7")]
    pub(super) serializable: bool,
    #[prost(bool, tag = "9")]
    pub(super) count_only: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    #[prost(message, repeated, tag = "2")]
    pub(super) kvs: Vec<KeyValue>,
    #[prost(bool, tag = "3")]
    pub(super) more: bool,
}

/// One of the two.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) create: Option<WatchCreateRequest>,
    #[prost(message, optional, tag = "3")]
    pub(super) progress: Option<WatchProgressRequest>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WatchCreateRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) range_end: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) start_revision: i64,
    #[prost(bool, tag = "4")]
    pub(super) progress_notify: bool,
    #[prost(int64, tag = "7")]
    pub(super) watch_id: i64,
    #[prost(bool, tag = "8")]
    pub(super) fragment: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct WatchProgressRequest {}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WatchResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    /// [`WatchResponse::ALL`]: an answer to a progress request.
    #[prost(int64, tag = "2")]
    pub(super) watch_id: i64,
    #[prost(bool, tag = "3")]
    pub(super) created: bool,
    #[prost(bool, tag = "4")]
    pub(super) canceled: bool,
    /// Not 0: the start of the watch is older than this, which is the oldest revision that is known.
    #[prost(int64, tag = "5")]
    pub(super) compact_revision: i64,
    #[prost(string, tag = "6")]
    pub(super) cancel_reason: String,
    /// More of the same revision comes.
    #[prost(bool, tag = "7")]
    pub(super) fragment: bool,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<Event>,
}

impl WatchResponse {
    pub(super) const ALL: i64 = -1;
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Event {
    /// 0: put, 1: deleted.
    #[prost(int32, tag = "1")]
    pub(super) what: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) kv: Option<KeyValue>,
}

impl Event {
    pub(super) const PUT: i32 = 0;
    pub(super) const DELETED: i32 = 1;
}

/// If what is compared is so, what is to be done is done, together.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    pub(super) success: Vec<RequestOp>,
}

/// Something about a key. Without a `result`, it is to be equal.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Compare {
    #[prost(int32, tag = "2")]
    pub(super) target: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) key: Bytes,
    /// 0: there is no such key.
    #[prost(int64, optional, tag = "6")]
    pub(super) mod_revision: Option<i64>,
}

impl Compare {
    pub(super) const MOD: i32 = 2;
}

/// One of several; only this one is used.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct RequestOp {
    #[prost(message, optional, tag = "2")]
    pub(super) put: Option<PutRequest>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct TxnResponse {
    /// Whether what was compared was so.
    #[prost(bool, tag = "2")]
    pub(super) succeeded: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct AuthenticateRequest {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) password: String,
}

impl std::fmt::Debug for AuthenticateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticateRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct AuthenticateResponse {
    #[prost(string, tag = "2")]
    pub(super) token: String,
}

impl std::fmt::Debug for AuthenticateResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticateResponse").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// Octet by octet, by the numbers of the fields in etcd's own files.
    #[test]
    fn requests_as_etcd_reads_them() {
        let range = RangeRequest {
            key: Bytes::from_static(b"/a/"),
            range_end: Bytes::from_static(b"/a0"),
            limit: 500,
            revision: 7,
            serializable: true,
            count_only: true,
        };
        let wire = [&b"\x0a\x03/a/\x12\x03/a0\x18\xf4\x03\x20\x07\x38\x01\x48\x01"[..]].concat();
        assert_eq!(range.encode_to_vec(), wire);
        let create = WatchCreateRequest {
            key: Bytes::from_static(b"k"),
            range_end: Bytes::new(),
            start_revision: 9,
            progress_notify: true,
            watch_id: 3,
            fragment: true,
        };
        let create = WatchRequest { create: Some(create), progress: None };
        assert_eq!(create.encode_to_vec(), b"\x0a\x0b\x0a\x01k\x18\x09\x20\x01\x38\x03\x40\x01");
        let progress = WatchRequest { create: None, progress: Some(WatchProgressRequest {}) };
        assert_eq!(progress.encode_to_vec(), b"\x1a\x00");
    }

    /// A revision of 0 is said, and not left out.
    #[test]
    fn transactions_as_etcd_reads_them() {
        let txn = |revision: i64| {
            let key = Bytes::from_static(b"k");
            let compare = Compare { target: Compare::MOD, key: key.clone(), mod_revision: Some(revision) };
            let put = PutRequest { key, value: Bytes::from_static(b"v") };
            TxnRequest { compare: vec![compare], success: vec![RequestOp { put: Some(put) }] }.encode_to_vec()
        };
        assert_eq!(txn(7), b"\x0a\x07\x10\x02\x1a\x01k\x30\x07\x12\x08\x12\x06\x0a\x01k\x12\x01v");
        assert_eq!(txn(0), b"\x0a\x07\x10\x02\x1a\x01k\x30\x00\x12\x08\x12\x06\x0a\x01k\x12\x01v");
        let answer = |wire: &'static [u8]| TxnResponse::decode(wire).map(|answer| answer.succeeded);
        assert_eq!(answer(b"\x0a\x02\x18\x2a\x10\x01\x1a\x00"), Ok(true));
        assert_eq!(answer(b"\x0a\x02\x18\x2a"), Ok(false));
    }

    /// With fields that are not read here (member, term, versions, lease), which are passed over.
    #[test]
    fn answers_as_etcd_writes_them() {
        let wire = b"\x0a\x08\x08\x05\x10\x06\x18\x2a\x20\x02\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\
                     \x5a\x12\x08\x01\x12\x0e\x0a\x01k\x10\x01\x18\x29\x20\x02\x2a\x01v\x30\x08\x90\x4e\x01";
        let read = WatchResponse::decode(&wire[..]).expect("an answer");
        assert_eq!(read.header.map(|h| (h.cluster_id, h.revision)), Some((5, 42)));
        assert_eq!((read.watch_id, read.events.len()), (WatchResponse::ALL, 1));
        let kv = read.events.first().and_then(|e| e.kv.clone()).expect("a key");
        assert_eq!((&*kv.key, kv.mod_revision, &*kv.value), (&b"k"[..], 41, &b"v"[..]));
        assert!(WatchResponse::decode(&b"\x0a\x7f\x00"[..]).is_err());
    }

    #[test]
    fn no_password_is_shown() {
        let request = AuthenticateRequest { name: "calico".to_owned(), password: "sesame".to_owned() };
        let answer = AuthenticateResponse { token: "sesame".to_owned() };
        assert!(!format!("{request:?}{answer:?}").contains("sesame"));
    }
}
