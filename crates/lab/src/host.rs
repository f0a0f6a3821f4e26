//! A host of a fabric: a namespace with its links, its files, and sockets to its kernel.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heddle_netlink::{
    Control, ControlError, DumpError, DumpSocket, Dumped, Family, Leg, LinkIndex, MacAddress, OpenError, Protocol,
    Route, RouteFilter, Table, VethEnd,
};
use ipnetwork::IpNetwork;
use thiserror::Error;

use crate::addressing::{self, Pair};
use crate::namespace::{Namespace, NamespaceError};
use crate::plan::{End, Link, StaticRoute};

/// How a router's kernel is set. Addresses are usable at once (no duplicate address detection), stay when their link goes
/// down, and packets may come in where their answers do not go out.
const ROUTER: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/fib_multipath_hash_policy", "1"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/keep_addr_on_down", "1"),
    ("ipv6/conf/default/keep_addr_on_down", "1"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/fib_multipath_hash_policy", "1"),
];

/// How often a dump that was disturbed by changes is repeated.
const DUMPS: u32 = 20;

/// A host.
#[derive(Debug)]
pub struct Host {
    name: String,
    directory: PathBuf,
    namespace: Namespace,
    control: Mutex<Control>,
    dump: Mutex<DumpSocket>,
}

/// A host could not be made, or its kernel refused something.
#[derive(Debug, Error)]
pub enum HostError {
    /// Its namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A file.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A netlink socket.
    #[error("{host}: {source}")]
    Socket {
        /// The host.
        host: String,
        /// Why.
        source: OpenError,
    },
    /// The kernel refused a request.
    #[error("{host}: {source}")]
    Kernel {
        /// The host.
        host: String,
        /// Why.
        source: ControlError,
    },
    /// Routes could not be read.
    #[error("{host}: cannot read routes: {source}")]
    Dump {
        /// The host.
        host: String,
        /// Why.
        source: DumpError,
    },
    /// Routes changed so fast that no dump was whole.
    #[error("{host}: routes change faster than they can be read")]
    Unsteady {
        /// The host.
        host: String,
    },
}

impl Host {
    /// Makes a router, with its files below `directory`.
    pub(crate) fn router(name: &str, directory: &Path) -> Result<Self, HostError> {
        fs::create_dir_all(directory).map_err(|source| HostError::File { path: directory.to_owned(), source })?;
        let namespace = Namespace::new()?;
        namespace.set(ROUTER)?;
        let socket = |source| HostError::Socket { host: name.to_owned(), source };
        let (control, dump) = namespace.run(|| (Control::open(), DumpSocket::open()))?;
        let host = Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            namespace,
            control: Mutex::new(control.map_err(socket)?),
            dump: Mutex::new(dump.map_err(socket)?),
        };
        host.kernel(|control| control.set_up(LinkIndex::LOOPBACK))?;
        Ok(host)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A path in its directory.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Writes a file into its directory.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, file: &str, text: &str) -> Result<PathBuf, HostError> {
        let path = self.path(file);
        fs::write(&path, text).map_err(|source| HostError::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// Asks its kernel for something.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn kernel<T>(&self, work: impl FnOnce(&mut Control) -> Result<T, ControlError>) -> Result<T, HostError> {
        work(&mut lock(&self.control)).map_err(|source| HostError::Kernel { host: self.name.clone(), source })
    }

    /// The index of one of its links.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn link(&self, name: &str) -> Result<LinkIndex, HostError> {
        self.kernel(|control| control.link(name)).map(|link| link.index)
    }

    /// The routes of its main table.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn routes(&self, family: Family) -> Result<Vec<Route>, HostError> {
        let mut socket = lock(&self.dump);
        for _ in 0..DUMPS {
            let mut routes = Vec::new();
            let told = socket.routes(&RouteFilter::table(family, Table::MAIN), |route| routes.push(route));
            match told.map_err(|source| HostError::Dump { host: self.name.clone(), source })? {
                Dumped::Complete => return Ok(routes),
                Dumped::Interrupted => {}
            }
        }
        Err(HostError::Unsteady { host: self.name.clone() })
    }

    /// Whereto its main table has routes, of any protocol.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn destinations(&self) -> Result<BTreeSet<IpNetwork>, HostError> {
        let mut all = BTreeSet::new();
        for family in Family::BOTH {
            all.extend(self.routes(family)?.into_iter().map(|route| route.prefix));
        }
        Ok(all)
    }

    /// Adds a static route.
    pub(crate) fn add_static(&self, route: &StaticRoute, interface: &str) -> Result<(), HostError> {
        let leg = Leg::via(route.via, self.link(interface)?);
        let route = Route::new(route.to, Protocol::STATIC).metric(route.metric).leg(leg);
        self.kernel(|control| control.replace_route(&route))
    }

    /// Writes down a neighbour on a large LAN.
    pub(crate) fn add_neighbour(&self, neighbour: Pair, interface: &str) -> Result<(), HostError> {
        let link = self.link(interface)?;
        let mac = MacAddress(addressing::mac(neighbour.v4.ip()));
        self.kernel(|control| neighbour.addresses().into_iter().try_for_each(|to| control.set_neighbour(link, to, mac)))
    }

    /// Makes it a switch: a bridge `br0`.
    pub(crate) fn make_bridge(&self) -> Result<(), HostError> {
        self.kernel(|control| {
            control.create_bridge("br0")?;
            let bridge = control.link("br0")?.index;
            control.set_up(bridge)
        })
    }

    /// Switches an interface on, with its addresses, or as a port of the bridge.
    pub(crate) fn connect(&self, end: &End) -> Result<(), HostError> {
        let link = self.link(&end.interface)?;
        self.kernel(|control| {
            match end.address {
                Some(address) => {
                    for network in address.networks() {
                        control.add_address(link, network)?;
                    }
                }
                None => {
                    let bridge = control.link("br0")?.index;
                    control.set_master(link, Some(bridge))?;
                }
            }
            control.set_up(link)
        })
    }

    /// The link over which a neighbour of the plan is reached.
    pub(crate) fn interface_toward<'a>(ends: impl Iterator<Item = &'a End>, neighbour: IpAddr) -> Option<&'a str> {
        let mut ends = ends;
        let on = |end: &&End| end.address.is_some_and(|pair| pair.networks().iter().any(|net| net.contains(neighbour)));
        ends.find(on).map(|end| end.interface.as_str())
    }
}

/// Lays a cable between two hosts, with both ends down and without addresses.
pub(crate) fn lay(link: &Link, lower: &Host, upper: &Host) -> Result<(), HostError> {
    use std::os::fd::AsFd;
    let mac = |end: &End| end.address.map(|pair| MacAddress(addressing::mac(pair.v4.ip())));
    let near = VethEnd { mac: mac(&link.lower), ..VethEnd::new(&link.lower.interface) };
    let far = VethEnd { mac: mac(&link.upper), ..VethEnd::new(&link.upper.interface) };
    let far = far.namespace(upper.namespace.as_fd());
    lower.kernel(|control| control.create_veth(&near, &far))
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
