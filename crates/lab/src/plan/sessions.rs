//! The eBGP sessions of top-of-rack switches. Those between nodes and reflectors come out of the datastore.

use crate::addressing::Pair;

use super::{Plan, Role};

/// A session of a top-of-rack switch, in each family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The switch.
    pub tor: String,
    /// Its addresses.
    pub local: Pair,
    /// Its AS.
    pub local_asn: u32,
    /// The host on the other side.
    pub peer: String,
    /// The other side's addresses.
    pub remote: Pair,
    /// The other side's AS.
    pub remote_asn: u32,
}

/// To each node below, and to the switches of all other racks; the latter are listed from both sides.
pub(super) fn of_tors(plan: &Plan) -> Vec<Session> {
    let mut sessions = Vec::new();
    for tor in &plan.hosts {
        let Role::Tor { asn, rack, .. } = &tor.role else { continue };
        let below = plan.links.iter().filter(|link| link.upper.host == tor.name);
        for link in below {
            let (Some(local), Some(remote)) = (link.upper.address, link.lower.address) else { continue };
            let Some(Role::Node { asn: remote_asn, .. }) = plan.host(&link.lower.host).map(|host| &host.role) else {
                continue;
            };
            sessions.push(Session {
                tor: tor.name.clone(),
                local,
                local_asn: *asn,
                peer: link.lower.host.clone(),
                remote,
                remote_asn: *remote_asn,
            });
        }
        for other in &plan.hosts {
            let Role::Tor { asn: remote_asn, rack: other_rack, .. } = &other.role else { continue };
            let (Some(local), Some(remote), true) = (tor.address, other.address, rack != other_rack) else { continue };
            sessions.push(Session {
                tor: tor.name.clone(),
                local,
                local_asn: *asn,
                peer: other.name.clone(),
                remote,
                remote_asn: *remote_asn,
            });
        }
    }
    sessions
}
