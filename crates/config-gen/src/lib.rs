//! From a snapshot of the datastore and a node's name to what that node runs: a pure function.
