use std::net::Ipv4Addr;

use super::*;
use crate::Writer;
use crate::bgp4mp::Session;
use crate::writer::Time;

/// An UPDATE of raw fields.
fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for field in [withdrawn, attributes] {
        body.extend_from_slice(&u16::try_from(field.len()).unwrap().to_be_bytes());
        body.extend_from_slice(field);
    }
    body.extend_from_slice(nlri);
    let mut message = vec![255; 16];
    message.extend_from_slice(&u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    message.push(2);
    message.extend_from_slice(&body);
    message
}

/// The lines for a message in a form.
fn lines(message: &[u8], as_width: AsWidth, direction: Direction, path_ids: PathIds) -> (String, Summary) {
    let session = Session {
        peer_asn: heddle_bgp_core::Asn(65002),
        local_asn: heddle_bgp_core::Asn(65001),
        interface: 0,
        peer: Ipv4Addr::new(192, 0, 2, 1).into(),
        local: Ipv4Addr::new(192, 0, 2, 2).into(),
    };
    let mut writer = Writer::new(Vec::new());
    let time = Time { seconds: 5, micros: None };
    writer.message(time, &Message { session, direction, as_width, path_ids, message }).unwrap();
    let file = writer.into_inner();
    let mut out = Vec::new();
    let summary = show(&mut Reader::new(&file[..]).unwrap(), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), summary)
}

/// The fields from the path on, of one IPv4 prefix.
fn fields(attributes: &[u8], as_width: AsWidth) -> String {
    let (text, _) = lines(&update(&[], attributes, &[8, 10]), as_width, Direction::Received, PathIds::Absent);
    text.strip_prefix("BGP4MP|5|A|192.0.2.1|65002|10.0.0.0/8|").unwrap().trim_end().to_owned()
}

/// Each attribute as bgpdump has it; what is absent has its own text.
#[test]
fn attributes() {
    use AsWidth::{Four, Two};
    #[rustfmt::skip]
    let rows: &[(&[u8], AsWidth, &str)] = &[
        (&[], Four, "|INCOMPLETE|255.255.255.255|0|0||NAG||"),
        (&[0x40, 1, 1, 0], Four, "|IGP|255.255.255.255|0|0||NAG||"),
        (&[0x40, 1, 1, 1], Four, "|EGP|255.255.255.255|0|0||NAG||"),
        (&[0x40, 1, 1, 2], Four, "|INCOMPLETE|255.255.255.255|0|0||NAG||"),
        (&[0x40, 2, 6, 2, 1, 0, 0, 0, 9], Four, "9|INCOMPLETE|255.255.255.255|0|0||NAG||"),
        (&[0x40, 2, 14, 2, 1, 0, 9, 1, 2, 0, 1, 0, 2, 3, 1, 0, 7], Two, "9 {1,2} (7)|INCOMPLETE|255.255.255.255|0|0||NAG||"),
        (&[0x40, 2, 4, 4, 1, 0, 8], Two, "[8]|INCOMPLETE|255.255.255.255|0|0||NAG||"),
        (&[0x40, 2, 4, 5, 1, 0, 8], Two, "! Error !|INCOMPLETE|255.255.255.255|0|0||NAG||"),
        (&[0x40, 2, 4, 2, 2, 0, 8], Two, "! Error !|INCOMPLETE|255.255.255.255|0|0||NAG||"),
        (&[0x40, 3, 4, 1, 2, 3, 4], Four, "|INCOMPLETE|1.2.3.4|0|0||NAG||"),
        (&[0x80, 4, 4, 255, 255, 255, 255], Four, "|INCOMPLETE|255.255.255.255|0|4294967295||NAG||"),
        (&[0x40, 5, 4, 0, 0, 0, 100], Four, "|INCOMPLETE|255.255.255.255|100|0||NAG||"),
        (&[0x40, 6, 0], Four, "|INCOMPLETE|255.255.255.255|0|0||AG||"),
        (&[0xc0, 7, 8, 0, 1, 0, 0, 10, 0, 0, 1], Four, "|INCOMPLETE|255.255.255.255|0|0||NAG|65536 10.0.0.1|"),
        (&[0xc0, 8, 16, 255, 255, 255, 1, 255, 255, 255, 2, 255, 255, 255, 3, 0, 5, 0, 6], Four,
            "|INCOMPLETE|255.255.255.255|0|0|no-export no-advertise local-AS 5:6|NAG||"),
        (&[0xc0, 8, 0], Four, "|INCOMPLETE|255.255.255.255|0|0||NAG||"),
        // The first of two counts; one that exceeds the list ends it.
        (&[0x40, 1, 1, 0, 0x40, 1, 1, 1], Four, "|IGP|255.255.255.255|0|0||NAG||"),
        (&[0x40, 1, 1, 0, 0x40, 5, 40, 0], Four, "|IGP|255.255.255.255|0|0||NAG||"),
    ];
    for (attributes, width, want) in rows {
        assert_eq!(fields(attributes, *width), *want, "{attributes:?}");
    }
}

