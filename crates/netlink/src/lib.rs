//! rtnetlink: batch writer of routes, monitor, links and addresses.
