/// What is written below the router, and the whole message.
const WRONG: &[Wrong] = &[
    Wrong {
        text: r#"x = 1"#,
        message: r#"
f.toml:2:1: unknown key "x" in the file; defined are router, api, log, confinement, peers, peer_groups, listen_ranges, policies, prefix_sets, community_sets, as_path_sets, networks, fib
2 | x = 1
  | ^"#,
    },
    Wrong {
        text: r#"peer = []"#,
        message: r#"
f.toml:2:1: unknown key "peer" in the file; did you mean "peers"?
2 | peer = []
  | ^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asm = 65001"#,
        message: r#"
f.toml:2:1: [[peers]] needs "asn": AS number, "internal" or "external"
2 | [[peers]]
  | ^^^^^^^^^
f.toml:4:1: unknown key "asm" in [[peers]]; did you mean "asn"?
4 | asm = 65001
  | ^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
asn = 65001"#,
        message: r#"
f.toml:2:1: [[peers]] needs "address": IP address, link-local with %INTERFACE
2 | [[peers]]
  | ^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1""#,
        message: r#"
f.toml:2:1: [[peers]] needs "asn": AS number, "internal" or "external"
2 | [[peers]]
  | ^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = "65001""#,
        message: r#"
f.toml:4:7: "asn" cannot be "65001"; write an AS number without quotes, "internal" or "external"
4 | asn = "65001"
  |       ^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 4294967296"#,
        message: r#"
f.toml:4:7: "asn" is 4294967296; write a number from 1 to 4294967295
4 | asn = 4294967296
  |       ^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 0"#,
        message: r#"
f.toml:4:7: "asn" is 0; write a number from 1 to 4294967295
4 | asn = 0
  |       ^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65001
hold_time = 2"#,
        message: r#"
f.toml:5:13: "hold_time" is 2; write 0 (no keepalives) or a number from 3 to 65535 (RFC 4271 §4.2)
5 | hold_time = 2
  |             ^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65001
hold_time = "90""#,
        message: r#"
f.toml:5:13: "hold_time" is a text here; write a number, without quotes
5 | hold_time = "90"
  |             ^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65001
passive = "yes""#,
        message: r#"
f.toml:5:11: "passive" is a text here; write true or false, without quotes
5 | passive = "yes"
  |           ^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.300"
asn = 65001"#,
        message: r#"
f.toml:3:11: "192.0.2.300" is no address for "address": write an IP address, as in "192.0.2.7", "2001:db8::7" or "fe80::1%eth0"
3 | address = "192.0.2.300"
  |           ^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "fe80::1"
asn = 65001"#,
        message: r#"
f.toml:3:11: "fe80::1" is no address for "address": a link-local address needs its interface, as in "fe80::1%eth0"
3 | address = "fe80::1"
  |           ^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1%eth0"
asn = 65001"#,
        message: r#"
f.toml:3:11: "192.0.2.1%eth0" is no address for "address": only a link-local address has an interface; write "192.0.2.1"
3 | address = "192.0.2.1%eth0"
  |           ^^^^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "224.0.0.5"
asn = 65001"#,
        message: r#"
f.toml:3:11: "224.0.0.5" is no address for "address": no peer can have this address; write the address of one host
3 | address = "224.0.0.5"
  |           ^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65001
[[peers]]
address = "192.0.2.1"
asn = 65001"#,
        message: r#"
f.toml:6:1: peer 192.0.2.1 is defined in line 3 already; remove one of them
6 | address = "192.0.2.1"
  | ^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
multihop = 3
ttl_security = 1"#,
        message: r#"
f.toml:6:1: "multihop" and "ttl_security" exclude each other: keep "ttl_security" if the peer sends with TTL 255, otherwise "multihop"
6 | ttl_security = 1
  | ^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
route_reflector_client = true"#,
        message: r#"
f.toml:5:1: "route_reflector_client" is for iBGP peers: remove it, or set "asn" to ours (RFC 4456)
5 | route_reflector_client = true
  | ^^^^^^^^^^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65001
role = "customer""#,
        message: r#"
f.toml:5:1: "role" is for eBGP peers: remove it (RFC 9234 §4)
5 | role = "customer"
  | ^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
role = "custommer""#,
        message: r#"
f.toml:5:8: "role" cannot be "custommer"; write "provider", "customer", "peer", "route-server", "route-server-client" or "none"; did you mean "customer"?
5 | role = "custommer"
  |        ^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
strict_role = true"#,
        message: r#"
f.toml:5:1: "strict_role" needs "role": add the role or remove "strict_role" (RFC 9234 §4.2)
5 | strict_role = true
  | ^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65001
keepalive = 60"#,
        message: r#"
f.toml:5:1: "keepalive" is more than a third of "hold_time": write at most 30 or leave it out (RFC 4271 §4.4)
5 | keepalive = 60
  | ^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65001
graceful_restart = false
long_lived = true"#,
        message: r#"
f.toml:6:1: "long_lived" needs "graceful_restart": turn that on, or this off (RFC 9494 §4)
6 | long_lived = true
  | ^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
local_as = 65001"#,
        message: r#"
f.toml:5:1: "local_as" is the router's own "asn": remove it
5 | local_as = 65001
  | ^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
local_address = "2001:db8::1""#,
        message: r#"
f.toml:5:1: "local_address" and "address" are of different IP versions: use addresses of one version
5 | local_address = "2001:db8::1"
  | ^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
idle_hold = { min = 4000 }"#,
        message: r#"
f.toml:5:15: "min" of "idle_hold" is more than "max": exchange them
5 | idle_hold = { min = 4000 }
  |               ^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
families = ["ipv4"]"#,
        message: r#"
f.toml:5:13: unknown address family "ipv4"; known are "ipv4-unicast" and "ipv6-unicast"
5 | families = ["ipv4"]
  |             ^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
families = []"#,
        message: r#"
f.toml:5:12: "families" is empty; write "ipv4-unicast", "ipv6-unicast" or both
5 | families = []
  |            ^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
import_policy = "al"
[[policies]]
name = "all""#,
        message: r#"
f.toml:5:17: there is no policy "al"; did you mean "all"?
5 | import_policy = "al"
  |                 ^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
import_policy = "all""#,
        message: r#"
f.toml:5:17: there is no policy "all"; none is defined
5 | import_policy = "all"
  |                 ^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
group = "nodes""#,
        message: r#"
f.toml:4:9: there is no peer group "nodes"; none is defined
4 | group = "nodes"
  |         ^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
prefix_limit = { max = 1, action = "down", restart_after = 5 }"#,
        message: r#"
f.toml:5:44: "restart_after" goes with action = "restart" only: remove one of the two
5 | prefix_limit = { max = 1, action = "down", restart_after = 5 }
  |                                            ^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
prefix_limit = { warning_percent = 101 }"#,
        message: r#"
f.toml:5:16: prefix_limit needs "max": number, 1 to 4294967295
5 | prefix_limit = { warning_percent = 101 }
  |                ^^^^^^^^^^^^^^^^^^^^^^^^^
f.toml:5:36: "warning_percent" is 101; write a number from 1 to 100
5 | prefix_limit = { warning_percent = 101 }
  |                                    ^^^"#,
    },
    Wrong {
        text: r#"[[peer_groups]]
name = "g"
[[listen_ranges]]
prefix = "10.0.0.0/8"
group = "g""#,
        message: r#"
f.toml:3:1: this peer group has no "asn", which a listen range needs: add "asn" to the group
3 | name = "g"
  | ^^^^"#,
    },
    Wrong {
        text: r#"[[peer_groups]]
name = "g"
asn = 65001
[[listen_ranges]]
prefix = "10.0.0.1/8"
group = "g""#,
        message: r#"
f.toml:6:10: "10.0.0.1/8" has host bits set: did you mean 10.0.0.0/8?
6 | prefix = "10.0.0.1/8"
  |          ^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[policies]]
name = "p"
[[policies]]
name = "p""#,
        message: r#"
f.toml:5:8: policy "p" is defined in line 3 already; remove one of them
5 | name = "p"
  |        ^^^"#,
    },
    Wrong {
        text: r#"[[policies]]
name = "p"
rules = [{ match = { prefix_set = "x" }, then = "acept" }]"#,
        message: r#"
f.toml:4:35: there is no prefix set "x"; none is defined
4 | rules = [{ match = { prefix_set = "x" }, then = "acept" }]
  |                                   ^^^
f.toml:4:49: "then" cannot be "acept"; write "accept", "reject" or "next"; did you mean "accept"?
4 | rules = [{ match = { prefix_set = "x" }, then = "acept" }]
  |                                                 ^^^^^^^"#,
    },
    Wrong {
        text: r#"[[policies]]
name = "p"
rules = [{ then = {} }]"#,
        message: r#"
f.toml:4:19: this rule does nothing: give "then" an action, or something to set, add, remove or prepend
4 | rules = [{ then = {} }]
  |                   ^^"#,
    },
    Wrong {
        text: r#"[[policies]]
name = "p"
rules = [{ match = { med = { ge = 2, le = 1 } } }]"#,
        message: r#"
f.toml:4:10: [[policies.rules]] needs "then": table or action
4 | rules = [{ match = { med = { ge = 2, le = 1 } } }]
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
f.toml:4:28: "ge" is more than "le": exchange them
4 | rules = [{ match = { med = { ge = 2, le = 1 } } }]
  |                            ^^^^^^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[policies]]
