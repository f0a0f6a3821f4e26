//! Values that matter to either side: everything that occurs in its filters, and what lies beside it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use heddle_bgp_core::Prefix;
use heddle_config::{CommunityPattern, Config};

use crate::bird::ast::{Action, Attribute, Bird, Expression, FilterUse, Operator, PathItem, Setting, Statement};
use crate::expected::{Expected, static_prefixes};
use crate::ours;
use crate::session::Version;

/// The greatest metric: LOCAL_PREF counts down from it.
const M: u32 = 2_147_483_647;

/// What candidates are made of.
#[derive(Debug, Default)]
pub struct Pools {
    pub prefixes: BTreeSet<Prefix>,
    /// Lengths that a filter distinguishes.
    lengths: BTreeSet<u8>,
    globs: BTreeSet<String>,
    pub interfaces: Vec<Option<String>>,
    pub local_prefs: BTreeSet<u32>,
    pub metrics: BTreeSet<u32>,
    pub communities: BTreeSet<(u32, u32)>,
    pub large_communities: BTreeSet<(u32, u32, u32)>,
    pub paths: BTreeSet<Vec<u32>>,
    pub next_hops: BTreeSet<IpAddr>,
}

impl Pools {
    pub fn new(expected: &Expected, config: &Config, version: Version) -> Self {
        let mut pools = Self::default();
        pools.bird(&expected.bird);
        pools.prefixes.extend(static_prefixes(&expected.node));
        pools.config(config);
        pools.prefixes.retain(|p| Version::of(*p) == version);
        pools.complete(version);
        pools
    }

    fn bird(&mut self, bird: &Bird) {
        bird.functions.values().for_each(|f| self.statements(&f.body));
        bird.filters.values().for_each(|f| self.statements(f));
        for setting in bird.protocols.iter().flat_map(|p| &p.settings) {
            if let Setting::Import(FilterUse::Body(body)) | Setting::Export(FilterUse::Body(body)) = setting {
                self.statements(body);
            }
        }
    }

    fn statements(&mut self, body: &[Statement]) {
        for statement in body {
            match &statement.action {
                Action::If { condition, then, otherwise } => {
                    self.expression(condition);
                    self.statements(then);
                    self.statements(otherwise);
                }
                Action::Block(inner) => self.statements(inner),
                Action::Assign(_, e) | Action::Add(_, e) | Action::Prepend(_, e) => self.expression(e),
                Action::Call(_, arguments) => arguments.iter().for_each(|e| self.expression(e)),
                Action::Accept | Action::Reject => {}
            }
        }
    }

    fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::Binary(Operator::In, left, right) => match (&**left, &**right) {
                (Expression::Attribute(Attribute::NextHop), Expression::Prefix(p)) => self.next_hops_of(*p),
                (Expression::Attribute(Attribute::Ifname), Expression::Text(glob)) => {
                    self.globs.insert(glob.clone());
                }
                (left, right) => {
                    self.expression(left);
                    self.expression(right);
                }
            },
            Expression::Binary(_, left, right) => {
                self.expression(left);
                self.expression(right);
            }
            Expression::Not(inner) => self.expression(inner),
            Expression::Number(n) => self.number(*n),
            Expression::Prefix(p) => {
                self.prefixes.insert(*p);
            }
            Expression::PrefixSet(set) => {
                for pattern in set {
                    self.prefixes.insert(pattern.prefix);
                    self.lengths.extend([pattern.lengths.0, pattern.lengths.1]);
                }
            }
            Expression::Pair(a, b) => {
                self.communities.insert((*a, *b));
            }
            Expression::Triple(a, b, c) => {
                self.large_communities.insert((*a, *b, *c));
            }
            Expression::PathMask(items) => {
                let path = items.iter().filter_map(|i| if let PathItem::As(n) = i { Some(*n) } else { None });
                self.paths.insert(path.collect());
            }
            Expression::Ip(ip) => {
                self.next_hops.insert(*ip);
            }
            Expression::Text(_)
            | Expression::Bool(_)
            | Expression::RouteSource(_)
            | Expression::SourceSet(_)
            | Expression::Attribute(_)
            | Expression::Parameter(_)
            | Expression::Defined(_) => {}
        }
    }

    /// A number in a filter is about LOCAL_PREF when it is large, about metrics when it is small.
    fn number(&mut self, n: u32) {
        let near = [n.saturating_sub(1), n, n.saturating_add(1)];
        if n > M / 2 {
            self.local_prefs.extend(near);
        } else {
            self.metrics.extend(near);
        }
    }

    fn next_hops_of(&mut self, prefix: Prefix) {
        self.next_hops.insert(prefix.addr());
        self.next_hops.extend(last(prefix).map(Prefix::addr));
    }

    fn config(&mut self, config: &Config) {
        self.prefixes.extend(ours::prefixes(config));
        for rule in config.policies.iter().flat_map(|p| &p.rules) {
            let c = &rule.conditions;
            self.globs.extend(c.interfaces.iter().cloned());
            self.lengths.extend(c.prefixes.iter().chain(&c.not_prefixes).flat_map(|r| [r.ge, r.le]));
            c.next_hops.iter().for_each(|r| self.next_hops_of(r.prefix));
            c.local_pref.iter().for_each(|r| {
                self.number(r.ge);
                self.number(r.le);
            });
            for pattern in &c.communities {
                match pattern {
                    CommunityPattern::Standard([a, b]) => {
                        self.communities.insert((a.min, b.min));
                    }
                    CommunityPattern::Large([a, b, c]) => {
                        self.large_communities.insert((a.min, b.min, c.min));
                    }
                    CommunityPattern::Raw(_) | CommunityPattern::Extended(..) => {}
                }
            }
        }
        for rule in config.fib.iter().flat_map(|f| &f.rules) {
            self.next_hops.extend(&rule.next_hops);
            self.lengths.extend(rule.prefixes.iter().flat_map(|r| [r.ge, r.le]));
        }
    }

    /// Adds what lies beside what occurs.
    fn complete(&mut self, version: Version) {
        let unrelated: &[&str] = match version {
            Version::V4 => &["0.0.0.0/0", "198.51.100.0/24", "203.0.113.7/32"],
            Version::V6 => &["::/0", "2001:db8:ffff::/48", "2001:db8:eeee::7/128"],
        };
        let seeds: Vec<Prefix> = self.prefixes.iter().copied().collect();
        for prefix in seeds {
            self.prefixes.extend(around(prefix, &self.lengths));
        }
        self.prefixes.extend(unrelated.iter().map(|p| p.parse::<Prefix>().expect("a prefix")));

        let mut names: BTreeSet<String> =
            ["eth0", "cali1234", "tunl0", "vxlan.calico", "bpfin.cali", "wireguard.cali"].map(str::to_owned).into();
        for glob in &self.globs {
            names.extend(["", "x", "eth0"].map(|star| glob.replace('*', star).replace('?', "q")));
            names.insert(format!("z{}", glob.replace(['*', '?'], "")));
            names.insert(format!("{}z", glob.replace(['*', '?'], "")));
        }
        names.retain(|n| (1..=15).contains(&n.len()));
        self.interfaces = std::iter::once(None).chain(names.into_iter().map(Some)).collect();

        self.local_prefs.extend([0, 99, 100, 101, 200, M - 1025, M - 1024, M - 1023, M - 512, M - 1]);
        self.local_prefs.retain(|n| *n < M);
        self.metrics.extend([1, 512, 1023, 1024, 1025]);
        self.metrics.retain(|n| (1..M).contains(n));
        self.communities.extend([(64999, 1), (64999, 2)]);
        self.large_communities.insert((64999, 1, 2));
        let occurring: Vec<Vec<u32>> = self.paths.iter().cloned().collect();
        for path in occurring {
            // Longer, shorter, behind another, and one AS other.
            self.paths.insert([path.as_slice(), &[64999]].concat());
            self.paths.insert([&[64999], path.as_slice()].concat());
            self.paths.insert(path[..path.len().saturating_sub(1)].to_vec());
            self.paths.insert(path.iter().map(|a| a + 1).collect());
        }
        self.paths.extend([vec![], vec![64999], vec![64999, 64998]]);
        let is_it = |ip: &IpAddr| ip.is_ipv4() == (version == Version::V4);
        let elsewhere = ["198.51.100.1", "2001:db8:ffff::1"].map(|a| a.parse::<IpAddr>().expect("an address"));
        self.next_hops.extend(elsewhere);
        self.next_hops.retain(is_it);
    }
}

/// Above, below and beside a prefix; at the lengths that filters distinguish.
fn around(prefix: Prefix, lengths: &BTreeSet<u8>) -> BTreeSet<Prefix> {
    let (addr, len) = (prefix.addr(), prefix.len());
    let longest = if addr.is_ipv4() { 32 } else { 128 };
    let ends = [Some(prefix), last(prefix)];
    let mut found = BTreeSet::new();
    let near = lengths.iter().flat_map(|l| [l.saturating_sub(1), *l, l.saturating_add(1)]);
    let wanted = near.chain([len.saturating_sub(8), len.saturating_sub(1), len.saturating_add(1), longest]);
    for length in wanted.filter(|l| *l <= longest) {
        found.extend(ends.into_iter().flatten().filter_map(|p| Prefix::new(p.addr(), length)));
    }
    // The next one of its length, and a host in it.
    if len > 0 {
        let beside = match addr {
            IpAddr::V4(a) => IpAddr::from((u32::from(a) ^ (1 << (32 - u32::from(len)))).to_be_bytes()),
            IpAddr::V6(a) => IpAddr::from((u128::from(a) ^ (1 << (128 - u32::from(len)))).to_be_bytes()),
        };
        found.extend([len, longest].into_iter().filter_map(|l| Prefix::new(beside, l)));
    }
    found
}

/// The last host of a prefix.
fn last(prefix: Prefix) -> Option<Prefix> {
    match prefix.addr() {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shr(prefix.len().into()).unwrap_or(0);
            Prefix::new(IpAddr::from((u32::from(a) | mask).to_be_bytes()), 32)
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shr(prefix.len().into()).unwrap_or(0);
            Prefix::new(IpAddr::from((u128::from(a) | mask).to_be_bytes()), 128)
        }
    }
}
