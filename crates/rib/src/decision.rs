//! The decision process (RFC 4271 §9.1): which of a destination's paths is best, which others share its traffic, and
//! why each of the rest lost.
//!
//! Selection is a row of filters over the set of candidates, each keeping what is best by one criterion. There is no
//! order among routes: MED is compared only within a neighbouring AS (RFC 4271 §9.1.2.2 c), so "better" is not
//! transitive and sorting would depend on the order of arrival. The filters do not.
//!
//! | step | criterion | rule |
//! |---|---|---|
//! | 1 | not long-lived stale | RFC 9494 §4.3 |
//! | 2 | highest LOCAL_PREF | RFC 4271 §9.1.1 |
//! | 3 | originated here | RFC 4271 §9.1.1 leaves it to the speaker |
//! | 4 | lowest AIGP, where enabled | RFC 7311 §4.1 |
//! | 5 | shortest AS_PATH | RFC 4271 §9.1.2.2 a |
//! | 6 | lowest ORIGIN | b |
//! | 7 | lowest MED within a neighbouring AS | c |
//! | 8 | external over internal | d |
//! | 9 | lowest interior cost | e |
//! | 10 | oldest, among external ones, where enabled | RFC 5004 |
//! | 11 | lowest BGP Identifier, ORIGINATOR_ID in its place | f; RFC 4456 §9 |
//! | 12 | shortest CLUSTER_LIST | RFC 4456 §9 |
//! | 13 | lowest peer address | g |
//! | 14 | lowest Path Identifier | between paths of one peer (RFC 7911 §3 leaves it open) |

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::net::IpAddr;

use heddle_bgp_core::attr::{AsPathView, AttrCode, aigp as aigp_attr};
use heddle_bgp_core::{Asn, BgpId, PathId, PeerType};
use smallvec::SmallVec;

use crate::route::{AttrBits, Candidate, Ineligible, SourceKind};

/// How an absent MULTI_EXIT_DISC counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MissingMed {
    /// As 0, the lowest (RFC 4271 §9.1.2.2 c).
    #[default]
    Best,
    /// As the highest.
    Worst,
}

/// Between which paths MULTI_EXIT_DISC is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MedScope {
    /// Within a neighbouring AS (RFC 4271 §9.1.2.2 c).
    #[default]
    NeighborAs,
    /// Between all.
    Always,
}

/// Whether the order of arrival has a say in step 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MedOrder {
    /// No: the filters see all paths at once.
    #[default]
    Deterministic,
    /// Paths are compared two at a time, the newest first, as FRR and IOS do without `deterministic-med`.
    Arrival,
}

/// Whether the older of two external paths is better (RFC 5004).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum PreferOldest {
    /// No: the BGP Identifier decides.
    #[default]
    Off,
    /// Yes.
    On,
}

/// Whether AIGP is compared (RFC 7311 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Aigp {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
}

/// Which AS_PATHs may share traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MultipathAsPath {
    /// Equal ones.
    #[default]
    Equal,
    /// Ones of equal length.
    Relax,
}

/// The options of the decision process; the same for every destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecisionOptions {
    /// How an absent MED counts.
    pub missing_med: MissingMed,
    /// Between which paths MED is compared.
    pub med_scope: MedScope,
    /// Whether order of arrival matters for MED.
    pub med_order: MedOrder,
    /// Whether older external paths are better.
    pub prefer_oldest: PreferOldest,
    /// Whether AIGP is compared.
    pub aigp: Aigp,
    /// The most external paths that share traffic; 0 and 1 mean only the best.
    pub max_paths_ebgp: u16,
    /// The same for internal paths.
    pub max_paths_ibgp: u16,
    /// Which AS_PATHs may share traffic.
    pub multipath_as_path: MultipathAsPath,
}

impl Default for DecisionOptions {
    fn default() -> Self {
        Self {
            missing_med: MissingMed::Best,
            med_scope: MedScope::NeighborAs,
            med_order: MedOrder::Deterministic,
            prefer_oldest: PreferOldest::Off,
            aigp: Aigp::Off,
            max_paths_ebgp: 1,
            max_paths_ibgp: 1,
            multipath_as_path: MultipathAsPath::Equal,
        }
    }
}