name = "p"
rules = [{ match = { community_match = "all" }, then = "accept" }]"#,
        message: r#"
f.toml:4:22: "community_match" needs "community_set" or "communities": add one or remove it
4 | rules = [{ match = { community_match = "all" }, then = "accept" }]
  |                      ^^^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[policies]]
name = "p"
rules = [{ then = { add = { communities = ["65001:*"] } } }]"#,
        message: r#"
f.toml:4:44: "65001:*" is no community: a "*" or a range can be matched and removed, but not set or added; write one number
4 | rules = [{ then = { add = { communities = ["65001:*"] } } }]
  |                                            ^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[prefix_sets]]
name = "s"
prefixes = ["10.0.0.0/8 ge 4"]"#,
        message: r#"
f.toml:4:13: "10.0.0.0/8 ge 4": lengths have to be in the order 8 <= ge <= le <= 32
4 | prefixes = ["10.0.0.0/8 ge 4"]
  |             ^^^^^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[prefix_sets]]
name = "s"
prefixes = ["10.0.0.0/8 upto 9", "10.0.0.0"]"#,
        message: r#"
f.toml:4:13: "10.0.0.0/8 upto 9": after the prefix only "ge N" and "le N" may stand, as in "10.0.0.0/8 ge 16 le 24"
4 | prefixes = ["10.0.0.0/8 upto 9", "10.0.0.0"]
  |             ^^^^^^^^^^^^^^^^^^^
