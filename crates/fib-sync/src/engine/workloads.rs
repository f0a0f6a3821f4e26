//! Routes of ours that leave by a workload interface, learned ones as a rule, and the number that is theirs.
//!
//! Who manages such interfaces may take away whatever others put there: Felix (`RemoveExternalRoutes`) deletes each route on a
//! workload interface that is not its own, but for those of BIRD (`RTPROT_BIRD`) on the interface of a workload that peers. With
//! [`Settings::workload_protocol`](crate::Settings::workload_protocol) learned and static routes have that number where all
//! of their legs leave by workload interfaces, and a route of that number there is ours: after a restart too, and it is no local
//! route. It has a gateway on every leg, as each next hop that is resolved gives one. One without is the route to a workload
//! itself, whose maker may use any number (`deviceRouteProtocol` of a FelixConfiguration): a stranger's, and local. Elsewhere
//! the number is a stranger's as well. A route that has other legs too keeps the usual number: the kernel may take some of the
//! legs, and what is left has to be known as ours. Felix leaves routes of several legs alone.
//!
//! A route of ours that is known stays ours where its interface gets another name. What was a stranger's is told by a
//! dump then, as it is where other interfaces are workloads' by the settings. Such routes lead by legs of their own, never by
//! nexthop objects: by the interface alone it is known whose they are.

use heddle_bgp_core::Prefix;

use super::FibSync;
use crate::glob::matches_any;
use crate::route::{IfIndex, KernelRoute, Target};
use crate::table::{Exit, GroupId, GroupState};

impl FibSync {
    /// The number of routes that leave there.
    pub(super) fn protocol_of(&self, exit: Exit) -> u8 {
        match exit {
            Exit::Workload => self.settings.workload_protocol.unwrap_or(self.settings.protocol),
            Exit::Elsewhere => self.settings.protocol,
        }
    }

    fn has_two_numbers(&self) -> bool {
        self.settings.workload_protocol.is_some_and(|number| number != self.settings.protocol)
    }

    /// Whether a route has the number of those that leave by a workload interface, and does so, or did when it was written.
    pub(super) fn is_ours_by_interface(&self, route: &KernelRoute) -> bool {
        self.settings.workload_protocol == Some(route.protocol)
            && (self.leaves_by_workload(&route.target) || self.is_as_known(route))
    }

    /// Whether it has legs, all of them to gateways and on workload interfaces.
    fn leaves_by_workload(&self, target: &Target) -> bool {
        let is_workload = |index: IfIndex| {
            self.view.link(index).is_some_and(|link| matches_any(&self.settings.workload_interfaces, &link.name))
        };
        match target {
            Target::Legs(legs) => target.is_by_gateways() && legs.iter().all(|leg| is_workload(leg.interface)),
            Target::Object(_) | Target::Dead(_) => false,
        }
    }

    fn is_as_known(&self, route: &KernelRoute) -> bool {
        let Some(slot) = self.table.find(route.prefix) else { return false };
        self.table.entry(slot).actual.iter().any(|known| {
            known.metric == route.metric
                && known.tos == route.tos
                && known.protocol == route.protocol
                && *known.target == route.target
        })
    }

    /// Where a group's routes leave; none while that is not known: then they stay what they are.
    pub(super) fn exit_of(&self, state: &GroupState) -> Option<Exit> {
        match state {
            GroupState::Good(target) if self.has_two_numbers() => {
                Some(if self.leaves_by_workload(target) { Exit::Workload } else { Exit::Elsewhere })
            }
            GroupState::Good(_) => Some(Exit::Elsewhere),
            GroupState::Held { .. } | GroupState::Unresolved { .. } | GroupState::Rejected => None,
        }
    }

    /// Notes where a group's routes leave now; says whether they get another number for it.
    pub(super) fn set_exit(&mut self, id: GroupId, state: &GroupState) -> bool {
        let exit = self.exit_of(state);
        let (Some(exit), Some(group)) = (exit, self.table.group_mut(id)) else { return false };
        std::mem::replace(&mut group.exit, exit) != exit
    }

    /// An interface has another name.
    pub(super) fn exits_changed(&mut self, index: IfIndex) {
        if !self.has_two_numbers() {
            return;
        }
        let over = |id: &GroupId| {
            let group = self.table.group(*id);
            group.is_some_and(|group| matches!(&group.state, GroupState::Good(target) if target.uses(index)))
        };
        let groups: Vec<GroupId> = self.table.group_ids().into_iter().filter(over).collect();
        self.dirty_groups.extend(groups);
        if self.view.prefixes_on(index).into_iter().any(|prefix| self.has_disputed(prefix)) {
            self.dumps.want();
        }
    }

    /// Other interfaces are workloads'.
    pub(super) fn workloads_changed(&mut self) {
        if self.has_two_numbers() && self.view.prefixes().into_iter().any(|prefix| self.has_disputed(prefix)) {
            self.dumps.want();
        }
    }

    /// Whether there is a route that is a stranger's for the interfaces that it leaves by alone.
    fn has_disputed(&self, prefix: Prefix) -> bool {
        self.view.routes(prefix).iter().any(|route| {
            route.table == self.settings.table
                && self.settings.workload_protocol == Some(route.protocol)
                && route.target.is_by_gateways()
        })
    }
}
