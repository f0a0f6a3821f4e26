//! What waits for the task of a peer: commands, and connections that the peer opened.
//!
//! There is one box for each peer, and most of them are empty at all times: an empty one holds no memory beside itself.
//! A channel of tokio has room for 32 messages from the start, which is 5 KiB for the two kinds.
//!
//! | bound | number | beyond it |
//! |---|---|---|
//! | commands | [`COMMANDS`] | the sender waits |
//! | connections | [`PEER_BACKLOG`] | the connection is closed, and the peer tries again |

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::{Notify, Semaphore};

use crate::listener::Incoming;
use crate::peer::Command;

/// Commands that may wait for a peer's task.
pub(crate) const COMMANDS: usize = 16;
/// Connections that may wait for a peer's task.
pub(crate) const PEER_BACKLOG: usize = 4;

/// The task has ended; nobody opens its box any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the peer has ended")]
pub(crate) struct Ended;

/// A connection that was not taken: the task has ended, or too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many connections wait already")]
pub(crate) struct Refused;

/// What was in the box.
#[derive(Debug)]
pub(crate) enum Mail<C = Command, I = Incoming> {
    /// A command.
    Command(C),
    /// A connection.
    Incoming(I),
}

/// The box of one peer, as those see it who put something in.
#[derive(Debug)]
pub(crate) struct Mailbox<C = Command, I = Incoming> {
    waiting: Mutex<Waiting<C, I>>,
    /// Something was put in.
    news: Notify,
    /// Room for commands; closed when the task ends.
    room: Semaphore,
    /// The task is to end.
    to_end: AtomicBool,
}

#[derive(Debug)]
struct Waiting<C, I> {
    commands: VecDeque<C>,
    incoming: VecDeque<I>,
}

/// The box of one peer, as its task has it; closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Inbox<C = Command, I = Incoming>(Arc<Mailbox<C, I>>);

/// An empty box: to put into, and to take out of.
pub(crate) fn mailbox<C, I>() -> (Arc<Mailbox<C, I>>, Inbox<C, I>) {
    let waiting = Mutex::new(Waiting { commands: VecDeque::new(), incoming: VecDeque::new() });
    let mailbox = Arc::new(Mailbox {
        waiting,
        news: Notify::new(),
        room: Semaphore::new(COMMANDS),
        to_end: AtomicBool::new(false),
    });
    (Arc::clone(&mailbox), Inbox(mailbox))
}

/// The first of a queue, which gives its memory back with the last.
fn take<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let first = queue.pop_front()?;
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
    Some(first)
}

impl<C, I> Mailbox<C, I> {
    fn lock(&self) -> MutexGuard<'_, Waiting<C, I>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command in, as soon as there is room.
    ///
    /// # Errors
    /// The task has ended.
    pub(crate) async fn send(&self, command: C) -> Result<(), Ended> {
        // The permit comes back when the command is taken out.
        self.room.acquire().await.map_err(|_| Ended)?.forget();
        {
            let mut waiting = self.lock();
            // Asked under the lock: what is put in after the box was emptied for the last time would never be dropped.
            if self.is_closed() {
                return Err(Ended);
            }
            waiting.commands.push_back(command);
        }
        self.news.notify_one();
        Ok(())
    }

    /// Puts a connection in; never waits.
    ///
    /// # Errors
    /// There is no room, or the task has ended; the connection is closed.
    pub(crate) fn deliver(&self, connection: I) -> Result<(), Refused> {
        {
            let mut waiting = self.lock();
            if self.is_closed() || waiting.incoming.len() >= PEER_BACKLOG {
                return Err(Refused);
            }
            waiting.incoming.push_back(connection);
        }
        self.news.notify_one();
        Ok(())
    }

    /// The task is to end, whatever becomes of the command that tells it so.
    pub(crate) fn end(&self) {
        self.to_end.store(true, Ordering::Release);
    }

    /// Whether the task has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.room.is_closed()
    }
}