f.toml:4:34: "10.0.0.0" is no prefix: write ADDRESS/LENGTH, as in 10.0.0.0/8 or 2001:db8::/32
4 | prefixes = ["10.0.0.0/8 upto 9", "10.0.0.0"]
  |                                  ^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[community_sets]]
name = "s"
communities = ["65536:1", "1:2:3:4", "no-exprt"]"#,
        message: r#"
f.toml:4:16: "65536:1" is no community: "65536" does not fit: write a number from 0 to 65535, "*", or a range as in "100-199"
4 | communities = ["65536:1", "1:2:3:4", "no-exprt"]
  |                ^^^^^^^^^
f.toml:4:27: "1:2:3:4" is no community: write "65001:100", a name such as "no-export", "65001:1:2" (large), "rt:65001:100" or "soo:65001:100" (extended), or "0x" and 16 hexadecimal digits
4 | communities = ["65536:1", "1:2:3:4", "no-exprt"]
  |                           ^^^^^^^^^
f.toml:4:38: "no-exprt" is no community: write "65001:100", a name such as "no-export", "65001:1:2" (large), "rt:65001:100" or "soo:65001:100" (extended), or "0x" and 16 hexadecimal digits
4 | communities = ["65536:1", "1:2:3:4", "no-exprt"]
  |                                      ^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[networks]]
prefix = "2001:db8::/32"
next_hop = "192.0.2.1""#,
        message: r#"