/// The step that a path lost at, in the order of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// 1.
    LlgrStale,
    /// 2.
    LocalPref,
    /// 3.
    Local,
    /// 4.
    Aigp,
    /// 5.
    AsPathLength,
    /// 6.
    Origin,
    /// 7.
    Med,
    /// 8.
    PeerType,
    /// 9.
    IgpCost,
    /// 10.
    Age,
    /// 11.
    BgpId,
    /// 12.
    ClusterListLength,
    /// 13.
    PeerAddress,
    /// 14.
    PathId,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 14] = [
        Self::LlgrStale,
        Self::LocalPref,
        Self::Local,
        Self::Aigp,
        Self::AsPathLength,
        Self::Origin,
        Self::Med,
        Self::PeerType,
        Self::IgpCost,
        Self::Age,
        Self::BgpId,
        Self::ClusterListLength,
        Self::PeerAddress,
        Self::PathId,
    ];
    /// The steps that paths must agree in to share traffic: up to the interior cost.
    const MULTIPATH: usize = 9;
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LlgrStale => "long-lived stale",
            Self::LocalPref => "lower local preference",
            Self::Local => "not originated here",
            Self::Aigp => "higher or no AIGP metric",
            Self::AsPathLength => "longer AS path",
            Self::Origin => "worse origin",
            Self::Med => "higher MED from the same AS",
            Self::PeerType => "internal, the best is external",
            Self::IgpCost => "higher interior cost to the next hop",
            Self::Age => "newer than the best",
            Self::BgpId => "higher BGP identifier of peer or originator",
            Self::ClusterListLength => "longer cluster list",
            Self::PeerAddress => "higher peer address",
            Self::PathId => "higher path identifier",
        })
    }
}

/// The standing of one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is the best.
    Best,
    /// It shares traffic with the best.
    Multipath,
    /// It lost at a step.
    Lost(Step),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::Multipath => f.write_str("multipath"),
            Self::Lost(step) => step.fmt(f),
        }
    }
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnAsLoop => "our AS is in the AS path",
            Self::OriginatorLoop => "originator ID is ours",
            Self::ClusterLoop => "our cluster ID is in the cluster list",
            Self::Guard => "the peer's guard refuses it",
            Self::OtcLeak => "route leak (only to customer)",
            Self::ImportPolicy => "import policy",
            Self::NextHopUnreachable => "next hop unreachable",
        })
    }
}

/// The outcome for one destination, as indices into the candidates.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selection {
    /// The best path; none without candidates.
    pub best: Option<usize>,
    /// Paths that share traffic with the best, without it; empty where multipath is off.
    pub multipath: SmallVec<[u16; 8]>,
}

/// Indices of the candidates that are still in.
type Alive = SmallVec<[u16; 32]>;

