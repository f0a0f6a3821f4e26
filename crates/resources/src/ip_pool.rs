//! `IPPool`: where the addresses of workloads come from.

use crate::metadata::Metadata;
use crate::selector::Selector;
use crate::value::Cidr;

/// A pool of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPool {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// What it says.
    pub spec: IpPoolSpec,
}

/// The specification of a pool, with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPoolSpec {
    /// `cidr`
    pub cidr: Cidr,
    /// `ipipMode`
    pub ipip_mode: EncapsulationMode,
    /// `vxlanMode`
    pub vxlan_mode: EncapsulationMode,
    /// `natOutgoing`
    pub nat_outgoing: NatOutgoing,
    /// `disabled`
    pub allocation: PoolAllocation,
    /// `disableBGPExport`
    pub bgp_export: BgpExport,
    /// `blockSize`: the prefix length of blocks; 26 or 122 where it is not set.
    pub block_size: u8,
    /// `nodeSelector`; `all()` where it is not set.
    pub node_selector: Selector,
    /// `namespaceSelector`
    pub namespace_selector: Option<Selector>,
    /// `allowedUses`; workloads and tunnels where it is not set.
    pub allowed_uses: AllowedUses,
    /// `assignmentMode`
    pub assignment_mode: AssignmentMode,
}

/// `ipipMode`, `vxlanMode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncapsulationMode {
    /// Not at all.
    #[default]
    Never,
    /// To every other node.
    Always,
    /// To nodes of other subnets.
    CrossSubnet,
}

/// `natOutgoing`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NatOutgoing {
    /// Addresses stay as they are.
    #[default]
    Disabled,
    /// Packets that leave the pools get the node's address.
    Enabled,
}

/// `disabled`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolAllocation {
    /// Addresses are given out, and the pool is advertised.
    #[default]
    Enabled,
    /// `disabled: true`: no addresses are given out.
    Disabled,
}

/// `disableBGPExport`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BgpExport {
    /// Routes of the pool are advertised.
    #[default]
    Enabled,
    /// `disableBGPExport: true`: they are not.
    Disabled,
}

/// `allowedUses`: what addresses of the pool are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedUses {
    /// Pods.
    Workload,
    /// The nodes' tunnels.
    Tunnel,
    /// Both.
    WorkloadAndTunnel,
    /// Services of type LoadBalancer.
    LoadBalancer,
}

/// `assignmentMode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssignmentMode {
    /// To any workload.
    #[default]
    Automatic,
    /// To workloads that ask for the pool.
    Manual,
}
