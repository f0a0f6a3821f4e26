use std::mem::offset_of;

use super::*;

/// `struct tcp_ao_add` of `include/uapi/linux/tcp.h` (Linux 6.7), its bit fields as the word that holds them.
#[repr(C, align(8))]
struct TcpAoAdd {
    addr: [u64; 16],
    alg_name: [u8; 64],
    ifindex: i32,
    set_current_set_rnext: u32,
    reserved2: u16,
    prefix: u8,
    sndid: u8,
    rcvid: u8,
    maclen: u8,
    keyflags: u8,
    keylen: u8,
    key: [u8; 80],
}

/// `struct tcp_ao_del` of the same.
#[repr(C, align(8))]
struct TcpAoDel {
    addr: [u64; 16],
    ifindex: i32,
    set_current_set_rnext_del_async: u32,
    reserved2: u16,
    prefix: u8,
    sndid: u8,
    rcvid: u8,
    current_key: u8,
    rnext: u8,
    keyflags: u8,
}

#[test]
fn the_fields_lie_where_the_kernel_has_them() {
    assert_eq!(offset_of!(TcpAoAdd, addr), 0);
    assert_eq!(offset_of!(TcpAoAdd, alg_name), add::ALGORITHM);
    assert_eq!(offset_of!(TcpAoAdd, set_current_set_rnext), add::FLAGS);
    assert_eq!(offset_of!(TcpAoAdd, prefix), add::PREFIX);
    assert_eq!(offset_of!(TcpAoAdd, sndid), add::SEND_ID);
    assert_eq!(offset_of!(TcpAoAdd, rcvid), add::RECV_ID);
    assert_eq!(offset_of!(TcpAoAdd, maclen), add::MAC_LEN);
    assert_eq!(offset_of!(TcpAoAdd, keylen), add::KEY_LEN);
    assert_eq!(offset_of!(TcpAoAdd, key), add::KEY);
    assert_eq!(size_of::<TcpAoAdd>(), add::LEN);
    assert_eq!(offset_of!(TcpAoDel, prefix), del::PREFIX);
    assert_eq!(offset_of!(TcpAoDel, sndid), del::SEND_ID);
    assert_eq!(offset_of!(TcpAoDel, rcvid), del::RECV_ID);
    assert_eq!(size_of::<TcpAoDel>(), del::LEN);
}

fn key(secret: &[u8]) -> Key {
    Key { send_id: 7, recv_id: 9, algorithm: Algorithm::HmacSha1, secret: secret.to_vec() }
}

#[test]
fn a_key_as_the_kernel_reads_it() {
    let address = [2, 0, 0, 0, 192, 0, 2, 1];
    let option = encode_add(&address, 32, &key(b"warp"), Use::Current).expect("short");
    assert_eq!(&option[..8], &address);
    assert!(option[8..128].iter().all(|o| *o == 0));
    assert_eq!(&option[128..139], b"hmac(sha1)\0");
    // Interface 0; both bits; reserved; /32; numbers; 96 bits; no flags; four octets.
    assert_eq!(&option[192..196], &[0; 4]);
    let flags = u32::from_ne_bytes(option[196..200].try_into().expect("four"));
    assert_eq!(flags, if cfg!(target_endian = "little") { 3 } else { 3 << 30 });
    assert_eq!(&option[200..208], &[0, 0, 32, 7, 9, 12, 0, 4]);
    assert_eq!(&option[208..213], b"warp\0");
    let other = Key { algorithm: Algorithm::CmacAes128, ..key(b"warp") };
    let ready = encode_add(&address, 24, &other, Use::Ready).expect("short");
    assert_eq!((&ready[128..141], &ready[196..200]), (&b"cmac(aes128)\0"[..], &[0; 4][..]));
}

#[test]
fn lengths_of_keys() {
    let fits = |len: usize| encode_add(&[0; 8], 32, &key(&vec![b'k'; len]), Use::Ready).is_some();
    assert!(!fits(0) && fits(1) && fits(80) && !fits(81) && !fits(300));
}

#[test]
fn a_secret_is_not_printed() {
    assert_eq!(format!("{:?}", key(b"warp")), "Key(7, 9, HmacSha1, …)");
}
