use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn cidrs() {
    for (text, shown) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
        ("FD00:0::1", "fd00::1/128"),
    ] {
        assert_eq!(text.parse::<Cidr>().unwrap().to_string(), shown);
    }
    for text in [
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/33",
        "10.0.0/8",
        "fd00::/129",
        "10.0.0.0/8/8",
        " 10.0.0.0/8",
        "010.0.0.0/8",
    ] {
        assert_eq!(text.parse::<Cidr>(), Err(CidrError::Syntax), "{text:?}");
    }
    let strict = CidrError::HostBits("10.0.0.0/8".parse().unwrap());
    assert_eq!("10.0.0.1/8".parse::<Cidr>(), Err(strict));
    let cidr: Cidr = "10.1.0.0/16".parse().unwrap();
    assert_eq!((cidr.address(), cidr.length(), cidr.family(), cidr.is_host()), (ip("10.1.0.0"), 16, Family::V4, false));
    for (other, contains, overlaps) in [
        ("10.1.0.0/16", true, true),
        ("10.1.2.0/24", true, true),
        ("10.0.0.0/8", false, true),
        ("10.2.0.0/16", false, false),
        ("fd00::/8", false, false),
    ] {
        let other: Cidr = other.parse().unwrap();
        assert_eq!((cidr.contains(other), cidr.overlaps(other)), (contains, overlaps), "{other}");
    }
    assert_eq!(cidr.nth(65_535), Some(ip("10.1.255.255")));
    assert_eq!(cidr.nth(65_536), None);
    assert_eq!("255.255.255.255".parse::<Cidr>().unwrap().nth(1), None);
    assert_eq!(Cidr::of(ip("10.1.2.3"), 16), Some(cidr));
    assert_eq!(Cidr::of(ip("10.1.2.3"), 33), None);
    let address: InterfaceAddress = "10.1.2.3/16".parse().unwrap();
    assert_eq!((address.address(), address.length(), address.network()), (ip("10.1.2.3"), 16, cidr));
}

#[test]
fn addresses_of_peers() {
    for (text, address, port) in [
        ("192.0.2.1", "192.0.2.1", 0),
        ("192.0.2.1:179", "192.0.2.1", 179),
        ("2001:db8::1", "2001:db8::1", 0),
        ("[2001:db8::1]:65535", "2001:db8::1", 65535),
    ] {
        let read: PeerAddress = text.parse().unwrap();
        assert_eq!((read.address, read.port.map_or(0, std::num::NonZeroU16::get)), (ip(address), port));
        assert_eq!(read.to_string(), text);
    }
    for text in [
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:+1",
        "[2001:db8::1]",
        "[2001:db8::1]179",
        "[2001:db8::1]:x",
    ] {
        assert_eq!(text.parse::<PeerAddress>(), Err(PeerAddressError::Port), "{text}");
    }
    for text in ["", "[", "[192.0.2.1]:179", "host:179", "192.0.2.1/32", "[::1"] {
        assert_eq!(text.parse::<PeerAddress>(), Err(PeerAddressError::Syntax), "{text}");
    }
    for text in ["fe80::1%eth0", "[fe80::1%eth0]:179", "%"] {
        assert_eq!(text.parse::<PeerAddress>(), Err(PeerAddressError::Zone), "{text}");
    }
}

#[test]
fn as_numbers() {
    for (text, number) in
        [("0", 0), ("65000", 65000), ("4294967295", u32::MAX), ("1.10", 65_546), ("65535.65535", u32::MAX)]
    {
        assert_eq!(text.parse(), Ok(AsNumber(number)));
    }
    for text in ["", "-1", "+1", "4294967296", "1.", ".1", "1.65536", "1.2.3", "1e3", " 1"] {
        assert_eq!(text.parse::<AsNumber>(), Err(AsNumberError), "{text}");
    }
}

#[test]
fn communities() {
    assert_eq!("65535:0".parse(), Ok(Community::Standard(65535, 0)));
    assert_eq!("4294967295:0:007".parse(), Ok(Community::Large(u32::MAX, 0, 7)));
    assert_eq!("65536:0".parse::<Community>(), Err(CommunityError::Standard));
    assert_eq!("0:0:4294967296".parse::<Community>(), Err(CommunityError::Large));
    for text in ["", ":", "1", "1:", "1:+2", "1:2:3:4", "1:x", "blue"] {
        assert_eq!(text.parse::<Community>(), Err(CommunityError::Syntax), "{text}");
    }
}

#[test]
fn durations() {
    let ms = Duration::from_millis;
    for (text, expected) in [
        ("0", ms(0)),
        ("10s", ms(10_000)),
        ("1m0s", ms(60_000)),
        ("1.5h", ms(5_400_000)),
        (".5s", ms(500)),
        ("1.s", ms(1000)),
        ("+1h2m3.5s", ms(3_723_500)),
        ("100ms", ms(100)),
        ("1us", Duration::from_micros(1)),
        ("2µs", Duration::from_micros(2)),
        ("3ns", Duration::from_nanos(3)),
        ("-0s", ms(0)),
        ("0.00000000000000000000001s", ms(0)),
    ] {
        assert_eq!(parse_duration(text), Ok(expected), "{text}");
    }
    for text in ["", "-", "10", "s", "1d", "1 s", "1s ", ".s", "1..5s", "1m-5s"] {
        assert_eq!(parse_duration(text), Err(DurationError::Syntax), "{text}");
    }
    assert_eq!(parse_duration("-1s"), Err(DurationError::Negative));
    assert!(parse_duration("2562047h").is_ok());
    for text in ["2562048h", "99999999999999999999h", "9223372036854775808ns"] {
        assert_eq!(parse_duration(text), Err(DurationError::TooLong), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read(octets: [u8; 16], length in 0..=32_u8, v6: bool, number: u32) {
        let address = if v6 { IpAddr::from(octets) } else { IpAddr::from([octets[0], octets[1], octets[2], octets[3]]) };
        let cidr = Cidr::of(address, length).unwrap();
        prop_assert_eq!(cidr.to_string().parse(), Ok(cidr));
        prop_assert!(cidr.contains_address(address));
        prop_assert_eq!(AsNumber(number).to_string().parse(), Ok(AsNumber(number)));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9.:/\\[\\]a-fhmnsuµx+-]{0,24}") {
        let _ = text.parse::<Cidr>();
        let _ = text.parse::<PeerAddress>();
        let _ = text.parse::<AsNumber>();
        let _ = text.parse::<Community>();
        let _ = parse_duration(&text);
        let _ = text.parse::<InterfacePattern>();
    }
}
