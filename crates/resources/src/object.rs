//! An object of any kind.

use std::sync::Arc;

use crate::bgp_configuration::BgpConfiguration;
use crate::bgp_filter::BgpFilter;
use crate::bgp_peer::BgpPeer;
use crate::block_affinity::BlockAffinity;
use crate::calico_node_status::CalicoNodeStatus;
use crate::endpoint_slice::EndpointSlice;
use crate::ip_pool::IpPool;
use crate::ipam_block::IpamBlock;
use crate::kind::{Key, Kind};
use crate::metadata::Metadata;
use crate::node::Node;
use crate::pod::Pod;
use crate::secret::Secret;
use crate::service::Service;

/// A type of objects: what [`Snapshot::all`](crate::Snapshot::all) and [`Snapshot::named`](crate::Snapshot::named)
/// look for.
pub trait Resource: Sized {
    /// The kind.
    const KIND: Kind;

    /// The object, if it is of this type.
    fn of(object: &Object) -> Option<&Arc<Self>>;

    /// Name, labels and version.
    fn metadata(&self) -> &Metadata;
}

macro_rules! objects {
    ($($name:ident),* $(,)?) => {
        /// An object of any kind. Cheap to clone: the value is shared.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Object {
            $(#[doc = concat!("A ", stringify!($name), ".")] $name(Arc<$name>),)*
        }

        impl Object {
            /// What it is.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)* }
            }

            /// Name, labels and version.
            #[must_use]
            pub fn metadata(&self) -> &Metadata {
                match self { $(Self::$name(value) => &value.metadata,)* }
            }

            /// The same, to be changed; none where the value is shared.
            #[must_use]
            pub fn metadata_mut(&mut self) -> Option<&mut Metadata> {
                match self { $(Self::$name(value) => Arc::get_mut(value).map(|value| &mut value.metadata),)* }
            }

            /// Whether both are the same value in memory; objects that are not may still be equal.
            #[must_use]
            pub fn is_same(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$name(a), Self::$name(b)) => Arc::ptr_eq(a, b),)*
                    $((Self::$name(_), _) => false,)*
                }
            }
        }

        $(
            impl Resource for $name {
                const KIND: Kind = Kind::$name;

                fn of(object: &Object) -> Option<&Arc<Self>> {
                    if let Object::$name(value) = object { Some(value) } else { None }
                }

                fn metadata(&self) -> &Metadata {
                    &self.metadata
                }
            }

            impl From<$name> for Object {
                fn from(value: $name) -> Self {
                    Self::$name(Arc::new(value))
                }
            }
        )*
    };
}

objects!(
    Node,
    BgpConfiguration,
    BgpPeer,
    BgpFilter,
    IpPool,
    BlockAffinity,
    IpamBlock,
    Secret,
    Service,
    EndpointSlice,
    Pod,
    CalicoNodeStatus,
);

impl Object {
    /// Its identity.
    #[must_use]
    pub fn key(&self) -> Key {
        let metadata = self.metadata();
        Key { kind: self.kind(), namespace: metadata.namespace.clone(), name: metadata.name.clone() }
    }
}
