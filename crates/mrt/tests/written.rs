//! What the writer writes, bgpdump reads, and shows as we do. Where `bgpdump` is not installed only our own text is
//! made.

use std::io::Write;
use std::net::IpAddr;
use std::process::Command;

use heddle_bgp_core::attr::AttrCode;
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::{AsWidth, Asn, BgpId, PathId, Prefix};
use heddle_mrt::bgp4mp::{Direction, Message, Session, StateChange};
use heddle_mrt::show::show;
use heddle_mrt::table_dump::TableDump;
use heddle_mrt::table_dump_v2::{PeerEntry, PeerIndexTable, RibEntry};
use heddle_mrt::writer::Time;
use heddle_mrt::{Reader, Writer};

const V6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9];

/// Attributes of many kinds; with `path_ids`, IPv6 NLRI of that form.
fn attributes(width: AsWidth, nlri: Option<PathIds>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut push = |flags, code, value: &[u8]| push_attr(&mut out, flags, AttrCode(code), value);
    push(0x40, 1, &[2]);
    match width {
        AsWidth::Four => push(0x40, 2, &[2, 2, 0, 1, 0, 0, 0, 0, 0, 5, 1, 2, 0, 0, 0, 7, 0, 0, 0, 8]),
        AsWidth::Two => push(0x40, 2, &[2, 2, 0x5b, 0xa0, 0, 5, 1, 2, 0, 7, 0, 8]),
    }
    push(0x40, 3, &[10, 0, 0, 9]);
    push(0x80, 4, &[0xff, 0, 0, 1]);
    push(0x40, 5, &[0, 0, 1, 0]);
    push(0x40, 6, &[]);
    match width {
        AsWidth::Four => push(0xc0, 7, &[0, 1, 0, 0, 10, 0, 0, 1]),
        AsWidth::Two => push(0xc0, 7, &[0x5b, 0xa0, 10, 0, 0, 1]),
    }
    push(0xc0, 8, &[255, 255, 255, 1, 0xfd, 0xe9, 0, 100, 255, 255, 255, 4]);
    push(0x80, 9, &[10, 0, 0, 3]);
    push(0x80, 10, &[10, 0, 0, 4]);
    match nlri {
        None => push(0x80, 14, &[&[16][..], &V6].concat()),
        Some(path_ids) => {
            let id: &[u8] = if path_ids == PathIds::Present { &[0, 0, 1, 0] } else { &[] };
            let prefix = [0x30, 0x20, 1, 0x0d, 0xb8, 0, 7];
            push(0x80, 14, &[&[0, 2, 1, 32][..], &V6, &V6, &[0], id, &prefix].concat());
            push(0x80, 15, &[&[0, 2, 1][..], id, &prefix].concat());
        }
    }
    push(0xc0, 16, &[0, 2, 0, 1, 0, 0, 0, 1]);
    if width == AsWidth::Two {
        push(0xc0, 17, &[2, 2, 0, 1, 0, 0, 0, 0, 0, 5, 1, 2, 0, 0, 0, 7, 0, 0, 0, 8]);
        push(0xc0, 18, &[0, 1, 0, 0, 10, 0, 0, 1]);
    }
    push(0xc0, 32, &[0; 12]);
    push(0xc0, 200, &[1, 2, 3]);
    out
}

fn update(width: AsWidth, path_ids: PathIds) -> Vec<u8> {
    let id: &[u8] = if path_ids == PathIds::Present { &[0, 0, 0, 9] } else { &[] };
    let nlri = |first: u8| [id, &[24, first, 0, 1], id, &[0]].concat();
    let (withdrawn, attributes) = (nlri(11), attributes(width, Some(path_ids)));
    let len = |field: &[u8]| u16::try_from(field.len()).expect("short").to_be_bytes();
    let body = [&len(&withdrawn)[..], &withdrawn, &len(&attributes), &attributes, &nlri(10)].concat();
    let total = u16::try_from(19 + body.len()).expect("short").to_be_bytes();
    [&[255; 16][..], &total, &[2], &body].concat()
}

