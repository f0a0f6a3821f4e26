//! `prefixAdvertisements`: communities of routes that are advertised.

use heddle_config::Community;
use heddle_resources::bgp_configuration::PrefixAdvertisement;
use heddle_resources::value::{self, Cidr, Family};
use heddle_resources::{Key, Kind};

use crate::cluster::Cluster;
use crate::origin::Source;

/// Communities for the routes in a CIDR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advertisement {
    pub(crate) cidr: Cidr,
    pub(crate) communities: Vec<Community>,
    pub(crate) source: Source,
}

/// A community as routes carry it.
pub(crate) const fn on_wire(community: value::Community) -> Community {
    match community {
        // Widening; `From` is not const.
        value::Community::Standard(a, b) => Community::Standard((a as u32) << 16 | b as u32),
        value::Community::Large(a, b, c) => Community::Large([a, b, c]),
    }
}

/// The entries of a family. Those of the node's own configuration, if it has any, stand in place of all global ones.
pub(crate) fn advertisements(cluster: &Cluster<'_>, family: Family) -> Vec<Advertisement> {
    let own = cluster.own_settings.filter(|c| !c.spec.prefix_advertisements.is_empty());
    let (entries, source): (&[PrefixAdvertisement], Source) = match own {
        Some(c) => {
            let key = Key::cluster(Kind::BgpConfiguration, c.metadata.name.clone());
            (&c.spec.prefix_advertisements, Source::field(key, "prefixAdvertisements"))
        }
        None => (&cluster.global.prefix_advertisements, cluster.global_or_default(Some(()), "prefixAdvertisements")),
    };
    let of_family = entries.iter().filter(|e| e.cidr.family() == family && !e.communities.is_empty());
    of_family
        .map(|e| Advertisement {
            cidr: e.cidr,
            communities: e.communities.iter().copied().map(on_wire).collect(),
            source: source.clone(),
        })
        .collect()
}
