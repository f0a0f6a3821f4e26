//! Runs a filter on a route, as BIRD 1.6 does.

use std::collections::BTreeSet;
use std::net::IpAddr;

use heddle_bgp_core::Prefix;

use super::ast::{Action, Attribute, Bird, Expression, Operator, PathItem, PrefixPattern, RouteSource, Statement};
use super::lex::Place;

/// A route as a filter sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub net: Prefix,
    pub source: RouteSource,
    /// Empty where the route has no interface: BIRD calls that defined too. None is not BIRD's: an interface that a
    /// filter cannot ask for.
    pub ifname: Option<String>,
    pub preference: u32,
    pub krt_metric: Option<u32>,
    pub krt_tunnel: Option<String>,
    pub local_pref: Option<u32>,
    pub communities: BTreeSet<(u32, u32)>,
    pub large_communities: BTreeSet<(u32, u32, u32)>,
    /// Nearest first.
    pub path: Vec<u32>,
    pub next_hop: Option<IpAddr>,
}

impl Route {
    /// A route of this source without any attribute, at BIRD's preference for the source.
    pub fn new(net: Prefix, source: RouteSource) -> Self {
        let preference = match source {
            RouteSource::Device => 240,
            RouteSource::Static => 200,
            RouteSource::Bgp => 100,
            RouteSource::Inherit => 10,
        };
        Self {
            net,
            source,
            ifname: Some(String::new()),
            preference,
            krt_metric: None,
            krt_tunnel: None,
            local_pref: None,
            communities: BTreeSet::new(),
            large_communities: BTreeSet::new(),
            path: Vec::new(),
            next_hop: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Reject,
}

/// BIRD would log an error and reject; no expected file has a filter that does that on a route that can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeError {
    pub place: Option<Place>,
    pub what: String,
}

/// Runs statements to the end; none when nothing decided.
pub fn run(bird: &Bird, body: &[Statement], route: &mut Route) -> Result<Option<Verdict>, RuntimeError> {
    Machine { bird, route, depth: 0 }.statements(body, &[])
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// An attribute that is not there.
    Void,
    Number(u32),
    Bool(bool),
    Text(String),
    Ip(IpAddr),
    Prefix(Prefix),
    Pair(u32, u32),
    Triple(u32, u32, u32),
    Source(RouteSource),
    SourceSet(Vec<RouteSource>),
    PrefixSet(Vec<PrefixPattern>),
    PathMask(Vec<PathItem>),
    Path(Vec<u32>),
    Communities(BTreeSet<(u32, u32)>),
    LargeCommunities(BTreeSet<(u32, u32, u32)>),
}

/// Parameters of the function that runs, with their values.
type Scope<'a> = &'a [(String, bool)];

struct Machine<'a> {
    bird: &'a Bird,
    route: &'a mut Route,
    depth: u32,
}

/// Functions inside functions; BIRD refuses recursion when it reads the configuration.
const DEEPEST: u32 = 16;

fn error<T>(what: String) -> Result<T, RuntimeError> {
    Err(RuntimeError { place: None, what })
}

