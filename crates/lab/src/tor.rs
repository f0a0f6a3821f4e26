//! The daemons of top-of-rack switches: their configurations, and how they are asked.

pub mod bird;
pub mod frr;

use std::path::Path;

use crate::plan::{Installed, Presence, Session};

/// Which foreign daemons are installed here.
#[must_use]
pub fn installed() -> Installed {
    let presence = |files: &[&str]| {
        if files.iter().all(|file| Path::new(file).exists()) { Presence::Present } else { Presence::Absent }
    };
    Installed { bird: presence(&[bird::PROGRAM]), frr: presence(&[frr::BGPD, frr::ZEBRA]) }
}

/// A session of one family, as configurations list them.
struct Neighbor<'a> {
    local: std::net::IpAddr,
    address: std::net::IpAddr,
    asn: u32,
    name: &'a str,
}

fn neighbors<'a>(sessions: &'a [&Session]) -> impl Iterator<Item = Neighbor<'a>> {
    sessions.iter().flat_map(|session| {
        let both = session.local.addresses().into_iter().zip(session.remote.addresses());
        both.map(|(local, address)| Neighbor { local, address, asn: session.remote_asn, name: &session.peer })
    })
}