f.toml:4:1: an IPv6 prefix needs an IPv6 next hop
4 | next_hop = "192.0.2.1"
  | ^^^^^^^^"#,
    },
    Wrong {
        text: r#"[api]
metrics = "9179""#,
        message: r#"
f.toml:3:11: "9179" is no value for "metrics": write ADDRESS:PORT, as in "127.0.0.1:9179" or "[::1]:9179"
3 | metrics = "9179"
  |           ^^^^^^"#,
    },
    Wrong {
        text: r#"[confinement]
off = ["dump"]
readable = ["keys"]"#,
        message: r#"
f.toml:3:8: "off" cannot be "dump"; write "dumps", "capabilities", "seccomp" or "landlock"; did you mean "dumps"?
3 | off = ["dump"]
  |        ^^^^^^
f.toml:4:13: "readable" has absolute paths; begin with "/"
4 | readable = ["keys"]
  |             ^^^^^^"#,
    },
    Wrong {
        text: r#"[log]
format = "yaml""#,
        message: r#"
f.toml:3:10: "format" cannot be "yaml"; write "text" or "json"
3 | format = "yaml"
  |          ^^^^^^"#,
    },
    Wrong {
        text: r#"[log]
format = "#,
        message: r#"
f.toml:3:10: this is no TOML: string values must be quoted, expected literal string
3 | format = 
  |          ^"#,
    },
    Wrong {
        text: r#"[fib]
protocol = 3
adopt_protocols = ["kernel", "brid"]
learn_protocols = [158, 256, true]"#,
        message: r#"
f.toml:3:12: "protocol" is 3; write a number from 5 to 255
3 | protocol = 3
  |            ^
f.toml:4:20: "adopt_protocols" is kernel (2); write a number from 3 to 255
4 | adopt_protocols = ["kernel", "brid"]
  |                    ^^^^^^^^
f.toml:4:30: "adopt_protocols" cannot be "brid"; write a number, or a name such as "bird", "zebra", "static", "boot" or "dhcp"; did you mean "bird"?
4 | adopt_protocols = ["kernel", "brid"]
  |                              ^^^^^^
f.toml:5:20: routes of this protocol are ours already ("protocol", "adopt_protocols"): remove it here
5 | learn_protocols = [158, 256, true]
  |                    ^^^
f.toml:5:25: "learn_protocols" is 256; write a number from 1 to 255
5 | learn_protocols = [158, 256, true]
  |                         ^^^
f.toml:5:30: "learn_protocols" is true or false here; write a number, without quotes
5 | learn_protocols = [158, 256, true]
  |                              ^^^^"#,
    },
    Wrong {
        text: r#"[fib]
protocol = 12
adopt_protocols = [12]"#,
        message: r#"
f.toml:4:20: routes of this protocol are ours already ("protocol", "adopt_protocols"): remove it here
4 | adopt_protocols = [12]
  |                    ^^"#,
    },
    Wrong {
        text: r#"[fib]
table = 255
metric = { v4 = 0, v5 = 1 }
nexthop_objects = "nevr"
stale_time = 0"#,
        message: r#"
f.toml:3:1: table 255 is that of the machine's own addresses, which the kernel looks after: write 254 (main) or a table of your own
3 | table = 255
  | ^^^^^
f.toml:4:17: "v4" is 0; write a number from 1 to 2147483646
4 | metric = { v4 = 0, v5 = 1 }
  |                 ^
f.toml:4:20: unknown key "v5" in metric; did you mean "v4"?
4 | metric = { v4 = 0, v5 = 1 }
  |                    ^^
f.toml:5:19: "nexthop_objects" cannot be "nevr"; write "auto", "always" or "never"; did you mean "never"?
5 | nexthop_objects = "nevr"
  |                   ^^^^^^
f.toml:6:14: "stale_time" is 0; write a number from 1 to 86400
6 | stale_time = 0
  |              ^"#,
    },
    Wrong {
        text: r#"[fib]
workload_interfaces = ["cali/*", ""]
ignored_interfaces = "abcdefghijklmnop*""#,
        message: r#"
f.toml:3:24: "cali/*" is no pattern for "workload_interfaces": write the name of an interface, at most 15 characters without slash, colon or space, in which "*" stands for any characters and "?" for one
3 | workload_interfaces = ["cali/*", ""]
  |                        ^^^^^^^^
f.toml:3:34: "" is no pattern for "workload_interfaces": write the name of an interface, at most 15 characters without slash, colon or space, in which "*" stands for any characters and "?" for one
3 | workload_interfaces = ["cali/*", ""]
  |                                  ^^
f.toml:4:22: "abcdefghijklmnop*" is no pattern for "ignored_interfaces": write the name of an interface, at most 15 characters without slash, colon or space, in which "*" stands for any characters and "?" for one
4 | ignored_interfaces = "abcdefghijklmnop*"
  |                      ^^^^^^^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[fib]
static_routes = [{ prefix = "2001:db8::/32", via = "192.0.2.1" }, { via = "192.0.2.300" }]"#,
        message: r#"
f.toml:3:46: an IPv6 prefix needs an IPv6 next hop
3 | static_routes = [{ prefix = "2001:db8::/32", via = "192.0.2.1" }, { via = "192.0.2.300" }]
  |                                              ^^^
f.toml:3:67: [[fib.static_routes]] needs "prefix": prefix
3 | static_routes = [{ prefix = "2001:db8::/32", via = "192.0.2.1" }, { via = "192.0.2.300" }]
  |                                                                   ^^^^^^^^^^^^^^^^^^^^^^^
f.toml:3:75: "192.0.2.300" is no address for "via": write an IP address, as in "192.0.2.7", "2001:db8::7" or "fe80::1%eth0"
3 | static_routes = [{ prefix = "2001:db8::/32", via = "192.0.2.1" }, { via = "192.0.2.300" }]
  |                                                                           ^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[fib]
static_routes = [
  { prefix = "10.0.0.0/8", via = "192.0.2.1" },
  { prefix = "10.0.0.0/8", via = "192.0.2.2" },
]"#,
        message: r#"
f.toml:5:5: static route 10.0.0.0/8 is defined in line 4 already; remove one of them
5 |   { prefix = "10.0.0.0/8", via = "192.0.2.2" },
  |     ^^^^^^"#,
    },
    Wrong {
        text: r#"[fib]
rules = [{ next_hop = "x", then = "drop" }, { prefixes = "10.0.0.0/8" }, { then = { except = "10.0.0.1/8" } }, { then = { tunnel = "tun l0" } }]"#,
        message: r#"
f.toml:3:23: "x" is no address for "next_hop": write an IP address, as in "192.0.2.7", "2001:db8::7" or "fe80::1%eth0"
3 | rules = [{ next_hop = "x", then = "drop" }, { prefixes = "10.0.0.0/8" }, { then = { except = "10.0.0.1/8" } }, { then = { tunnel = "tun l0" } }]
  |                       ^^^
f.toml:3:35: "then" cannot be "drop"; write "install", "reject" or { tunnel = "INTERFACE" }
3 | rules = [{ next_hop = "x", then = "drop" }, { prefixes = "10.0.0.0/8" }, { then = { except = "10.0.0.1/8" } }, { then = { tunnel = "tun l0" } }]
  |                                   ^^^^^^
f.toml:3:45: [[fib.rules]] needs "then": "install", "reject" or table
3 | rules = [{ next_hop = "x", then = "drop" }, { prefixes = "10.0.0.0/8" }, { then = { except = "10.0.0.1/8" } }, { then = { tunnel = "tun l0" } }]
  |                                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^
f.toml:3:83: then needs "tunnel": interface
3 | rules = [{ next_hop = "x", then = "drop" }, { prefixes = "10.0.0.0/8" }, { then = { except = "10.0.0.1/8" } }, { then = { tunnel = "tun l0" } }]
  |                                                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^
f.toml:3:94: "10.0.0.1/8" has host bits set: did you mean 10.0.0.0/8?
3 | rules = [{ next_hop = "x", then = "drop" }, { prefixes = "10.0.0.0/8" }, { then = { except = "10.0.0.1/8" } }, { then = { tunnel = "tun l0" } }]
  |                                                                                              ^^^^^^^^^^^^
f.toml:3:132: "tun l0" is no value for "tunnel": an interface name has 1 to 15 characters and no slash, colon or space
3 | rules = [{ next_hop = "x", then = "drop" }, { prefixes = "10.0.0.0/8" }, { then = { except = "10.0.0.1/8" } }, { then = { tunnel = "tun l0" } }]
  |                                                                                                                                    ^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[policies]]
