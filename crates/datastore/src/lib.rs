//! The watch on the datastore: sources that fill and follow a snapshot.
