//! Sources: the sessions that routes came in on. A source outlives its session while a path or a pending change names
//! it.

use crate::route::{PeerId, SourceId, SourceInfo};

/// Whether a source's paths count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Its paths count, stale or not.
    Alive,
    /// They are being swept.
    Dead,
}

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) info: SourceInfo,
    pub(crate) life: Life,
    /// Paths that it has in the table.
    pub(crate) paths: u32,
    /// Pending changes that name it.
    pub(crate) pending: u32,
}

/// The sources of one family.
#[derive(Debug)]
pub(crate) struct Sources {
    all: Vec<Option<Source>>,
    /// Dead ones that still have paths.
    dying: u32,
}

/// 65,536 sources are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoSourceLeft;

impl Sources {
    /// With the router itself as [`SourceId::LOCAL`].
    pub(crate) fn new(local: SourceInfo) -> Self {
        Self { all: vec![Some(Source { info: local, life: Life::Alive, paths: 0, pending: 0 })], dying: 0 }
    }

    pub(crate) fn add(&mut self, info: SourceInfo) -> Result<SourceId, NoSourceLeft> {
        let source = Some(Source { info, life: Life::Alive, paths: 0, pending: 0 });
        if let Some(at) = self.all.iter().position(Option::is_none) {
            self.all[at] = source;
            return u16::try_from(at).map(SourceId).map_err(|_| NoSourceLeft);
        }
        let id = u16::try_from(self.all.len()).map_err(|_| NoSourceLeft)?;
        self.all.push(source);
        Ok(SourceId(id))
    }

    #[inline]
    pub(crate) fn get(&self, id: SourceId) -> &Source {
        self.all[usize::from(id.0)].as_ref().expect("invariant: a named source exists")
    }
    fn get_mut(&mut self, id: SourceId) -> &mut Source {
        self.all[usize::from(id.0)].as_mut().expect("invariant: a named source exists")
    }
    pub(crate) fn info_mut(&mut self, id: SourceId) -> &mut SourceInfo {
        &mut self.get_mut(id).info
    }
    #[inline]
    pub(crate) fn info(&self, id: SourceId) -> &SourceInfo {
        &self.get(id).info
    }
    #[inline]
    pub(crate) fn peer(&self, id: SourceId) -> PeerId {
        self.get(id).info.peer
    }
    pub(crate) fn is_dead(&self, id: SourceId) -> bool {
        self.get(id).life == Life::Dead
    }
    /// Dead ones that still have paths.
    pub(crate) const fn dying(&self) -> u32 {
        self.dying
    }

    pub(crate) fn path_added(&mut self, id: SourceId) {
        self.get_mut(id).paths += 1;
    }
    pub(crate) fn path_removed(&mut self, id: SourceId) {
        let s = self.get_mut(id);
        s.paths -= 1;
        if s.paths == 0 && s.life == Life::Dead {
            self.dying -= 1;
            self.free_unnamed(id);
        }
    }
    pub(crate) fn hold(&mut self, id: SourceId) {
        self.get_mut(id).pending += 1;
    }
    pub(crate) fn release(&mut self, id: SourceId) {
        self.get_mut(id).pending -= 1;
        self.free_unnamed(id);
    }

    /// Its paths count no more and are to be swept.
    pub(crate) fn kill(&mut self, id: SourceId) {
        let s = self.get_mut(id);
        if s.life == Life::Alive {
            s.life = Life::Dead;
            if s.paths > 0 {
                self.dying += 1;
            }
            self.free_unnamed(id);
        }
    }

    fn free_unnamed(&mut self, id: SourceId) {
        let s = self.get(id);
        if s.life == Life::Dead && s.paths == 0 && s.pending == 0 {
            self.all[usize::from(id.0)] = None;
        }
    }

    /// Whether a source of the peer is named by anything.
    pub(crate) fn names(&self, peer: PeerId) -> bool {
        self.all.iter().flatten().any(|s| s.info.peer == peer)
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        let numbered = self.all.iter().enumerate();
        numbered.filter_map(|(i, s)| Some((SourceId(u16::try_from(i).ok()?), s.as_ref()?)))
    }
}