name = "p"
rules = [{ match = { not_prefixes = "10.0.0.1/8", interface = "a b", route_type = "external" }, then = { prepend = [] } }]"#,
        message: r#"
f.toml:4:37: "10.0.0.1/8" has host bits set: did you mean 10.0.0.0/8?
4 | rules = [{ match = { not_prefixes = "10.0.0.1/8", interface = "a b", route_type = "external" }, then = { prepend = [] } }]
  |                                     ^^^^^^^^^^^^
f.toml:4:63: "a b" is no pattern for "interface": write the name of an interface, at most 15 characters without slash, colon or space, in which "*" stands for any characters and "?" for one
4 | rules = [{ match = { not_prefixes = "10.0.0.1/8", interface = "a b", route_type = "external" }, then = { prepend = [] } }]
  |                                                               ^^^^^
f.toml:4:83: "route_type" cannot be "external"; write "local", "ebgp" or "ibgp"
4 | rules = [{ match = { not_prefixes = "10.0.0.1/8", interface = "a b", route_type = "external" }, then = { prepend = [] } }]
  |                                                                                   ^^^^^^^^^^
f.toml:4:116: "prepend" is empty; write AS numbers, or leave it out
4 | rules = [{ match = { not_prefixes = "10.0.0.1/8", interface = "a b", route_type = "external" }, then = { prepend = [] } }]
  |                                                                                                                    ^^"#,
    },
    Wrong {
        text: r#"[[policies]]
name = "p"
rules = [{ then = { prepend = [65001, 0] } }, { then = { prepend = 33 } }, { then = { prepend = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] } }]"#,
        message: r#"
