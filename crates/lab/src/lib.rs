//! Fabrics of many hosts in network namespaces on one machine.