impl Machine<'_> {
    fn statements(&mut self, body: &[Statement], scope: Scope<'_>) -> Result<Option<Verdict>, RuntimeError> {
        for statement in body {
            let verdict = self.statement(&statement.action, scope).map_err(|mut e| {
                e.place.get_or_insert_with(|| statement.place.clone());
                e
            })?;
            if verdict.is_some() {
                return Ok(verdict);
            }
        }
        Ok(None)
    }

    fn statement(&mut self, action: &Action, scope: Scope<'_>) -> Result<Option<Verdict>, RuntimeError> {
        match action {
            Action::Accept => return Ok(Some(Verdict::Accept)),
            Action::Reject => return Ok(Some(Verdict::Reject)),
            Action::Block(inner) => return self.statements(inner, scope),
            Action::If { condition, then, otherwise } => {
                let branch = if self.truth(condition, scope)? { then } else { otherwise };
                return self.statements(branch, scope);
            }
            Action::Call(name, arguments) => return self.call(name, arguments, scope),
            Action::Assign(attribute, value) => {
                let value = self.value(value, scope)?;
                self.assign(*attribute, value)?;
            }
            Action::Add(attribute, value) => match (attribute, self.value(value, scope)?) {
                (Attribute::Community, Value::Pair(a, b)) => {
                    self.route.communities.insert((a, b));
                }
                (Attribute::LargeCommunity, Value::Triple(a, b, c)) => {
                    self.route.large_communities.insert((a, b, c));
                }
                (attribute, value) => return error(format!("{value:?} cannot be added to {attribute:?}")),
            },
            Action::Prepend(attribute, value) => match (attribute, self.value(value, scope)?) {
                (Attribute::Path, Value::Number(asn)) => self.route.path.insert(0, asn),
                (attribute, value) => return error(format!("{value:?} cannot be prepended to {attribute:?}")),
            },
        }
        Ok(None)
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &[Expression],
        scope: Scope<'_>,
    ) -> Result<Option<Verdict>, RuntimeError> {
        let bird = self.bird;
        let Some(function) = bird.functions.get(name) else { return error(format!("no function {name:?}")) };
        if function.parameters.len() != arguments.len() || self.depth == DEEPEST {
            return error(format!("{name:?} cannot be called with {} arguments, or so deep", arguments.len()));
        }
        let mut inner = Vec::new();
        for (parameter, argument) in function.parameters.iter().zip(arguments) {
            inner.push((parameter.clone(), self.truth(argument, scope)?));
        }
        self.depth += 1;
        let verdict = self.statements(&function.body, &inner);
        self.depth -= 1;
        verdict
    }

    fn assign(&mut self, attribute: Attribute, value: Value) -> Result<(), RuntimeError> {
        match (attribute, value) {
            (Attribute::Preference, Value::Number(n)) => self.route.preference = n,
            (Attribute::KrtMetric, Value::Number(n)) => self.route.krt_metric = Some(n),
            (Attribute::LocalPref, Value::Number(n)) => self.route.local_pref = Some(n),
            (Attribute::KrtTunnel, Value::Text(t)) => self.route.krt_tunnel = Some(t),
            (attribute, value) => return error(format!("{value:?} cannot be assigned to {attribute:?}")),
        }
        Ok(())
    }

    fn truth(&self, expression: &Expression, scope: Scope<'_>) -> Result<bool, RuntimeError> {
        match self.value(expression, scope)? {
            Value::Bool(b) => Ok(b),
            other => error(format!("{other:?} where true or false has to stand")),
        }
    }

    fn value(&self, expression: &Expression, scope: Scope<'_>) -> Result<Value, RuntimeError> {
        Ok(match expression {
            Expression::Number(n) => Value::Number(*n),
            Expression::Bool(b) => Value::Bool(*b),
            Expression::Text(t) => Value::Text(t.clone()),
            Expression::Ip(ip) => Value::Ip(*ip),
            Expression::Prefix(p) => Value::Prefix(*p),
            Expression::Pair(a, b) => Value::Pair(*a, *b),
            Expression::Triple(a, b, c) => Value::Triple(*a, *b, *c),
            Expression::RouteSource(s) => Value::Source(*s),
            Expression::SourceSet(s) => Value::SourceSet(s.clone()),
            Expression::PrefixSet(s) => Value::PrefixSet(s.clone()),
            Expression::PathMask(m) => Value::PathMask(m.clone()),
            Expression::Attribute(a) => self.attribute(*a),
            Expression::Parameter(p) => match scope.iter().find(|(name, _)| name == p) {
                Some((_, value)) => Value::Bool(*value),
                None => return error(format!("no parameter {p:?}")),
            },
            Expression::Defined(a) => Value::Bool(self.attribute(*a) != Value::Void),
            Expression::Not(inner) => Value::Bool(!self.truth(inner, scope)?),
            Expression::Binary(Operator::And, a, b) => Value::Bool(self.truth(a, scope)? && self.truth(b, scope)?),
            Expression::Binary(Operator::Or, a, b) => Value::Bool(self.truth(a, scope)? || self.truth(b, scope)?),
            Expression::Binary(op, a, b) => operate(*op, &self.value(a, scope)?, &self.value(b, scope)?)?,
        })
    }

    fn attribute(&self, attribute: Attribute) -> Value {
        let number = |n: Option<u32>| n.map_or(Value::Void, Value::Number);
        let route = &*self.route;
        match attribute {
            Attribute::Net => Value::Prefix(route.net),
            Attribute::Source => Value::Source(route.source),
            Attribute::Ifname => route.ifname.clone().map_or(Value::Void, Value::Text),
            Attribute::Preference => Value::Number(route.preference),
            Attribute::KrtMetric => number(route.krt_metric),
            Attribute::LocalPref => number(route.local_pref),
            Attribute::KrtTunnel => route.krt_tunnel.clone().map_or(Value::Void, Value::Text),
            // Lists that are not there read as empty ones.
            Attribute::Community => Value::Communities(route.communities.clone()),
            Attribute::LargeCommunity => Value::LargeCommunities(route.large_communities.clone()),
            Attribute::Path => Value::Path(route.path.clone()),
            Attribute::NextHop => route.next_hop.map_or(Value::Void, Value::Ip),
        }
    }
}

