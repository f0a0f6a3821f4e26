//! Connections that are being closed: each has its NOTIFICATION to say, and the peer a moment to read it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::connection::Connection;

/// Connections that may say their last words at once; of further ones only what the socket takes at once is said, so
/// that a peer that opens and closes connections cannot use up our descriptors.
pub(crate) const MAX_CLOSING: usize = 1024;
/// How long the last words of a connection may take.
const LIMIT: Duration = Duration::from_secs(1);

/// The connections that are being closed.
#[derive(Debug)]
pub(crate) struct LastWords {
    tasks: TaskTracker,
    slots: Arc<Semaphore>,
}

impl Default for LastWords {
    fn default() -> Self {
        Self { tasks: TaskTracker::new(), slots: Arc::new(Semaphore::new(MAX_CLOSING)) }
    }
}

impl LastWords {
    /// Closes a connection after what waits for it; `rest` ends the message that was begun.
    pub(crate) fn close(&self, mut connection: Connection, rest: Option<Bytes>) {
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => drop(self.tasks.spawn(async move {
                connection.finish(rest, LIMIT).await;
                drop(slot);
            })),
            Err(_) if rest.is_none() => drop(connection.write_control()),
            Err(_) => {}
        }
    }

    /// Waits until all are closed; to be called when no further ones come.
    pub(crate) async fn all_said(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