impl<C, I> Inbox<C, I> {
    /// What is in the box next, commands first; waits until there is something. Nothing is lost when the future is
    /// dropped.
    pub(crate) async fn next(&self) -> Mail<C, I> {
        loop {
            if let Some(mail) = self.take() {
                return mail;
            }
            self.0.news.notified().await;
        }
    }

    fn take(&self) -> Option<Mail<C, I>> {
        let mut waiting = self.0.lock();
        if let Some(command) = take(&mut waiting.commands) {
            drop(waiting);
            self.0.room.add_permits(1);
            return Some(Mail::Command(command));
        }
        take(&mut waiting.incoming).map(Mail::Incoming)
    }

    /// Whether the task is to end.
    pub(crate) fn is_to_end(&self) -> bool {
        self.0.to_end.load(Ordering::Acquire)
    }

    /// Whether a connection waits.
    pub(crate) fn has_incoming(&self) -> bool {
        !self.0.lock().incoming.is_empty()
    }
}

impl<C, I> Drop for Inbox<C, I> {
    fn drop(&mut self) {
        let (commands, incoming) = {
            let mut waiting = self.0.lock();
            self.0.room.close();
            (std::mem::take(&mut waiting.commands), std::mem::take(&mut waiting.incoming))
        };
        // Whoever waits for an answer to a command hears now that there is none.
        drop((commands, incoming));
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    async fn is_pending(future: impl Future) -> bool {
        let mut future = pin!(future);
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn commands_come_before_connections_and_each_in_order() {
        let (outside, inbox) = mailbox::<u8, char>();
        outside.deliver('a').expect("there is room");
        outside.send(1).await.expect("the task goes on");
        outside.deliver('b').expect("there is room");
        outside.send(2).await.expect("the task goes on");
        assert!(inbox.has_incoming());
        let mut got = Vec::new();
        for _ in 0..4 {
            got.push(match inbox.next().await {
                Mail::Command(n) => n.to_string(),
                Mail::Incoming(c) => c.to_string(),
            });
        }
        assert_eq!(got, ["1", "2", "a", "b"]);
        assert!(is_pending(inbox.next()).await);
        let waiting = outside.lock();
        assert_eq!((waiting.commands.capacity(), waiting.incoming.capacity()), (0, 0), "an empty box holds nothing");
    }

    #[tokio::test]
    async fn a_full_box_lets_commands_wait_and_refuses_connections() {
        let (outside, inbox) = mailbox::<usize, ()>();
        for n in 0..COMMANDS {
            outside.send(n).await.expect("the task goes on");
        }
        for _ in 0..PEER_BACKLOG {
            outside.deliver(()).expect("there is room");
        }
        assert_eq!(outside.deliver(()), Err(Refused));
        let mut late = pin!(outside.send(COMMANDS));
        assert!(is_pending(late.as_mut()).await);
        assert!(matches!(inbox.next().await, Mail::Command(0)));
        late.await.expect("the task goes on");
        for n in 1..=COMMANDS {
            assert!(matches!(inbox.next().await, Mail::Command(c) if c == n));
        }
        assert!(matches!(inbox.next().await, Mail::Incoming(())));
        outside.deliver(()).expect("there is room");
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_hears_of_the_end() {
        let (outside, inbox) = mailbox::<tokio::sync::oneshot::Sender<()>, ()>();
        let (reply, answer) = tokio::sync::oneshot::channel();
        outside.send(reply).await.expect("the task goes on");
        assert!(!outside.is_closed());
        drop(inbox);
        assert!(answer.await.is_err());
        assert!(outside.is_closed());
        assert_eq!(outside.deliver(()), Err(Refused));
        let (reply, answer) = tokio::sync::oneshot::channel();
        assert_eq!(outside.send(reply).await, Err(Ended));
        assert!(answer.await.is_err());
    }

    #[tokio::test]
    async fn a_task_that_sleeps_is_woken() {
        let (outside, inbox) = mailbox::<u8, ()>();
        let mut next = pin!(inbox.next());
        assert!(is_pending(next.as_mut()).await);
        outside.send(7).await.expect("the task goes on");
        assert!(matches!(next.await, Mail::Command(7)));
    }
}