/// Selects the best of the candidates, which are all eligible (loops, unreachable next hops and rejected routes are none
/// of them; RFC 4271 §9.1.2). Of more than 65,535 candidates the first 65,535 are looked at.
#[must_use]
pub fn select(candidates: &[Candidate<'_>], options: &DecisionOptions) -> Selection {
    let best = match candidates {
        [] => return Selection::default(),
        [_] => 0,
        _ => best_of_many(candidates, options),
    };
    Selection { best: Some(best), multipath: multipath(candidates, options, best) }
}

/// The best path alone, as an index into the candidates.
#[must_use]
pub fn select_best(candidates: &[Candidate<'_>], options: &DecisionOptions) -> Option<usize> {
    match candidates {
        [] => None,
        [_] => Some(0),
        _ => Some(best_of_many(candidates, options)),
    }
}

/// The candidates that share traffic with the best one, as [`select`] finds them.
#[must_use]
pub fn multipath(candidates: &[Candidate<'_>], options: &DecisionOptions, best: usize) -> SmallVec<[u16; 8]> {
    let mut found = SmallVec::new();
    if candidates.len() > 1 {
        fill_multipath(candidates, options, best, &mut found);
    }
    found
}

/// The `n` best, the best first: each is the best of those that are left. What `add_path = { send = N }` sends
/// (RFC 7911 leaves the choice to the sender).
#[must_use]
pub fn select_few(candidates: &[Candidate<'_>], options: &DecisionOptions, n: usize) -> SmallVec<[u16; 8]> {
    let mut left = all(candidates);
    let mut few = SmallVec::new();
    while few.len() < n && !left.is_empty() {
        let best = best_of(candidates, options, left.clone());
        left.retain(|i| *i != best);
        few.push(best);
    }
    few
}

/// The standing of every candidate, in their order.
#[must_use]
pub fn explain(candidates: &[Candidate<'_>], options: &DecisionOptions) -> Vec<Reason> {
    let selection = select(candidates, options);
    let Some(best) = selection.best else { return Vec::new() };
    let mut reasons = vec![Reason::Lost(Step::PathId); candidates.len()];
    match options.med_order {
        MedOrder::Deterministic => {
            let mut alive = all(candidates);
            for step in Step::ALL {
                let before = alive.clone();
                keep_best(candidates, options, step, &mut alive);
                for i in before.iter().filter(|i| !alive.contains(i)) {
                    set(&mut reasons, usize::from(*i), Reason::Lost(step));
                }
            }
        }
        // Each against the best: the pair that a reader would compare.
        MedOrder::Arrival => {
            for i in (0..candidates.len()).filter(|&i| i != best) {
                set(&mut reasons, i, Reason::Lost(deciding_step(candidates, options, best, i)));
            }
        }
    }
    for i in &selection.multipath {
        set(&mut reasons, usize::from(*i), Reason::Multipath);
    }
    set(&mut reasons, best, Reason::Best);
    reasons
}

fn set(reasons: &mut [Reason], index: usize, reason: Reason) {
    if let Some(slot) = reasons.get_mut(index) {
        *slot = reason;
    }
}

fn all(candidates: &[Candidate<'_>]) -> Alive {
    (0..=u16::MAX).take(candidates.len()).collect()
}

/// The step at which `loser` falls out beside `best`; where it would win the comparison of two, which only MED makes
/// possible, that is MED.
fn deciding_step(candidates: &[Candidate<'_>], options: &DecisionOptions, best: usize, loser: usize) -> Step {
    let index = |i: usize| u16::try_from(i).unwrap_or(u16::MAX);
    let mut alive: Alive = [index(best), index(loser)].into_iter().collect();
    for step in Step::ALL {
        keep_best(candidates, options, step, &mut alive);
        if let [only] = alive.as_slice() {
            return if usize::from(*only) == best { step } else { Step::Med };
        }
    }
    Step::PathId
}

fn best_of_many(candidates: &[Candidate<'_>], options: &DecisionOptions) -> usize {
    usize::from(best_of(candidates, options, all(candidates)))
}

/// The best of those of `alive`, which is not empty.
fn best_of(candidates: &[Candidate<'_>], options: &DecisionOptions, mut alive: Alive) -> u16 {
    match options.med_order {
        MedOrder::Deterministic => best_at_once(candidates, options, &alive),
        MedOrder::Arrival => {
            // Newest first; paths of one second in the order of their addresses, so that the outcome is still a
            // function of the candidates and not of their places in the slice.
            alive.sort_by_key(|&i| candidate(candidates, i).map(|c| (Reverse(c.since), tie_key(c))));
            let mut rest = alive.into_iter();
            let first = rest.next().unwrap_or(0);
            rest.fold(first, |best, next| filter_down(candidates, options, &mut [best, next].into_iter().collect()))
        }
    }
}

/// The same filters, in as few passes as MED allows: steps whose criterion is a number of the path alone, one after
/// another, make one number or tuple. This is what runs for each change of a destination.
fn best_at_once(candidates: &[Candidate<'_>], options: &DecisionOptions, alive: &[u16]) -> u16 {
    let mut alive: Alive = match options.aigp {
        Aigp::Off => least(candidates, alive, steps_1_to_6),
        Aigp::On => {
            let mut alive = Alive::from_slice(alive);
            Step::ALL.iter().take(6).for_each(|&step| keep_best(candidates, options, step, &mut alive));
            alive
        }
    };
    if alive.len() > 1 {
        keep_best(candidates, options, Step::Med, &mut alive);
        let internal = |c: &Candidate<'_>| u64::from(c.source.kind.peer_type() == Some(PeerType::Ibgp));
        alive = least(candidates, &alive, |c| internal(c) << 32 | u64::from(c.igp_cost));
    }
    if alive.len() > 1 {
        keep_best(candidates, options, Step::Age, &mut alive);
        alive = least(candidates, &alive, steps_11_to_14);
    }
    alive.first().copied().unwrap_or(0)
}

/// The steps before MED, where options let them be one number of each path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstSteps;

impl FirstSteps {
    /// None where paths are compared two at a time, or by AIGP.
    pub(crate) fn of(options: &DecisionOptions) -> Option<Self> {
        (options.aigp == Aigp::Off && options.med_order == MedOrder::Deterministic).then_some(Self)
    }
    /// The smaller the better; a path that alone has the smallest one is the best.
    pub(crate) fn key(self, c: &Candidate<'_>) -> u64 {
        steps_1_to_6(c)
    }
}

/// Steps 1, 2, 3, 5 and 6 as one number, the smaller the better: a bit, 32 of LOCAL_PREF, a bit, 16 of AS_PATH length (a
/// message has no room for more than 16,384 AS numbers), two of ORIGIN.
fn steps_1_to_6(c: &Candidate<'_>) -> u64 {
    let length = u64::from(u16::try_from(as_path_len(c)).unwrap_or(u16::MAX));
    let local = u64::from(c.source.kind != SourceKind::Local);
    let preference = u64::from(u32::MAX - c.meta.local_pref);
    u64::from(is_llgr_stale(c)) << 51 | preference << 19 | local << 18 | length << 2 | u64::from(c.meta.bits.origin())
}

/// Steps 11 to 14, read in one pass over the attributes.
fn steps_11_to_14(c: &Candidate<'_>) -> (BgpId, usize, IpAddr, PathId, u32) {
    let (mut id, mut clusters) = (c.source.bgp_id, 0);
    for attr in c.block.iter().skip_while(|a| a.code < AttrCode::ORIGINATOR_ID) {
        match (attr.code, attr.value.first_chunk()) {
            (AttrCode::ORIGINATOR_ID, Some(octets)) => id = BgpId(u32::from_be_bytes(*octets)),
            (AttrCode::CLUSTER_LIST, _) => clusters = attr.value.len() / 4,
            _ => break,
        }
    }
    (id, clusters, c.source.peer_addr, c.path_id, c.since)
}

/// Those with the smallest key, in one pass.
fn least<K: Ord>(candidates: &[Candidate<'_>], alive: &[u16], key: impl Fn(&Candidate<'_>) -> K) -> Alive {
    let mut kept = Alive::new();
    let mut min: Option<K> = None;
    for &i in alive {
        let Some(k) = candidate(candidates, i).map(&key) else { continue };
        match min.as_ref().map(|m| k.cmp(m)) {
            Some(Ordering::Greater) => {}
            Some(Ordering::Equal) => kept.push(i),
            Some(Ordering::Less) | None => {
                kept.clear();
                kept.push(i);
                min = Some(k);
            }
        }
    }
    kept
}

/// Runs the filters until one candidate is left.
fn filter_down(candidates: &[Candidate<'_>], options: &DecisionOptions, alive: &mut Alive) -> u16 {
    for step in Step::ALL {
        if alive.len() < 2 {
            break;
        }
        keep_best(candidates, options, step, alive);
    }
    alive.first().copied().unwrap_or(0)
}

fn candidate<'c, 'a>(candidates: &'c [Candidate<'a>], index: u16) -> Option<&'c Candidate<'a>> {
    candidates.get(usize::from(index))
}

/// What tells any two paths of a destination apart: a peer has at most one path of an identifier.
fn tie_key(c: &Candidate<'_>) -> (IpAddr, PathId) {
    (c.source.peer_addr, c.path_id)
}

/// One filter: keeps those of `alive` that are best by one criterion; never none.
fn keep_best(candidates: &[Candidate<'_>], options: &DecisionOptions, step: Step, alive: &mut Alive) {
    match step {
        // RFC 9494 §4.3: such a route is less preferred than any that is not; between two of them all else decides.
        Step::LlgrStale => keep_min(candidates, alive, is_llgr_stale),
        // RFC 4271 §9.1.1: the degree of preference; the higher is better, of whatever source.
        Step::LocalPref => keep_min(candidates, alive, |c| u32::MAX - c.meta.local_pref),
        Step::Local => keep_min(candidates, alive, |c| c.source.kind != SourceKind::Local),
        // RFC 7311 §4.1: routes without AIGP go where there is one with it; else the lowest AIGP plus interior cost.
        Step::Aigp => match options.aigp {
            Aigp::Off => {}
            Aigp::On => keep_min(candidates, alive, |c| match aigp(c) {
                Some(metric) => (false, metric.saturating_add(u64::from(c.igp_cost))),
                None => (true, 0),
            }),
        },
        // RFC 4271 §9.1.2.2 a: an AS_SET counts as one.
        Step::AsPathLength => keep_min(candidates, alive, as_path_len),
        // RFC 4271 §9.1.2.2 b.
        Step::Origin => keep_min(candidates, alive, |c| c.meta.bits.origin()),
        Step::Med => match options.med_scope {
            MedScope::Always => keep_min(candidates, alive, |c| med(c, options)),
            MedScope::NeighborAs => keep_med_by_neighbor(candidates, options, alive),
        },
        // RFC 4271 §9.1.2.2 d: if any is external, the internal ones go. Local routes stay with their like.
        Step::PeerType => keep_min(candidates, alive, |c| c.source.kind.peer_type() == Some(PeerType::Ibgp)),
        // RFC 4271 §9.1.2.2 e.
        Step::IgpCost => keep_min(candidates, alive, |c| c.igp_cost),
        // RFC 5004 §3: only between external paths.
        Step::Age => match options.prefer_oldest {
            PreferOldest::Off => {}
            PreferOldest::On => {
                let external = |i: &u16| candidate(candidates, *i).is_some_and(|c| c.source.kind == SourceKind::Ebgp);
                if alive.iter().all(external) {
                    keep_min(candidates, alive, |c| c.since);
                }
            }
        },
        // RFC 4271 §9.1.2.2 f; RFC 4456 §9: ORIGINATOR_ID in place of the BGP Identifier.
        Step::BgpId => keep_min(candidates, alive, originator),
        // RFC 4456 §9: the shorter CLUSTER_LIST, 0 where absent.
        Step::ClusterListLength => keep_min(candidates, alive, cluster_list_len),
        // RFC 4271 §9.1.2.2 g.
        Step::PeerAddress => keep_min(candidates, alive, |c| c.source.peer_addr),
        Step::PathId => keep_min(candidates, alive, |c| (c.path_id, c.since)),
    }
}

/// Keeps those with the smallest key.
fn keep_min<K: Ord>(candidates: &[Candidate<'_>], alive: &mut Alive, key: impl Fn(&Candidate<'_>) -> K) {
    let Some(min) = alive.iter().filter_map(|&i| candidate(candidates, i)).map(&key).min() else { return };
    alive.retain(|i| candidate(candidates, *i).is_some_and(|c| key(c) == min));
}

/// RFC 4271 §9.1.2.2 c: a path goes when another from the same neighbouring AS has a lower MED.
fn keep_med_by_neighbor(candidates: &[Candidate<'_>], options: &DecisionOptions, alive: &mut Alive) {
    // Equal ones, as is common, cannot tell paths apart whatever AS they are of.
    let mut meds = alive.iter().filter_map(|&i| candidate(candidates, i)).map(|c| med(c, options));
    let first = meds.next();
    if meds.all(|m| Some(m) == first) {
        return;
    }
    let mut lowest: SmallVec<[(Asn, u32); 8]> = SmallVec::new();
    for c in alive.iter().filter_map(|&i| candidate(candidates, i)) {
        let (asn, med) = (neighbor_as(c), med(c, options));
        match lowest.iter_mut().find(|(a, _)| *a == asn) {
            Some((_, low)) => *low = (*low).min(med),
            None => lowest.push((asn, med)),
        }
    }
    alive.retain(|i| {
        candidate(candidates, *i).is_some_and(|c| {
            let entry = (neighbor_as(c), med(c, options));
            lowest.contains(&entry)
        })
    });
}

/// RFC 4271 §9.1.2.2 c: the neighbouring AS is the one that the route came from. That is the first of the path; where
/// there is none (a leading set, or a route that originated inside) it is the peer's AS, which inside is our own.
fn neighbor_as(c: &Candidate<'_>) -> Asn {
    match (c.meta.neighbor_as, c.source.kind) {
        (Asn(0), SourceKind::Ebgp) => c.source.peer_asn,
        (Asn(0), SourceKind::Local | SourceKind::Client | SourceKind::NonClient) => c.source.local_asn,
        (asn, _) => asn,
    }
}

fn med(c: &Candidate<'_>, options: &DecisionOptions) -> u32 {
    match (c.meta.bits.has(AttrBits::HAS_MED), options.missing_med) {
        (true, _) => c.meta.med,
        (false, MissingMed::Best) => 0,
        (false, MissingMed::Worst) => u32::MAX,
    }
}

/// RFC 9494 §4.3: kept here as long-lived stale, or received with LLGR_STALE.
fn is_llgr_stale(c: &Candidate<'_>) -> bool {
    c.flags.is_llgr_stale() || c.meta.bits.has(AttrBits::LLGR_STALE)
}

fn as_path_len(c: &Candidate<'_>) -> usize {
    match c.meta.as_path_len {
        // 255 stands for that and more.
        u8::MAX => AsPathView(as_path_of(c)).hops(),
        len => usize::from(len),
    }
}

fn as_path_of<'a>(c: &Candidate<'a>) -> &'a [u8] {
    c.block.get(AttrCode::AS_PATH).map_or(&[], |a| a.value)
}

fn originator(c: &Candidate<'_>) -> BgpId {
    let attr = c.block.get(AttrCode::ORIGINATOR_ID).and_then(|a| a.value.try_into().ok());
    attr.map_or(c.source.bgp_id, |octets| BgpId(u32::from_be_bytes(octets)))
}

fn cluster_list_len(c: &Candidate<'_>) -> usize {
    c.block.get(AttrCode::CLUSTER_LIST).map_or(0, |a| a.value.len() / 4)
}

/// The AIGP metric (RFC 7311 §3).
fn aigp(c: &Candidate<'_>) -> Option<u64> {
    aigp_attr::metric(c.block.get(AttrCode::AIGP)?.value).ok().flatten()
}

/// Paths that agree with the best up to the interior cost share traffic with it: of its own kind, at most as many as
/// configured, with AS_PATHs as configured, and each next hop once.
fn fill_multipath(
    candidates: &[Candidate<'_>],
    options: &DecisionOptions,
    best: usize,
    multipath: &mut SmallVec<[u16; 8]>,
) {
    let Some(b) = candidates.get(best) else { return };
    let room = match b.source.kind {
        SourceKind::Ebgp => options.max_paths_ebgp,
        SourceKind::Client | SourceKind::NonClient => options.max_paths_ibgp,
        SourceKind::Local => 0,
    };
    let Some(room) = room.checked_sub(1).filter(|&r| r > 0) else { return };
    let index = u16::try_from(best).unwrap_or(u16::MAX);
    let mut equal = all(candidates);
    match options.med_order {
        MedOrder::Deterministic => {
            Step::ALL.iter().take(Step::MULTIPATH).for_each(|&s| keep_best(candidates, options, s, &mut equal));
        }
        MedOrder::Arrival => equal.retain(|&mut i| i == index || agrees(candidates, options, index, i)),
    }
    equal.retain(|&mut i| candidate(candidates, i).is_some_and(|c| may_share(options, b, c)));
    // In the order of the last steps, so that which ones fit does not depend on places in the slice.
    equal.sort_by_key(|&i| {
        candidate(candidates, i).map(|c| (i != index, originator(c), cluster_list_len(c), tie_key(c)))
    });
    let mut hops: SmallVec<[_; 8]> = SmallVec::from_iter([b.block.next_hop()]);
    for &i in equal.iter().skip(1) {
        if multipath.len() >= usize::from(room) {
            break;
        }
        let hop = candidate(candidates, i).and_then(|c| c.block.next_hop());
        if !hops.contains(&hop) {
            hops.push(hop);
            multipath.push(i);
        }
    }
}

/// Whether two paths agree in all steps up to the interior cost.
fn agrees(candidates: &[Candidate<'_>], options: &DecisionOptions, a: u16, b: u16) -> bool {
    let mut pair: Alive = [a, b].into_iter().collect();
    Step::ALL.iter().take(Step::MULTIPATH).for_each(|&s| keep_best(candidates, options, s, &mut pair));
    pair.len() == 2
}

/// Whether a path is of the best one's kind, with an AS_PATH that the options let share traffic with it.
fn may_share(options: &DecisionOptions, best: &Candidate<'_>, c: &Candidate<'_>) -> bool {
    let path = match options.multipath_as_path {
        MultipathAsPath::Equal => as_path_of(best) == as_path_of(c),
        MultipathAsPath::Relax => true,
    };
    path && best.source.kind.peer_type() == c.source.kind.peer_type()
}

#[cfg(test)]
mod tests;