/// Every form of a record that we and bgpdump understand alike.
fn file() -> Vec<u8> {
    let mut w = Writer::new(Vec::new());
    let ends = [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")];
    let mut run = || -> std::io::Result<()> {
        for (peer, local) in ends.map(|(a, b)| (addr(a), addr(b))) {
            for as_width in [AsWidth::Two, AsWidth::Four] {
                let asn = Asn(if as_width == AsWidth::Two { 65002 } else { 4_200_000_000 });
                let session = Session { peer_asn: asn, local_asn: Asn(65001), interface: 0, peer, local };
                for micros in [None, Some(42)] {
                    let time = Time { seconds: 1_700_000_000, micros };
                    w.state_change(time, &StateChange { session, as_width, old: 3, new: 6 })?;
                    for (direction, path_ids) in [
                        (Direction::Received, PathIds::Absent),
                        (Direction::Sent, PathIds::Absent),
                        (Direction::Received, PathIds::Present),
                    ] {
                        if direction == Direction::Sent && peer.is_ipv4() {
                            // bgpdump 1.6.2 takes the address for IPv6 in the withdrawals of IPv6 prefixes.
                            continue;
                        }
                        let message = &update(as_width, path_ids)[..];
                        w.message(time, &Message { session, direction, as_width, path_ids, message })?;
                    }
                }
            }
        }
        let peers = ends.map(|(a, _)| PeerEntry { bgp_id: BgpId(1), addr: addr(a), asn: Asn(65536) }).to_vec();
        w.peer_index_table(7, &PeerIndexTable { collector_id: BgpId(1), view: "view".into(), peers })?;
        let attrs = attributes(AsWidth::Four, None);
        for text in ["0.0.0.0/0", "10.128.0.0/9", "192.0.2.1/32", "::/0", "2001:db8::/33", "2001:db8::1/128"] {
            let prefix: Prefix = text.parse().expect("a prefix");
            for path_ids in [PathIds::Absent, PathIds::Present] {
                let entry = |peer_index| RibEntry { peer_index, originated: 5, path_id: PathId(3), attributes: &attrs };
                w.rib(7, 1, prefix, path_ids, &[entry(0), entry(1)])?;
            }
            let peer = addr(if text.contains(':') { "2001:db8::1" } else { "192.0.2.1" });
            w.table_dump(
                7,
                &TableDump {
                    view: 0,
                    sequence: 1,
                    prefix,
                    originated: 3,
                    peer,
                    peer_asn: Asn(65002),
                    as_width: AsWidth::Two,
                    attributes: &attributes(AsWidth::Two, None),
                },
            )?;
        }
        Ok(())
    };
    run().expect("writing to memory");
    w.into_inner()
}

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn bgpdump_reads_what_we_write() {
    let file = file();
    let mut got = Vec::new();
    let summary = show(&mut Reader::new(&file[..]).expect("readable"), &mut got).expect("sound");
    assert_eq!((summary.lines, summary.skipped), (8 + 20 * 6 + 6 * 5, 0));
    let got = String::from_utf8(got).expect("text");

    let path = std::env::temp_dir().join(format!("heddle-mrt-written-{}", std::process::id()));
    std::fs::File::create(&path).and_then(|mut f| f.write_all(&file)).expect("a temporary file");
    let output = Command::new("bgpdump").arg("-q").arg("-m").arg(&path).output();
    std::fs::remove_file(&path).expect("the temporary file is ours");
    let Ok(output) = output else {
        eprintln!("bgpdump is not installed: not compared");
        return;
    };
    let want = String::from_utf8(output.stdout).expect("text");
    for (number, (got, want)) in got.lines().zip(want.lines()).enumerate() {
        assert_eq!(got, want, "line {}", number + 1);
    }
    assert_eq!(got.lines().count(), want.lines().count());
}
