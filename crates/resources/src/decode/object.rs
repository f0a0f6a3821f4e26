//! What an object is: its API, its kind, and who reads it.

use std::sync::Arc;

use super::fields::{Context, Fields, Path, Value};
use super::tree::{Data, Entry, Tree};
use super::{
    Decoded, Document, bgp_configuration, bgp_filter, bgp_peer, ip_pool, ipam, metadata, node, pod, secret, service,
};
use crate::error::{InvalidObject, ObjectName, Problem};
use crate::kind::Kind;
use crate::object::Object;

/// An API that we read objects of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// `projectcalico.org/v3`
    Calico,
    /// `crd.projectcalico.org/v1`: how Calico's API server stores the same objects.
    CalicoStored,
    /// `v1`
    Core,
    /// `discovery.k8s.io/v1`
    Discovery,
}

impl Api {
    const fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Node => &[Self::Calico, Self::Core],
            Kind::BgpConfiguration
            | Kind::BgpPeer
            | Kind::BgpFilter
            | Kind::IpPool
            | Kind::BlockAffinity
            | Kind::IpamBlock
            | Kind::CalicoNodeStatus => &[Self::Calico, Self::CalicoStored],
            Kind::Secret | Kind::Service | Kind::Pod => &[Self::Core],
            Kind::EndpointSlice => &[Self::Discovery],
        }
    }

    /// The API of this group, and the version of it that we read.
    fn named(group: &str) -> Option<(Self, &'static str)> {
        match group {
            "projectcalico.org" => Some((Self::Calico, "v3")),
            "crd.projectcalico.org" => Some((Self::CalicoStored, "v1")),
            "" => Some((Self::Core, "v1")),
            "discovery.k8s.io" => Some((Self::Discovery, "v1")),
            _ => None,
        }
    }

    /// What to write.
    const fn expected(self) -> &'static str {
        match self {
            Self::Calico => "apiVersion: projectcalico.org/v3",
            Self::CalicoStored => "apiVersion: crd.projectcalico.org/v1",
            Self::Core => "apiVersion: v1",
            Self::Discovery => "apiVersion: discovery.k8s.io/v1",
        }
    }
}

/// What `apiVersion` and `kind` say.
enum Type {
    Read(Api, Kind),
    /// A kind that we read, in an API or a version that has none such.
    Version(Kind, Api),
    /// A kind that nobody has, and that is spelled almost as one that we read.
    Misspelt(Kind),
    Unknown,
}

impl Type {
    fn of(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let Some((api, its_version)) = Api::named(group) else {
            // Other projects have a BGPPeer, too; the groups of their own have a domain.
            let of_nobody = !group.contains('.');
            return match kind.parse::<Kind>() {
                Ok(kind) if of_nobody && Api::of(kind).contains(&Api::Calico) => Self::Version(kind, Api::Calico),
                Ok(_) | Err(_) => Self::Unknown,
            };
        };
        match kind.parse::<Kind>() {
            Ok(kind) if !Api::of(kind).contains(&api) => {
                Api::of(kind).first().map_or(Self::Unknown, |api| Self::Version(kind, *api))
            }
            Ok(kind) if version == its_version => Self::Read(api, kind),
            Ok(kind) => Self::Version(kind, api),
            Err(_) => {
                let singular = kind.strip_suffix('s').unwrap_or(kind);
                let alike = |k: &Kind| [kind, singular].iter().any(|text| text.eq_ignore_ascii_case(k.as_str()));
                let meant = Kind::ALL.into_iter().filter(|k| Api::of(*k).contains(&api)).find(alike);
                meant.map_or(Self::Unknown, Self::Misspelt)
            }
        }
    }
}

/// Decodes a document: an object, or a list of objects.
pub(super) fn decode_all(tree: &Tree, file: Option<&Arc<str>>, with: &mut impl FnMut(Result<Document, InvalidObject>)) {
    let kind = text_of(tree, "kind").and_then(|kind| kind.strip_suffix("List"));
    match (kind, tree.field("items").map(|items| &items.data)) {
        // A list within a list is none that any API has: it is skipped as a kind that we do not read.
        (Some(""), Some(Data::List(items))) => items.iter().for_each(|item| with(decode(item, file))),
        (Some(kind), Some(Data::List(items))) => {
            for item in items {
                with(decode(&item_of(tree, kind, item), file));
            }
        }
        (Some(_), Some(Data::Null)) => {}
        _ if tree.data == Data::Null => {}
        _ => with(decode(tree, file)),
    }
}

