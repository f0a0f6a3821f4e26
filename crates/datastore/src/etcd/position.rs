//! How far etcd was heard.

use super::rpc::{ResponseHeader, WatchResponse};

/// How far each watch has come in one etcd. A list is of one revision; from then on each watch goes on by itself, and the sum of what
/// they told is what a list of the newest revision would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    cluster: u64,
    /// The newest revision that anything was heard of.
    newest: i64,
    /// The revision from which each watch goes on.
    next: Vec<i64>,
}

impl Position {
    /// Behind a list, of which there are to be so many watches.
    pub(super) fn behind(list: &ResponseHeader, watches: usize) -> Self {
        let next = list.revision.saturating_add(1);
        Self { cluster: list.cluster_id, newest: list.revision, next: vec![next; watches] }
    }

    /// Where each watch goes on.
    pub(super) fn next(&self) -> &[i64] {
        &self.next
    }

    /// Whether it is a position in the etcd whose answer has this header: not in one that was set back to a backup, or in another one.
    /// A watch from a revision that there is not yet tells nothing until there is.
    pub(super) fn is_in(&self, header: &ResponseHeader) -> bool {
        header.cluster_id == self.cluster && header.revision >= self.newest
    }

    /// An answer was heard to its end.
    pub(super) fn heard(&mut self, answer: &WatchResponse, last: Option<i64>) {
        let header = answer.header.unwrap_or_default();
        self.newest = self.newest.max(header.revision);
        let watch = usize::try_from(answer.watch_id).ok().and_then(|id| self.next.get_mut(id.checked_sub(1)?));
        let Some(next) = watch else { return };
        // An answer to the creation says what is newest, not what was told. So does one that speaks for all watches, which older
        // versions send before what they still have to tell (etcd-io/etcd#15220).
        let reached = match last {
            Some(last) => last,
            None if answer.created || answer.canceled => return,
            None => header.revision,
        };
        *next = (*next).max(reached.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cluster_id: u64, revision: i64) -> ResponseHeader {
        ResponseHeader { cluster_id, revision }
    }

    fn answer(watch_id: i64, revision: i64) -> WatchResponse {
        WatchResponse { header: Some(header(7, revision)), watch_id, ..WatchResponse::default() }
    }

    #[test]
    fn each_watch_goes_on_behind_what_it_told() {
        let mut position = Position::behind(&header(7, 10), 3);
        assert_eq!(position.next(), [11, 11, 11]);
        position.heard(&answer(2, 15), Some(14));
        assert_eq!(position.next(), [11, 15, 11]);
        position.heard(&answer(3, 20), None);
        assert_eq!(position.next(), [11, 15, 21], "it said that it has told all up to there");
        position.heard(&WatchResponse { created: true, ..answer(1, 30) }, None);
        position.heard(&WatchResponse { canceled: true, ..answer(1, 30) }, None);
        position.heard(&answer(WatchResponse::ALL, 30), None);
        position.heard(&answer(0, 30), Some(30));
        position.heard(&answer(4, 30), Some(30));
        position.heard(&answer(2, 31), Some(12));
        assert_eq!(position.next(), [11, 15, 21]);
        assert_eq!(position.newest, 31);
    }

    #[test]
    fn an_etcd_that_was_set_back_is_noticed() {
        let position = Position::behind(&header(7, 10), 1);
        assert!(position.is_in(&header(7, 10)) && position.is_in(&header(7, 900)));
        assert!(!position.is_in(&header(7, 9)) && !position.is_in(&header(8, 900)));
    }
}
