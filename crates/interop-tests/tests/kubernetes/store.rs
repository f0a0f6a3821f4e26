//! etcd alone, as a cluster on bare metal has it.

use heddle_interop_tests::etcd::{Etcd, Options};
use heddle_interop_tests::process::Signal;
use heddle_interop_tests::tls::Authority;
use serde_json::json;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Keys come and go, a compaction forgets old revisions, and a restart nothing else.
pub(crate) fn keys() {
    let directory = directory();
    let mut etcd = Etcd::start(directory.path(), &Options::default());
    let key = "/calico/resources/v3/projectcalico.org/ippools/pods";
    let first = etcd.put(key, "1").unwrap_or_else(|error| panic!("{error}"));
    let second = etcd.put(key, "2").unwrap_or_else(|error| panic!("{error}"));
    assert!(second > first);
    assert_eq!(etcd.get(key), Ok(Some(b"2".to_vec())));
    assert_eq!(etcd.compact(), Ok(second));
    let old = etcd.call("kv/range", &json!({"key": "Lw==", "revision": first.to_string()}));
    assert!(old.as_ref().is_err_and(|error| error.contains("compacted")), "{old:?}");
    etcd.stop(Signal::Kill);
    assert!(etcd.get(key).is_err());
    etcd.start_again();
    assert_eq!(etcd.get(key), Ok(Some(b"2".to_vec())));
    etcd.delete(key).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(etcd.get(key), Ok(None));
}

/// With TLS on both sides, and with users: each has its keys.
pub(crate) fn tls_and_users() {
    let directory = directory();
    let authority = Authority::new();
    let etcd = Etcd::start(directory.path(), &Options { tls: Some(&authority), ..Options::default() });
    assert!(etcd.url().starts_with("https://"));
    etcd.put("/calico/a", "1").unwrap_or_else(|error| panic!("{error}"));
    etcd.add_user("calico", "password", "/calico/").unwrap_or_else(|error| panic!("{error}"));
    etcd.require_users("root-password").unwrap_or_else(|error| panic!("{error}"));
    let token = etcd.log_in("calico", "password").unwrap_or_else(|error| panic!("{error}"));
    let read = |token: Option<&str>, key: &str| etcd.call_as(token, "kv/range", &json!({"key": key}));
    // "/calico/a" and "/other", in base64.
    assert_eq!(read(Some(&token), "L2NhbGljby9h").map(|answer| answer["count"].clone()), Ok(json!("1")));
    assert!(read(Some(&token), "L290aGVy").is_err_and(|error| error.contains("permission denied")));
    assert!(etcd.log_in("calico", "wrong").is_err());
    assert!(etcd.log_in("root", "root-password").is_ok());
}