/// An item of a list of one kind; the API server leaves out what the list says already.
fn item_of(list: &Tree, kind: &str, item: &Tree) -> Tree {
    let mut item = item.clone();
    if let Data::Map(entries) = &mut item.data {
        let version = list.field("apiVersion").map_or(&Data::Null, |version| &version.data);
        for (name, data) in [("kind", &Data::Text(kind.into())), ("apiVersion", version)] {
            if !entries.iter().any(|entry| &*entry.name == name) {
                let value = Tree { mark: item.mark, data: data.clone() };
                entries.push(Entry { name: name.into(), mark: item.mark, value });
            }
        }
    }
    item
}

fn text_of<'t>(tree: &'t Tree, name: &str) -> Option<&'t str> {
    tree.field(name).and_then(Tree::scalar).filter(|text| !text.is_empty())
}

/// Decodes one object.
pub(super) fn decode(tree: &Tree, file: Option<&Arc<str>>) -> Result<Document, InvalidObject> {
    let metadata = tree.field("metadata");
    let name = ObjectName {
        kind: text_of(tree, "kind").map(Arc::from),
        namespace: metadata.and_then(|metadata| text_of(metadata, "namespace")).map(Arc::from),
        name: metadata.and_then(|metadata| text_of(metadata, "name")).map(Arc::from),
    };
    let context = Context::new(file, name);
    let outcome = read(tree, &context);
    let at = context.location(tree.mark);
    let (object, errors, notes) = context.into_parts();
    match outcome {
        Some(Outcome::Object(decoded)) if errors.is_empty() => {
            Ok(Document::Object(Decoded { key: decoded.key(), object: decoded, at, notes }))
        }
        Some(Outcome::Skipped(api_version)) => Ok(Document::Skipped { object, api_version, at }),
        Some(Outcome::Object(_)) | None => Err(InvalidObject { object, errors }),
    }
}

enum Outcome {
    Object(Object),
    Skipped(String),
}

fn read(tree: &Tree, context: &Context<'_>) -> Option<Outcome> {
    let value = Value { tree, path: Path::Root, context };
    let fields = value.fields()?;
    let (kind, api_version) = (fields.required("kind"), fields.required("apiVersion"));
    let (kind, api_version) = (kind?.text()?, api_version?.text()?);
    match Type::of(api_version, kind) {
        Type::Unknown => Some(Outcome::Skipped(api_version.to_owned())),
        Type::Version(kind, api) => fields.fail("apiVersion", Problem::ApiVersion { kind, expected: api.expected() }),
        Type::Misspelt(expected) => fields.fail("kind", Problem::Kind { expected }),
        Type::Read(api, kind) => object(&fields, api, kind).map(Outcome::Object),
    }
}

fn object(fields: &Fields<'_>, api: Api, kind: Kind) -> Option<Object> {
    let metadata = metadata::decode(fields, api, kind);
    let object: Option<Object> = match kind {
        Kind::Node if api == Api::Core => node::decode_core(fields, metadata).map(Object::from),
        Kind::Node => node::decode_calico(fields, metadata).map(Object::from),
        Kind::BgpConfiguration => bgp_configuration::decode(fields, metadata).map(Object::from),
        Kind::BgpPeer => bgp_peer::decode(fields, metadata).map(Object::from),
        Kind::BgpFilter => bgp_filter::decode(fields, metadata).map(Object::from),
        Kind::IpPool => ip_pool::decode(fields, metadata).map(Object::from),
        Kind::BlockAffinity => ipam::decode_affinity(fields, metadata).map(Object::from),
        Kind::IpamBlock => ipam::decode_block(fields, metadata).map(Object::from),
        Kind::CalicoNodeStatus => node::decode_status(fields, metadata).map(Object::from),
        Kind::Secret => secret::decode(fields, metadata).map(Object::from),
        Kind::Service => service::decode(fields, metadata).map(Object::from),
        Kind::EndpointSlice => service::decode_slice(fields, metadata).map(Object::from),
        Kind::Pod => pod::decode(fields, metadata).map(Object::from),
    };
    match api {
        Api::Calico | Api::CalicoStored => {
            fields.ignore(&["status"]);
            fields.finish();
        }
        // Of Kubernetes' own objects we read a part, and know no more of them.
        Api::Core | Api::Discovery => {}
    }
    object
}
