//! How are many charges made safe with one `fsync`? While one thread writes, those who come wait in
//! a line; the first of them then writes for all who wait.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::{Charged, Decide, StoreError};

/// Charges that wait for being written.
#[derive(Default)]
pub(super) struct GroupCommit {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_writing: bool,
    waiting: Vec<(Arc<Ticket>, Decide)>,
}

/// Where the outcome of one charge is left for whoever asked for it.
#[derive(Default)]
struct Ticket(Mutex<Option<Result<Charged, StoreError>>>);

/// So many charges at most share a transaction: what they hold back is decided on what is older.
const MOST: usize = 256;

impl GroupCommit {
    /// Runs `decide` by itself or together with others, by `write`: it gets the charges of one
    /// transaction in their order, and answers for each of them once all are safe.
    pub(super) fn run(
        &self,
        decide: Decide,
        write: impl Fn(&mut [Decide]) -> Result<Vec<Result<Charged, StoreError>>, StoreError>,
    ) -> Result<Charged, StoreError> {
        let own = Arc::new(Ticket::default());
        let mut state = self.state.lock();
        state.waiting.push((own.clone(), decide));
        loop {
            if let Some(outcome) = own.0.lock().take() {
                return outcome;
            }
            if state.is_writing {
                self.changed.wait(&mut state);
                continue;
            }
            state.is_writing = true;
            let count = state.waiting.len().min(MOST);
            let batch: Vec<_> = state.waiting.drain(..count).collect();
            drop(state);
            self.write_for(batch, &write);
            state = self.state.lock();
        }
    }

    fn write_for(
        &self,
        batch: Vec<(Arc<Ticket>, Decide)>,
        write: impl Fn(&mut [Decide]) -> Result<Vec<Result<Charged, StoreError>>, StoreError>,
    ) {
        // Should `write` panic, nobody may wait for ever.
        let _release = Release(self);
        let (tickets, mut decides): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let mut round = Round { tickets };
        match write(&mut decides) {
            Ok(outcomes) => {
                for (ticket, outcome) in round.tickets.iter().zip(outcomes) {
                    *ticket.0.lock() = Some(outcome);
                }
            }
            Err(error) => round.fail(&error),
        }
        round.finish();
    }
}

/// The tickets of one transaction; whatever happens, each gets an outcome.
struct Round {
    tickets: Vec<Arc<Ticket>>,
}

impl Round {
    fn fail(&mut self, error: &StoreError) {
        for ticket in &self.tickets {
            *ticket.0.lock() = Some(Err(error.clone()));
        }
    }

    fn finish(mut self) {
        self.tickets.clear();
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        for ticket in &self.tickets {
            let mut outcome = ticket.0.lock();
            if outcome.is_none() {
                *outcome = Some(Err(StoreError::Failed("the write was given up".to_owned())));
            }
        }
    }
}

struct Release<'a>(&'a GroupCommit);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.state.lock().is_writing = false;
        self.0.changed.notify_all();
    }
}