f.toml:4:39: "prepend" is 0; write a number from 1 to 4294967295
4 | rules = [{ then = { prepend = [65001, 0] } }, { then = { prepend = 33 } }, { then = { prepend = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
  |                                       ^
f.toml:4:68: "prepend" is 33; write a number from 1 to 32
4 | rules = [{ then = { prepend = [65001, 0] } }, { then = { prepend = 33 } }, { then = { prepend = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
  |                                                                    ^^
f.toml:4:97: "prepend" has 33 entries; 32 are possible
4 | rules = [{ then = { prepend = [65001, 0] } }, { then = { prepend = 33 } }, { then = { prepend = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
  |                                                                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[networks]]
prefix = "10.0.0.0/8"
blackhole = "yes""#,
        message: r#"
f.toml:4:13: "blackhole" is a text here; write true or false, without quotes
4 | blackhole = "yes"
  |             ^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
password = "(hidden)""#,
        message: r#"
f.toml:5:1: "(hidden)" is what Heddle writes in place of a key; write the key itself, or its file as "password_file""#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
password_file = "/key"
tcp_ao = [{ send_id = 1, file = "/a" }]"#,
        message: r#"
f.toml:6:1: "tcp_ao" and a TCP MD5 key ("password_file", "password") exclude each other: keep one of them
6 | tcp_ao = [{ send_id = 1, file = "/a" }]
  | ^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
tcp_ao = [{ send_id = 1, file = "/a" }, { send_id = 2, recv_id = 1, file = "/b" }]"#,
        message: r#"
f.toml:5:41: two keys of "tcp_ao" have the same number: give each a "send_id" and a "recv_id" of its own (RFC 5925 §3.1)
5 | tcp_ao = [{ send_id = 1, file = "/a" }, { send_id = 2, recv_id = 1, file = "/b" }]
  |                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
tcp_ao = [{ send_id = 1, algorithm = "md5" }]"#,
        message: r#"
f.toml:5:11: a key of tcp_ao needs "file": path
5 | tcp_ao = [{ send_id = 1, algorithm = "md5" }]
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
f.toml:5:38: "algorithm" cannot be "md5"; write "hmac-sha-1-96" or "cmac-aes-128"
5 | tcp_ao = [{ send_id = 1, algorithm = "md5" }]
  |                                      ^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65001
guard = true"#,
        message: r#"
f.toml:5:1: "guard" is for eBGP peers: remove it, or write "guard = false" where the group has one (RFC 7454 §6)
5 | guard = true
  | ^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
guard = { ipv4_lengths = [24, 8], ipv6_lengths = 48, allow_martian = true }"#,
        message: r#"
f.toml:5:11: "ipv4_lengths" is the shortest and the longest length that pass: write them like [8, 24]
5 | guard = { ipv4_lengths = [24, 8], ipv6_lengths = 48, allow_martian = true }
  |           ^^^^^^^^^^^^
f.toml:5:35: "ipv6_lengths" is the shortest and the longest length that pass: write them like [8, 24]
5 | guard = { ipv4_lengths = [24, 8], ipv6_lengths = 48, allow_martian = true }
  |                                   ^^^^^^^^^^^^
f.toml:5:54: unknown key "allow_martian" in guard; did you mean "allow_martians"?
5 | guard = { ipv4_lengths = [24, 8], ipv6_lengths = 48, allow_martian = true }
  |                                                      ^^^^^^^^^^^^^"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
password_file = "/key"
password = "secret""#,
        message: r#"
f.toml:6:1: "password" and "password_file" exclude each other: keep one of them"#,
    },
    Wrong {
        text: r#"[[peers]]
address = "192.0.2.1"
asn = 65010
password = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#,
        message: r#"
f.toml:5:1: "password" has 81 octets; 80 are possible"#,
    },
];
