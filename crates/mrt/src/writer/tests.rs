use heddle_bgp_core::message::KEEPALIVE;
use heddle_bgp_core::{BgpId, PathId};

use super::*;
use crate::bgp4mp::Direction;
use crate::table_dump_v2::PeerEntry;
use crate::{MalformedRecord, Reader, Record};

fn session(v6: bool, asn: u32) -> Session {
    let addr = |last| {
        let text = if v6 { format!("2001:db8::{last}") } else { format!("192.0.2.{last}") };
        text.parse().unwrap()
    };
    Session { peer_asn: Asn(asn), local_asn: Asn(65001), interface: 3, peer: addr(1), local: addr(2) }
}

/// Writes, reads back, and gives the records to `check` with their headers.
fn written(write: impl FnOnce(&mut Writer<Vec<u8>>), mut check: impl FnMut(usize, Header, Record<'_>)) {
    let mut writer = Writer::new(Vec::new());
    write(&mut writer);
    let file = writer.into_inner();
    let mut reader = Reader::new(&file[..]).unwrap();
    let mut n = 0;
    while let Some(record) = reader.next().unwrap() {
        check(n, record.header, record.decode().unwrap());
        n += 1;
    }
}

/// RFC 6396 §4.4, RFC 8050 §3: every form of a message, with and without microseconds.
#[test]
fn messages() {
    let mut all = Vec::new();
    for as_width in [AsWidth::Two, AsWidth::Four] {
        for direction in [Direction::Received, Direction::Sent] {
            for path_ids in [PathIds::Absent, PathIds::Present] {
                for v6 in [false, true] {
                    let session = session(v6, if as_width == AsWidth::Two { 64999 } else { 4_200_000_000 });
                    all.push(Message { session, direction, as_width, path_ids, message: &KEEPALIVE });
                }
            }
        }
    }
    let time = |n: usize| Time { seconds: 7, micros: (n % 2 == 1).then_some(999_999) };
    written(
        |w| all.iter().enumerate().for_each(|(n, m)| w.message(time(n), m).unwrap()),
        |n, header, record| {
            assert_eq!(record, Record::Message(all[n]));
            assert_eq!((header.seconds, header.micros), (7, time(n).micros));
            assert_eq!(header.kind, if n % 2 == 1 { kind::BGP4MP_ET } else { kind::BGP4MP });
        },
    );
    let subtypes: std::collections::BTreeSet<_> = all.iter().map(Message::subtype).collect();
    assert_eq!(subtypes.into_iter().collect::<Vec<_>>(), [1, 4, 6, 7, 8, 9, 10, 11]);
}

/// RFC 6396 §4.4.1, §4.4.4.
#[test]
fn state_changes() {
    let all: Vec<_> = [(AsWidth::Two, false), (AsWidth::Four, false), (AsWidth::Four, true)]
        .map(|(as_width, v6)| StateChange { session: session(v6, 64999), as_width, old: 5, new: 6 })
        .to_vec();
    written(
        |w| all.iter().for_each(|c| w.state_change(Time::default(), c).unwrap()),
        |n, _, record| assert_eq!(record, Record::StateChange(all[n])),
    );
}

/// RFC 6396 §4.3, RFC 8050 §4.
#[test]
fn tables() {
    let peer = |addr: &str, asn| PeerEntry { bgp_id: BgpId(9), addr: addr.parse().unwrap(), asn: Asn(asn) };
    let table = PeerIndexTable {
        collector_id: BgpId(5),
        view: "main".into(),
        peers: vec![peer("192.0.2.1", 4_200_000_000), peer("2001:db8::1", 7)],
    };
    let entry =
        |path_id| RibEntry { peer_index: 1, originated: 8, path_id: PathId(path_id), attributes: &[0x40, 1, 1, 0] };
    let prefixes: Vec<Prefix> =
        ["0.0.0.0/0", "10.0.0.0/9", "192.0.2.1/32", "::/0", "2001:db8::/33"].map(|p| p.parse().unwrap()).to_vec();
    let forms = [(PathIds::Absent, 0), (PathIds::Present, 77)];
    written(
        |w| {
            w.peer_index_table(1, &table).unwrap();
            for prefix in &prefixes {
                for (path_ids, id) in forms {
                    w.rib(1, 2, *prefix, path_ids, &[entry(id), entry(id)]).unwrap();
                }
            }
        },
        |n, _, record| match record {
            Record::PeerIndexTable(t) => assert_eq!((n, t), (0, table.clone())),
            Record::Rib(rib) => {
                let (path_ids, id) = forms[(n - 1) % 2];
                assert_eq!((rib.prefix, rib.path_ids, rib.sequence), (prefixes[(n - 1) / 2], path_ids, 2));
                let entries: Vec<_> = rib.entries().map(Result::unwrap).collect();
                assert_eq!(entries, [entry(id), entry(id)]);
            }
            other => panic!("{other:?}"),
        },
    );
}

/// RFC 6396 §4.2, and the forms with 4-octet AS numbers.
#[test]
fn table_dumps() {
    let mut all = Vec::new();
    for (prefix, peer) in [("10.0.0.0/8", "192.0.2.1"), ("2001:db8::/32", "2001:db8::1")] {
        for as_width in [AsWidth::Two, AsWidth::Four] {
            all.push(TableDump {
                view: 1,
                sequence: 2,
                prefix: prefix.parse().unwrap(),
                originated: 3,
                peer: peer.parse().unwrap(),
                peer_asn: Asn(64999),
                as_width,
                attributes: &[0x40, 1, 1, 0],
            });
        }
    }
    written(
        |w| all.iter().for_each(|r| w.table_dump(4, r).unwrap()),
        |n, _, record| assert_eq!(record, Record::TableDump(all[n])),
    );
}

/// What is cut or impossible is an error, what is not read is passed over.
#[test]
fn malformed_records() {
    let decode = |kind, subtype, body: &[u8]| {
        Record::decode(Header { seconds: 0, micros: None, kind, subtype }, body).map(|r| r == Record::Other)
    };
    assert_eq!(decode(16, 4, &[0; 11]), Err(MalformedRecord::Cut));
    assert_eq!(decode(16, 4, &[0; 12]), Err(MalformedRecord::Afi(0)));
    assert_eq!(decode(16, 5, &[0; 11]), Err(MalformedRecord::Cut));
    assert_eq!(decode(12, 1, &[0, 0, 0, 0, 10, 0, 0, 0, 33]), Err(MalformedRecord::PrefixLength(33)));
    assert_eq!(decode(13, 2, &[0, 0, 0, 0, 33, 10, 0, 0, 0, 0, 0, 0]), Err(MalformedRecord::PrefixLength(33)));
    assert_eq!(decode(13, 1, &[0, 0, 0, 0, 0, 0, 0, 1]), Err(MalformedRecord::Cut));
    // RIB_GENERIC, an unknown subtype, and other types.
    for (kind, subtype) in [(13, 6), (13, 12), (16, 2), (16, 99), (12, 9), (11, 0), (32, 0)] {
        assert_eq!(decode(kind, subtype, &[]), Ok(true), "{kind} {subtype}");
    }
}