fn operate(operator: Operator, a: &Value, b: &Value) -> Result<Value, RuntimeError> {
    let mismatch = || error(format!("{operator:?} of {a:?} and {b:?}"));
    Ok(match operator {
        Operator::And | Operator::Or => return mismatch(),
        // Values of two types are unequal, and that is no error: "net = [ … ]" never holds.
        Operator::Equal => Value::Bool(same(a, b)),
        Operator::NotEqual => Value::Bool(!same(a, b)),
        Operator::In | Operator::NotIn => match inside(a, b) {
            Some(found) => Value::Bool(found == (operator == Operator::In)),
            None => return mismatch(),
        },
        Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
            // What is not there is less than anything that is.
            let (x, y) = match (a, b) {
                (Value::Number(x), Value::Number(y)) => (Some(x), Some(y)),
                (Value::Void, Value::Number(y)) => (None, Some(y)),
                (Value::Number(x), Value::Void) => (Some(x), None),
                _ => return mismatch(),
            };
            Value::Bool(match operator {
                Operator::Less => x < y,
                Operator::LessEqual => x <= y,
                Operator::Greater => x > y,
                _ => x >= y,
            })
        }
        Operator::Add | Operator::Subtract => match (a, b) {
            // BIRD's numbers are 32 bits without a sign and wrap.
            (Value::Number(x), Value::Number(y)) if operator == Operator::Add => Value::Number(x.wrapping_add(*y)),
            (Value::Number(x), Value::Number(y)) => Value::Number(x.wrapping_sub(*y)),
            _ => return mismatch(),
        },
    })
}

/// Sets are never the same here: a route has none to compare with.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::SourceSet(_) | Value::PrefixSet(_) | Value::PathMask(_), _)
        | (_, Value::SourceSet(_) | Value::PrefixSet(_) | Value::PathMask(_)) => false,
        (a, b) => a == b,
    }
}

/// `a ~ b`; none where BIRD knows no such match.
fn inside(a: &Value, b: &Value) -> Option<bool> {
    Some(match (a, b) {
        (Value::Prefix(p), Value::Prefix(of)) => of.contains(*p),
        (Value::Prefix(p), Value::PrefixSet(set)) => set.iter().any(|s| {
            let (least, greatest) = s.lengths;
            s.prefix.contains(*p) && least <= p.len() && p.len() <= greatest
        }),
        (Value::Ip(ip), Value::Prefix(of)) => of.contains_addr(*ip),
        (Value::Text(text), Value::Text(glob)) => glob_matches(glob.as_bytes(), text.as_bytes()),
        (Value::Source(s), Value::SourceSet(set)) => set.contains(s),
        (Value::Pair(a, b), Value::Communities(set)) => set.contains(&(*a, *b)),
        (Value::Triple(a, b, c), Value::LargeCommunities(set)) => set.contains(&(*a, *b, *c)),
        (Value::Number(asn), Value::Path(path)) => path.contains(asn),
        (Value::Path(path), Value::PathMask(mask)) => mask_matches(mask, path),
        _ => return None,
    })
}

/// Shell globs as BIRD knows them: `*` and `?`.
pub fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    match (glob.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => glob_matches(rest, text),
        (Some((b'*', rest)), Some((_, tail))) => glob_matches(rest, text) || glob_matches(glob, tail),
        (Some((b'?', rest)), Some((_, tail))) => glob_matches(rest, tail),
        (Some((g, rest)), Some((t, tail))) => g == t && glob_matches(rest, tail),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn mask_matches(mask: &[PathItem], path: &[u32]) -> bool {
    match (mask.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((PathItem::Any, rest)), None) => mask_matches(rest, path),
        (Some((PathItem::Any, rest)), Some((_, tail))) => mask_matches(rest, path) || mask_matches(mask, tail),
        (Some((PathItem::One, rest)), Some((_, tail))) => mask_matches(rest, tail),
        (Some((PathItem::As(want), rest)), Some((asn, tail))) => want == asn && mask_matches(rest, tail),
        (None, Some(_)) | (Some(_), None) => false,
    }
}
