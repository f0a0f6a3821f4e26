//! Keys of policies, sets and networks.

use super::{holder, key};
use crate::schema::Effect::{Immediate, Refresh};
use crate::schema::{Key, Table as T};

pub(super) const KEYS: &[Key] = &[
    // [[policies]]
    holder(T::Policy, "name", "text", "", "What peers call the policy."),
    key(
        T::Policy,
        "default",
        "`\"accept\"`, `\"reject\"` or `\"next\"`",
        "`\"reject\"`",
        Refresh,
        "What happens to a route that no rule decides; `next`: the next policy of the list is asked, and at its end the \
         route is rejected.",
    ),
    key(T::Policy, "rules", "tables", "`[]`", Refresh, "Rules, asked in this order."),
    // [[policies.rules]]
    key(T::Rule, "name", "text", "none", Refresh, "For people; `--explain` shows it."),
    key(
        T::Rule,
        "match",
        "table",
        "`{}`",
        Refresh,
        "When the rule applies: all of it has to hold. Without it: always.",
    ),
    key(
        T::Rule,
        "then",
        "table or action",
        "",
        Refresh,
        "What the rule does. `then = \"accept\"` is `{ action = \"accept\" }`.",
    ),
    // match
    key(
        T::Match,
        "prefix_set",
        "name or list of names",
        "none",
        Refresh,
        "The prefix is in one of these sets, or in `prefixes`.",
    ),
    key(T::Match, "prefixes", "prefix or list", "none", Refresh, "See there; entries as in a prefix set."),
    key(
        T::Match,
        "not_prefixes",
        "prefix or list",
        "none",
        Refresh,
        "The prefix is in none of these; entries as in a prefix set.",
    ),
    key(
        T::Match,
        "community_set",
        "name or list of names",
        "none",
        Refresh,
        "Communities of the route are in one of these sets, or in `communities`.",
    ),
    key(T::Match, "communities", "community or list", "none", Refresh, "See there; entries as in a community set."),
    key(
        T::Match,
        "community_match",
        "`\"any\"`, `\"all\"` or `\"none\"`",
        "`\"any\"`",
        Refresh,
        "One community or more is in the sets; each entry of the sets has its community; or none is in the sets.",
    ),
    key(
        T::Match,
        "as_path_set",
        "name or list of names",
        "none",
        Refresh,
        "The AS_PATH is in one of these sets, or matches `as_path`.",
    ),
    key(
        T::Match,
        "as_path",
        "expression or list",
        "none",
        Refresh,
        "See there; entries as in a set of AS_PATH expressions.",
    ),
    key(
        T::Match,
        "as_path_length",
        "number or range",
        "none",
        Refresh,
        "ASes in the AS_PATH, a set counting one (RFC 4271 §9.1.2.2 a).",
    ),
    key(T::Match, "next_hop", "address or prefix, or list", "none", Refresh, "NEXT_HOP is in one of these."),
    key(T::Match, "origin", "origin or list", "none", Refresh, "ORIGIN: `igp`, `egp`, `incomplete`."),
    key(T::Match, "med", "number or range", "none", Refresh, "MULTI_EXIT_DISC; a route without it does not match."),
    key(T::Match, "local_pref", "number or range", "none", Refresh, "LOCAL_PREF; 100 where a route has none."),
    key(
        T::Match,
        "peer",
        "address or list",
        "none",
        Refresh,
        "The peer from which (import) or to which (export) the route goes.",
    ),
    key(T::Match, "family", "family or list", "none", Refresh, "The route's family."),
    key(
        T::Match,
        "interface",
        "pattern or list",
        "none",
        Refresh,
        "The interface of a local route; `*` stands for any characters, `?` for one. Learned routes have none.",
    ),
    key(
        T::Match,
        "route_type",
        "route type or list",
        "none",
        Refresh,
        "Where the route is from: `local` (a network or a route of this machine), `ebgp`, `ibgp`.",
    ),
    // a range
    key(T::Range, "ge", "number", "0", Refresh, "At least."),
    key(T::Range, "le", "number", "4294967295", Refresh, "At most."),
    // then
    key(
        T::Then,
        "action",
        "`\"accept\"`, `\"reject\"` or `\"next\"`",
        "`\"next\"`",
        Refresh,
        "Take the route, drop it, or ask the next rule with the changes made so far.",
    ),
    key(T::Then, "remove", "table", "`{}`", Refresh, "What is taken away; comes first."),
    key(T::Then, "set", "table", "`{}`", Refresh, "What takes the place of what was there; comes second."),
    key(T::Then, "add", "table", "`{}`", Refresh, "What is added; comes third."),
    key(
        T::Then,
        "prepend",
        "number, list of AS numbers, or table",
        "none",
        Refresh,
        "ASes before the AS_PATH. A number is our AS so many times, 1 to 32; a list, of up to 32, stands there as it is \
         written.",
    ),
    // set
    key(T::Set, "local_pref", "number, 0 to 4294967295", "none", Refresh, "LOCAL_PREF."),
    key(T::Set, "med", "number, 0 to 4294967295", "none", Refresh, "MULTI_EXIT_DISC."),
    key(T::Set, "origin", "`\"igp\"`, `\"egp\"` or `\"incomplete\"`", "none", Refresh, "ORIGIN."),
    key(
        T::Set,
        "next_hop",
        "address, `\"self\"` or `\"unchanged\"`",
        "none",
        Refresh,
        "NEXT_HOP. In an export policy it counts before the peer's `next_hop`.",
    ),
    key(
        T::Set,
        "communities",
        "community or list",
        "none",
        Refresh,
        "All communities of all kinds; `[]` takes all away.",
    ),
    // add
    key(T::Add, "communities", "community or list", "none", Refresh, "Communities."),
    key(
        T::Add,
        "local_pref",
        "number, may be negative",
        "none",
        Refresh,
        "To LOCAL_PREF, stopping at 0 and 4294967295.",
    ),
    key(T::Add, "med", "number, may be negative", "none", Refresh, "To MULTI_EXIT_DISC, likewise."),
    // remove
    key(
        T::Remove,
        "communities",
        "community or list",
        "none",
        Refresh,
        "Communities that match; entries as in a community set.",
    ),
    key(T::Remove, "community_set", "name or list of names", "none", Refresh, "Communities in these sets."),
    key(T::Remove, "med", "boolean", "false", Refresh, "MULTI_EXIT_DISC."),
    // prepend
    key(T::Prepend, "asn", "AS number", "ours", Refresh, "What is prepended."),
    key(T::Prepend, "times", "number, 1 to 32", "1", Refresh, "How many times."),
    // Sets.
    holder(T::PrefixSet, "name", "text", "", "What policies call the set."),
    key(
        T::PrefixSet,
        "prefixes",
        "list",
        "`[]`",
        Refresh,
        "`\"10.0.0.0/8\"` is this prefix alone; `\"10.0.0.0/8 ge 16 le 24\"` those inside it with 16 to 24 bits; `le` alone \
         begins at the prefix's own length, `ge` alone ends at single addresses. Also as a table.",
    ),
    key(T::PrefixRange, "prefix", "prefix", "", Refresh, "What covers the prefixes."),
    key(T::PrefixRange, "ge", "bits", "see above", Refresh, "Least length."),
    key(T::PrefixRange, "le", "bits", "see above", Refresh, "Greatest length."),
    holder(T::CommunitySet, "name", "text", "", "What policies call the set."),
    key(
        T::CommunitySet,
        "communities",
        "list",
        "`[]`",
        Refresh,
        "`65001:100` or a name such as `no-export` (RFC 1997), `65001:1:2` (large, RFC 8092), `rt:65001:100`, \
         `soo:192.0.2.1:7` or `0x` and 16 hexadecimal digits (extended, RFC 4360). To match and to remove, `*` stands \
         for any number and `100-199` for a range.",
    ),
    holder(T::AsPathSet, "name", "text", "", "What policies call the set."),
    key(
        T::AsPathSet,
        "expressions",
        "list",
        "`[]`",
        Refresh,
        "Regular expressions over the path as it is printed, such as `65001 65002 {65003,65004}`; `_` is a border of a \
         number.",
    ),
    // [[networks]]
    key(T::Network, "prefix", "prefix", "", Immediate, "What is originated."),
    key(T::Network, "next_hop", "IP address", "our address on each session", Immediate, "NEXT_HOP."),
    key(T::Network, "origin", "`\"igp\"`, `\"egp\"` or `\"incomplete\"`", "`\"igp\"`", Immediate, "ORIGIN."),
    key(T::Network, "local_pref", "number, 0 to 4294967295", "none", Immediate, "LOCAL_PREF; without it 100 counts."),
    key(T::Network, "med", "number, 0 to 4294967295", "none", Immediate, "MULTI_EXIT_DISC."),
    key(T::Network, "communities", "community or list", "`[]`", Immediate, "Communities."),
    key(
        T::Network,
        "blackhole",
        "boolean",
        "false",
        Immediate,
        "The kernel gets a blackhole route for the prefix: what no more specific route takes is dropped here and not \
         sent back. Needs `[fib]`.",
    ),
];
