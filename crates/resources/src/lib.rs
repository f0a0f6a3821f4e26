//! The resources that Heddle reads (Calico's and Kubernetes'), label selectors, validation, the snapshot and its deltas.
