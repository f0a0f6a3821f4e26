//! What a peer's segments are signed with: a TCP MD5 key, or keys of the TCP Authentication Option.

use std::path::PathBuf;

use super::reader::{Reader, Words};
use crate::error::{Conflict, Problem};
use crate::schema::Table;
use crate::value::{AoAlgorithm, AoKey, Password, PeerSettings};

/// `password_file`, `password` and `tcp_ao`: whichever is given takes the place of all that stood there; what is empty takes away
/// only its own.
pub(super) fn keys(reader: &Reader<'_, '_>, s: &mut PeerSettings) {
    passwords(reader, s);
    let Some(keys) = ao_keys(reader) else { return };
    let given = |key| reader.text(key).is_some_and(|text| !text.is_empty());
    if keys.is_empty() {
        s.tcp_ao = keys;
    } else if given("password_file") || given("password") {
        reader.source.error(reader.span("tcp_ao"), Conflict::PasswordAndAo);
    } else {
        (s.tcp_ao, s.password_file, s.password) = (keys, None, None);
    }
}

/// `password_file` and `password` alone.
pub(super) fn passwords(reader: &Reader<'_, '_>, s: &mut PeerSettings) {
    let file = reader.text("password_file");
    let inline = reader.text("password");
    let given = |text: Option<&str>| text.is_some_and(|t| !t.is_empty());
    if given(file) && given(inline) {
        reader.source.error(reader.span("password"), Conflict::PasswordTwice);
    }
    if given(file) || given(inline) {
        s.tcp_ao = Vec::new();
    }
    if let Some(path) = file {
        s.password_file = Some(PathBuf::from(path)).filter(|_| !path.is_empty());
        s.password = s.password.take().filter(|_| path.is_empty());
    }
    if let Some(key) = inline {
        s.password = password(reader, key);
        s.password_file = s.password_file.take().filter(|_| key.is_empty());
    }
}

/// A key in place; none for an empty text.
fn password(reader: &Reader<'_, '_>, key: &str) -> Option<Password> {
    let span = reader.span("password");
    let (found, max) = (key.len(), Password::MAX_LEN);
    if key == Password::HIDDEN {
        reader.source.error(span, Problem::HiddenPassword);
    } else if found > max {
        reader.source.error(span, Problem::TooLong { key: "password".to_owned(), found, max });
    }
    Password::new(key)
}

/// `tcp_ao`: a list of tables; none where nothing is said.
fn ao_keys(reader: &Reader<'_, '_>) -> Option<Vec<AoKey>> {
    reader.get("tcp_ao")?;
    let mut keys: Vec<AoKey> = Vec::new();
    for table in reader.tables("tcp_ao", Table::AoKey) {
        let Some(key) = ao_key(&table) else { continue };
        // RFC 5925 §3.1: what a peer sends has to name one key.
        if keys.iter().any(|k| k.send_id == key.send_id || k.recv_id == key.recv_id) {
            reader.source.error(table.own_span(), Conflict::AoIdTwice);
        }
        keys.push(key);
    }
    Some(keys)
}

fn ao_key(reader: &Reader<'_, '_>) -> Option<AoKey> {
    const ID: (i64, i64) = (0, 255);
    const ALGORITHMS: &Words<AoAlgorithm> = &[
        (AoAlgorithm::HmacSha1.as_str(), AoAlgorithm::HmacSha1),
        (AoAlgorithm::CmacAes128.as_str(), AoAlgorithm::CmacAes128),
    ];
    for key in ["send_id", "file"] {
        if reader.get(key).is_none() {
            reader.missing(key);
        }
    }
    let send_id = reader.integer("send_id", ID);
    let recv_id = reader.integer("recv_id", ID);
    let algorithm = reader.word("algorithm", ALGORITHMS, "\"hmac-sha-1-96\" or \"cmac-aes-128\"");
    let file = reader.name("file");
    let send_id = send_id?;
    Some(AoKey {
        send_id,
        recv_id: recv_id.unwrap_or(send_id),
        algorithm: algorithm.unwrap_or_default(),
        file: PathBuf::from(file?),
    })
}