/// RFC 6793 §4.2.3: AS4_PATH replaces the end of the path, unless it is longer; AGGREGATOR decides whether it counts.
#[test]
fn merged_paths() {
    let path = [0x40, 2, 8, 2, 3, 0, 1, 0x5b, 0xa0, 0x5b, 0xa0];
    let newer = [0xc0, 17, 10, 2, 2, 0, 1, 0, 0, 0, 1, 0, 1];
    let longer = [0xc0, 17, 18, 2, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4];
    let plain_aggregator = [0xc0, 7, 6, 0, 9, 10, 0, 0, 1];
    let trans_aggregator = [0xc0, 7, 6, 0x5b, 0xa0, 10, 0, 0, 1];
    let newer_aggregator = [0xc0, 18, 8, 0, 1, 0, 0, 10, 0, 0, 2];
    let shown = |parts: &[&[u8]]| {
        let text = fields(&parts.concat(), AsWidth::Two);
        let all: Vec<_> = text.split('|').map(str::to_owned).collect();
        (all[0].clone(), all[7].clone())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(shown(&[&path]), pair("1 23456 23456", ""));
    assert_eq!(shown(&[&path, &newer]), pair("1 65536 65537", ""));
    assert_eq!(shown(&[&newer, &path]), pair("1 65536 65537", ""));
    assert_eq!(shown(&[&path, &longer]), pair("1 23456 23456", ""));
    assert_eq!(shown(&[&path, &newer, &plain_aggregator, &newer_aggregator]), pair("1 23456 23456", "9 10.0.0.1"));
    assert_eq!(shown(&[&path, &newer, &trans_aggregator, &newer_aggregator]), pair("1 65536 65537", "65536 10.0.0.2"));
}

/// The format's name says direction and Path Identifiers; withdrawals come first.
#[test]
fn formats() {
    let plain = update(&[8, 11], &[], &[8, 10]);
    let (text, summary) = lines(&plain, AsWidth::Four, Direction::Sent, PathIds::Absent);
    assert_eq!(
        text,
        "BGP4MP_LOCAL|5|W|192.0.2.1|65002|11.0.0.0/8\n\
         BGP4MP_LOCAL|5|A|192.0.2.1|65002|10.0.0.0/8||INCOMPLETE|255.255.255.255|0|0||NAG||\n"
    );
    assert_eq!(summary.lines, 2);
    let path_ids = update(&[0, 0, 0, 7, 8, 11], &[], &[0, 0, 0, 9, 8, 10]);
    let (text, _) = lines(&path_ids, AsWidth::Four, Direction::Received, PathIds::Present);
    assert_eq!(
        text,
        "BGP4MP_AP|5|W|192.0.2.1|65002|11.0.0.0/8|7\n\
         BGP4MP_AP|5|A|192.0.2.1|65002|10.0.0.0/8|9||INCOMPLETE|255.255.255.255|0|0||NAG||\n"
    );
    let (text, _) = lines(&path_ids, AsWidth::Four, Direction::Sent, PathIds::Present);
    assert!(text.starts_with("BGP4MP_LOCAL_AP|5|W|192.0.2.1|65002|11.0.0.0/8|7\n"), "{text}");
}

/// IPv6 routes, and the next hop in both lengths; one of another length leaves fields out.
#[test]
fn multiprotocol() {
    let reach = |next_hop: &[u8]| {
        let mut value = vec![0, 2, 1, u8::try_from(next_hop.len()).unwrap()];
        value.extend_from_slice(next_hop);
        value.extend_from_slice(&[0, 32, 0x20, 1, 0x0d, 0xb8]);
        let mut attr = vec![0x80, 14, u8::try_from(value.len()).unwrap()];
        attr.extend_from_slice(&value);
        attr.extend_from_slice(&[0x80, 15, 7, 0, 2, 1, 24, 0x20, 1, 0x0d]);
        let (text, _) = lines(&update(&[], &attr, &[]), AsWidth::Four, Direction::Received, PathIds::Absent);
        text
    };
    let global = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    let local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let want = "BGP4MP|5|W|192.0.2.1|65002|2001:d00::/24\n\
                BGP4MP|5|A|192.0.2.1|65002|2001:db8::/32||INCOMPLETE|2001:db8:0:1::9|0|0||NAG||\n";
    assert_eq!(reach(&global), want);
    assert_eq!(reach(&[global, local].concat()), want);
    assert!(reach(&[1, 2, 3]).ends_with("|2001:db8::/32||NAG||\n"), "{}", reach(&[1, 2, 3]));
}

/// What is no UPDATE is not shown; what is no message is counted, and the rest goes on.
#[test]
fn other_messages() {
    let keepalive = heddle_bgp_core::message::KEEPALIVE;
    let (text, summary) = lines(&keepalive, AsWidth::Four, Direction::Received, PathIds::Absent);
    assert_eq!((text.as_str(), summary.skipped), ("", 0));
    let (text, summary) = lines(&[0; 23], AsWidth::Four, Direction::Received, PathIds::Absent);
    assert_eq!(text, "");
    assert_eq!(summary.first_skipped, Some((0, MalformedRecord::Marker)));
    // A cut UPDATE is shown as far as it goes.
    let whole = update(&[8, 11], &[0x40, 1, 1, 0], &[8, 10, 8, 12]);
    for len in 19..whole.len() {
        let (text, _) = lines(&whole[..len], AsWidth::Four, Direction::Received, PathIds::Absent);
        assert!(text.lines().count() <= 3, "{text}");
    }
}

/// Addresses as bgpdump writes them.
#[test]
fn ipv6_addresses() {
    for (addr, want) in [
        ("::", "::"),
        ("::1", "::1"),
        ("::2", "::0.0.0.2"),
        ("::102:304", "::1.2.3.4"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("2001:db8::", "2001:db8::"),
        ("2001:7f8:30:0:2:1:0:8447", "2001:7f8:30::2:1:0:8447"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("0:1:2:3:4:5:6:7", "::1:2:3:4:5:6:7"),
        ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7::"),
        ("a0b:c:d0e0:f:1:20:300:4000", "a0b:c:d0e0:f:1:20:300:4000"),
    ] {
        let mut out = Vec::new();
        push_addr(&mut out, addr.parse().unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}

#[test]
fn numbers() {
    for n in [0, 1, 9, 10, 99, 100, 65535, 4_200_000_000, u32::MAX] {
        let mut out = Vec::new();
        push_number(&mut out, n);
        assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
        let mut out = Vec::new();
        push_signed(&mut out, n);
        assert_eq!(String::from_utf8(out).unwrap(), n.cast_signed().to_string());
    }
}
