//! `BGPFilter`

use super::fields::{Fields, Value};
use crate::bgp_filter::{
    BgpFilter, BgpFilterRule, BgpFilterSpec, FilterAction, FilterOperation, MatchOperator, PeerType, PrefixLength,
    PrefixMatch, RouteSource,
};
use crate::error::Rule;
use crate::metadata::Metadata;
use crate::value::{Cidr, Community, Family};

pub(super) fn decode(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<BgpFilter> {
    let spec = match object.get("spec") {
        Some(spec) => decode_spec(&spec)?,
        None => BgpFilterSpec::default(),
    };
    Some(BgpFilter { metadata: metadata?, spec })
}

fn decode_spec(value: &Value<'_>) -> Option<BgpFilterSpec> {
    let fields = value.fields()?;
    let rules = |name, family| {
        let rules = fields.get(name).and_then(|list| list.list(|value| rule(&value, family)));
        rules.unwrap_or_default()
    };
    let spec = BgpFilterSpec {
        export_v4: rules("exportV4", Family::V4),
        import_v4: rules("importV4", Family::V4),
        export_v6: rules("exportV6", Family::V6),
        import_v6: rules("importV6", Family::V6),
    };
    fields.finish();
    Some(spec)
}

fn rule(value: &Value<'_>, family: Family) -> Option<BgpFilterRule> {
    let fields = value.fields()?;
    let cidr = fields.get("cidr").and_then(|cidr| cidr.cidr_of(family));
    let operator = fields.get("matchOperator").and_then(|operator| match_operator(&operator));
    let length = fields.get("prefixLength").and_then(|length| prefix_length(&length, family));
    let source = fields.get("source");
    let peer_type = fields.get("peerType");
    let action = fields
        .required("action")
        .and_then(|action| action.choice(&["Accept", "Reject"], &[FilterAction::Accept, FilterAction::Reject]));
    let operations = fields.get("operations").and_then(|list| list.list_within(0, 10, |value| operation(&value)));
    let as_path_prefix = fields.get("asPathPrefix").and_then(|list| list.list(|number| number.as_number()));
    let mut read = BgpFilterRule {
        prefix: None,
        source: source.and_then(|source| source.choice(&["RemotePeers"], &[RouteSource::RemotePeers])),
        interface: fields.get("interface").and_then(|pattern| pattern.parsed()),
        peer_type: peer_type.and_then(|peer| peer.choice(&["eBGP", "iBGP"], &[PeerType::Ebgp, PeerType::Ibgp])),
        community: fields.get("communities").and_then(|value| community(&value)),
        as_path_prefix: as_path_prefix.unwrap_or_default(),
        priority: fields.get("priority").and_then(|priority| priority.route_priority()),
        action: action?,
        operations: operations.unwrap_or_default(),
    };
    fields.finish();
    if !fields.is_clean() {
        return None;
    }
    read.prefix = prefix(&fields, cidr, operator, length);
    if read.action == FilterAction::Reject && !read.operations.is_empty() {
        return fields.fail("operations", Rule::OperationsOfReject);
    }
    Some(read)
}

fn prefix(
    fields: &Fields<'_>,
    cidr: Option<Cidr>,
    operator: Option<MatchOperator>,
    length: Option<PrefixLength>,
) -> Option<PrefixMatch> {
    match (cidr, operator) {
        (Some(cidr), Some(operator)) => Some(PrefixMatch { cidr, operator, length }),
        (Some(_), None) => fields.fail("cidr", Rule::CidrAndOperator),
        (None, Some(_)) => fields.fail("matchOperator", Rule::CidrAndOperator),
        (None, None) if length.is_some() => fields.fail("prefixLength", Rule::LengthWithoutCidr),
        (None, None) => None,
    }
}

fn match_operator(value: &Value<'_>) -> Option<MatchOperator> {
    value.choice(
        &["Equal", "NotEqual", "In", "NotIn"],
        &[MatchOperator::Equal, MatchOperator::NotEqual, MatchOperator::In, MatchOperator::NotIn],
    )
}

fn prefix_length(value: &Value<'_>, family: Family) -> Option<PrefixLength> {
    let fields = value.fields()?;
    let bits = u64::from(family.bits());
    let length = PrefixLength {
        min: fields.get("min").and_then(|min| min.small(0, bits)),
        max: fields.get("max").and_then(|max| max.small(0, bits)),
    };
    fields.finish();
    Some(length)
}

/// `values` has exactly one value.
fn community(value: &Value<'_>) -> Option<Community> {
    let fields = value.fields()?;
    let values = fields.required("values").and_then(|list| list.list_within(1, 1, |value| value.parsed()));
    fields.finish();
    values?.pop()
}

fn operation(value: &Value<'_>) -> Option<FilterOperation> {
    let fields = value.fields()?;
    let add_community = fields.get("addCommunity").map(|value| one_value(&value, |value| value.parsed()));
    let prepend = fields.get("prependASPath").map(|value| {
        let fields = value.fields()?;
        let prefix = fields.required("prefix");
        let prefix = prefix.and_then(|list| list.list_within(1, 10, |number| number.as_number_in_use()));
        fields.finish();
        prefix
    });
    let set_priority = fields.get("setPriority").map(|value| one_value(&value, |value| value.route_priority()));
    fields.finish();
    match (add_community, prepend, set_priority) {
        (Some(community), None, None) => community.map(FilterOperation::AddCommunity),
        (None, Some(prefix), None) => prefix.map(FilterOperation::PrependAsPath),
        (None, None, Some(priority)) => priority.map(FilterOperation::SetPriority),
        _ => value.fail(Rule::OneOperation),
    }
}

/// `{value: …}`
fn one_value<T>(value: &Value<'_>, read: impl Fn(Value<'_>) -> Option<T>) -> Option<T> {
    let fields = value.fields()?;
    let value = fields.required("value").and_then(read);
    fields.finish();
    value
}
