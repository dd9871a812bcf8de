use std::collections::hash_map::{HashMap, RandomState};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use mpc_router_core::SessionId;

use super::Cell;
use crate::limits;

#[derive(Debug, Default)]
struct Shard {
    cells: RwLock<HashMap<SessionId, Arc<Cell>>>,
    /// Passed by each message on its way in.
    gate: RwLock<()>,
}

/// The sessions' cells, by name: in parts with a lock each, held to look one up, and to open one.
#[derive(Debug)]
pub(super) struct Cells {
    shards: Vec<Shard>,
    hasher: RandomState,
    count: AtomicUsize,
}

impl Default for Cells {
    fn default() -> Self {
        let shards = (0..limits::SESSION_SHARDS).map(|_| Shard::default()).collect();
        Self { shards, hasher: RandomState::new(), count: AtomicUsize::new(0) }
    }
}

impl Cells {
    /// The session's cell: the one there is, or the one that `open` gives.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn get_or_open<E>(
        &self,
        id: &SessionId,
        open: impl FnOnce() -> Result<Arc<Cell>, E>,
    ) -> Result<Arc<Cell>, E> {
        let shard = self.shard(id);
        if let Some(cell) = self.get(id) {
            return Ok(cell);
        }
        let mut cells = shard.cells.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(id).filter(|cell| !cell.is_lost()) {
            return Ok(Arc::clone(cell));
        }
        let cell = open()?;
        self.put(&mut cells, Arc::clone(&cell));
        Ok(cell)
    }

    /// The session's cell, if there is one.
    pub(super) fn get(&self, id: &SessionId) -> Option<Arc<Cell>> {
        let cells = self.shard(id).cells.read().unwrap_or_else(PoisonError::into_inner);
        cells.get(id).filter(|cell| !cell.is_lost()).cloned()
    }

    /// Lets a message into a session: a moment that [`await_passing`](Self::await_passing) waits for.
    pub(super) fn pass<T>(&self, id: &SessionId, enter: impl FnOnce() -> T) -> T {
        let _passing = self.shard(id).gate.read().unwrap_or_else(PoisonError::into_inner);
        enter()
    }

    /// Waits until all messages are in that are passing now.
    pub(super) fn await_passing(&self) {
        for shard in &self.shards {
            drop(shard.gate.write().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Adds a cell, of a session that has none.
    pub(super) fn insert(&self, cell: Arc<Cell>) {
        let mut cells = self.shard(cell.id()).cells.write().unwrap_or_else(PoisonError::into_inner);
        self.put(&mut cells, cell);
    }

    /// Puts a cell into its part, in the place of a lost one if there is one.
    fn put(&self, cells: &mut HashMap<SessionId, Arc<Cell>>, cell: Arc<Cell>) {
        if cells.insert(cell.id().clone(), cell).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Calls `act` with each cell, and holds no lock meanwhile.
    pub(super) fn each(&self, mut act: impl FnMut(&Arc<Cell>)) {
        for shard in &self.shards {
            let cells: Vec<_> = {
                let cells = shard.cells.read().unwrap_or_else(PoisonError::into_inner);
                cells.values().map(Arc::clone).collect()
            };
            cells.iter().for_each(&mut act);
        }
    }

    /// Takes a blank session's cell out, so that naming sessions at random fills no memory. Whoever has
    /// it too finds it lost.
    pub(super) fn forget(&self, cell: &Arc<Cell>) {
        let mut cells = self.shard(cell.id()).cells.write().unwrap_or_else(PoisonError::into_inner);
        if cells.get(cell.id()).is_some_and(|known| Arc::ptr_eq(known, cell)) && cell.retire() {
            cells.remove(cell.id());
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn shard(&self, id: &SessionId) -> &Shard {
        &self.shards[self.hasher.hash_one(id) as usize % self.shards.len()]
    }
}
