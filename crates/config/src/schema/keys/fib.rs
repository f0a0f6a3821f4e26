//! Keys of the forwarding table.

use super::{holder, key};
use crate::schema::Effect::{Immediate, Restart};
use crate::schema::{Key, Table as T};

pub(super) const KEYS: &[Key] = &[
    // [fib]
    key(
        T::Fib,
        "table",
        "number, 1 to 4294967295",
        "254",
        Restart,
        "The kernel's routing table; 254 is `main`. 255, the table of the machine's own addresses, is refused.",
    ),
    key(
        T::Fib,
        "protocol",
        "number, 5 to 255, or name",
        "158",
        Restart,
        "The protocol number of our routes (`rtm_protocol`). Routes of other protocols are never touched, but for \
         `workload_protocol` and `adopt_protocols`.",
    ),
    key(
        T::Fib,
        "workload_protocol",
        "number, 5 to 255, or name",
        "`protocol`",
        Restart,
        "The protocol number of learned and static routes all of whose next hops are on workload interfaces. It is reserved \
         there: a route that has it, and a gateway on every leg, is ours, whoever made it; what leads to a workload itself has \
         no gateway, and may have any number. `\"bird\"` beside Calico's Felix, which removes routes of other numbers from the interfaces of workloads \
         that peer.",
    ),
    key(
        T::Fib,
        "adopt_protocols",
        "list of numbers, 3 to 255, and names",
        "`[]`",
        Restart,
        "Routes of these protocols, in our table and with our metrics, count as ours at the start: replaced in place, \
         and taken away with what is stale. `[\"bird\"]` where Heddle takes over from BIRD. Names are those of \
         `rt_protos`: `kernel` 2, `boot` 3, `static` 4, `ra` 9, `zebra` 11, `bird` 12, `dhcp` 16, `babel` 42, `bgp` 186, \
         `isis` 187, `ospf` 188 and others.",
    ),
    key(
        T::Fib,
        "learn_protocols",
        "list of numbers, 1 to 255, and names",
        "`[]`",
        Immediate,
        "Routes of these protocols are local routes, on whatever interface they are.",
    ),
    key(
        T::Fib,
        "workload_interfaces",
        "list of patterns",
        "`[\"cali*\", \"heddle*\"]`",
        Immediate,
        "Interfaces of workloads: every route on them is a local route, whatever its protocol. `*` stands for any \
         characters, `?` for one.",
    ),
    key(
        T::Fib,
        "ignored_interfaces",
        "list of patterns",
        "`[\"kube-ipvs*\"]`",
        Immediate,
        "Interfaces whose connected prefixes are no local routes.",
    ),
    key(T::Fib, "metric", "table", "`{ v4 = 1024, v6 = 1024 }`", Immediate, "The metric of ordinary routes."),
    key(
        T::Fib,
        "nexthop_objects",
        "`\"auto\"`, `\"always\"` or `\"never\"`",
        "`\"auto\"`",
        Immediate,
        "Whether routes point to nexthop objects of the kernel. `auto`: for next hops of more than 10,000 routes.",
    ),
    key(
        T::Fib,
        "stale_time",
        "seconds, 1 to 86400",
        "10",
        Restart,
        "After a start, how long routes of the run before are kept when peers do not end their initial update.",
    ),
    key(
        T::Fib,
        "unresolved_time",
        "seconds, 0 to 86400",
        "30",
        Immediate,
        "How long the last good route to a next hop is kept that cannot be resolved any more.",
    ),
    key(
        T::Fib,
        "manage_sysctls",
        "boolean",
        "false",
        Immediate,
        "Set the sysctls that forwarding needs. Off: only say which of them are wrong.",
    ),
    key(
        T::Fib,
        "static_routes",
        "tables",
        "`[]`",
        Immediate,
        "Routes that the kernel gets whatever peers say. They are not advertised.",
    ),
    key(
        T::Fib,
        "rules",
        "tables",
        "`[]`",
        Immediate,
        "What goes into the kernel, asked in this order: the first that applies decides, and what none decides goes in.",
    ),
    // metric
    key(T::RouteMetric, "v4", "number, 1 to 2147483646", "1024", Immediate, "Of IPv4 routes."),
    key(T::RouteMetric, "v6", "number, 1 to 2147483646", "1024", Immediate, "Of IPv6 routes."),
    // [[fib.static_routes]]
    key(T::StaticRoute, "prefix", "prefix", "", Immediate, "Where to."),
    key(T::StaticRoute, "via", "IP address", "", Immediate, "The gateway."),
    // [[fib.rules]]
    key(T::FibRule, "name", "text", "none", Immediate, "For people; `show fib` names it as the reason."),
    key(
        T::FibRule,
        "prefixes",
        "prefix or list",
        "any",
        Immediate,
        "The prefix is in one of these; entries as in a prefix set.",
    ),
    key(T::FibRule, "next_hop", "IP address or list", "any", Immediate, "The next hop is one of these."),
    key(
        T::FibRule,
        "then",
        "`\"install\"`, `\"reject\"` or table",
        "",
        Immediate,
        "What becomes of the route: it goes in, it does not, or it goes in through a tunnel.",
    ),
    // then
    holder(T::FibThen, "tunnel", "interface", "", "A tunnel whose far end is the next hop (IPIP), such as `tunl0`."),
    key(
        T::FibThen,
        "except",
        "prefix or list",
        "`[]`",
        Immediate,
        "Next hops in these prefixes are reached without the tunnel: those on our own link.",
    ),
];
