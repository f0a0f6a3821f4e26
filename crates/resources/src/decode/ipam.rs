//! `BlockAffinity` and `IPAMBlock`

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::fields::{Fields, Value};
use super::tree::{Data, Truth};
use crate::block_affinity::{AffinityOwner, AffinityState, BlockAffinity, BlockAffinitySpec};
use crate::error::Rule;
use crate::ipam_block::{Allocation, BlockOwner, BlockState, IpamBlock, IpamBlockSpec};
use crate::metadata::Metadata;
use crate::value::Cidr;

pub(super) fn decode_affinity(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<BlockAffinity> {
    let value = object.required("spec")?;
    let fields = value.fields()?;
    let state = fields.get("state").map_or(Some(AffinityState::Confirmed), |state| {
        use AffinityState::{Confirmed, Pending, PendingDeletion};
        state.choice(&["confirmed", "pending", "pendingDeletion"], &[Confirmed, Pending, PendingDeletion])
    });
    let owner = fields.get("type").map_or(Some(AffinityOwner::Host), |owner| {
        owner.choice(&["host", "virtual"], &[AffinityOwner::Host, AffinityOwner::Virtual])
    });
    let node = fields.required("node").and_then(|node| node.shared());
    let cidr = fields.required("cidr").and_then(|cidr| cidr.parsed());
    let deleted = fields.get("deleted").and_then(|deleted| text_or_truth(&deleted));
    fields.finish();
    let state = match deleted {
        Some(Truth::True) => AffinityState::Deleted,
        Some(Truth::False) | None => state?,
    };
    let spec = BlockAffinitySpec { state, node: node?, owner: owner?, cidr: cidr? };
    Some(BlockAffinity { metadata: metadata?, spec })
}

/// `crd.projectcalico.org/v1` has text here, `projectcalico.org/v3` a truth value.
fn text_or_truth(value: &Value<'_>) -> Option<Truth> {
    match &value.tree.data {
        Data::Text(_) => value.choice(&["true", "false"], &[Truth::True, Truth::False]),
        _ => value.truth(),
    }
}

pub(super) fn decode_block(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<IpamBlock> {
    let value = object.required("spec")?;
    let fields = value.fields()?;
    let cidr: Option<Cidr> = fields.required("cidr").and_then(|cidr| cidr.parsed());
    let affinity = match fields.get("affinity") {
        Some(owner) => Some(block_owner(&owner)?),
        None => None,
    };
    let attributes = attributes(&fields);
    let allocations = match (cidr, fields.get("allocations")) {
        (Some(cidr), Some(list)) => allocations(&list, cidr, &attributes),
        (_, None) => Some(Box::default()),
        (None, Some(_)) => None,
    };
    let deleted = fields.get("deleted").and_then(|deleted| deleted.truth());
    fields.ignore(&[
        "affinityClaimTime",
        "unallocated",
        "sequenceNumber",
        "sequenceNumberForAllocation",
        "strictAffinity",
    ]);
    fields.finish();
    let state = match deleted {
        Some(Truth::True) => BlockState::Deleted,
        Some(Truth::False) | None => BlockState::Present,
    };
    Some(IpamBlock {
        metadata: metadata?,
        spec: IpamBlockSpec { cidr: cidr?, affinity, allocations: allocations?, state },
    })
}

fn block_owner(value: &Value<'_>) -> Option<BlockOwner> {
    let (kind, name) = match value.text()?.split_once(':') {
        Some(("host", name)) => (AffinityOwner::Host, name),
        Some(("virtual", name)) => (AffinityOwner::Virtual, name),
        Some(_) | None => return value.fail(Rule::BlockOwner),
    };
    if name.is_empty() { value.fail(Rule::BlockOwner) } else { Some(BlockOwner { kind, name: name.into() }) }
}

/// What is known of an allocation beside its address.
#[derive(Default)]
struct Attribute {
    node: Option<Arc<str>>,
    namespace: Option<Arc<str>>,
    pod: Option<Arc<str>>,
    kind: Option<Arc<str>>,
    released_at: Option<Timestamp>,
}

/// The same text is kept once: most attributes of a block name the same node.
#[derive(Default)]
struct Shared(BTreeSet<Arc<str>>);

impl Shared {
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        let shared: Arc<str> = text.into();
        self.0.insert(shared.clone());
        shared
    }
}

fn attributes(fields: &Fields<'_>) -> Vec<Attribute> {
    let shared = std::cell::RefCell::new(Shared::default());
    let list = fields.get("attributes").and_then(|list| {
        list.list(|entry| {
            let fields = entry.fields()?;
            let mut read = Attribute {
                released_at: fields.get("releasedAt").and_then(|time| time.time()),
                ..Attribute::default()
            };
            if let Some(owner) = fields.get("secondary")
                && let Some(owner) = owner.fields()
            {
                let text = |name| {
                    let text = owner.get(name)?.text()?;
                    Some(shared.borrow_mut().share(text))
                };
                (read.node, read.namespace) = (text("node"), text("namespace"));
                (read.pod, read.kind) = (text("pod"), text("type"));
            }
            fields.ignore(&["handle_id", "alternateOwnerAttrs"]);
            fields.finish();
            Some(read)
        })
    });
    list.unwrap_or_default()
}

/// One entry an address of the block: `null`, or the number of its attributes.
fn allocations(list: &Value<'_>, cidr: Cidr, attributes: &[Attribute]) -> Option<Box<[Allocation]>> {
    let ordinal = std::cell::Cell::new(0_u32);
    let read = list.list(|entry| {
        let number = ordinal.replace(ordinal.get().saturating_add(1));
        if entry.tree.data == Data::Null {
            return None;
        }
        let index: usize = entry.small(0, u64::from(u32::MAX))?;
        match (cidr.nth(number), attributes.get(index)) {
            (Some(address), Some(attribute)) => Some(Allocation {
                address,
                node: attribute.node.clone(),
                namespace: attribute.namespace.clone(),
                pod: attribute.pod.clone(),
                kind: attribute.kind.clone(),
                released_at: attribute.released_at,
            }),
            _ => entry.fail(Rule::Allocation),
        }
    });
    read.map(Into::into)
}
