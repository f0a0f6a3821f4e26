//! The node peer: datastore in; BGP speaker, forwarding table and node status out.
