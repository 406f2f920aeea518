//! How long may a request compute? Until the client takes it back or goes away, and no longer than its caller may ask
//! for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use loggia_model::Caller;

use crate::Settings;

/// The patience with one request.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    is_cancelled: Arc<AtomicBool>,
    /// None where the time is too long to count.
    deadline: Option<Instant>,
}

impl Patience {
    /// Begins now: a request that waited its turn has its whole time yet.
    pub(crate) fn new(
        settings: &Settings,
        caller: &Caller,
        is_cancelled: Arc<AtomicBool>,
    ) -> Patience {
        let time = if caller.is_anonymous() { settings.visitor_time } else { settings.person_time };
        Patience { is_cancelled, deadline: Instant::now().checked_add(time) }
    }

    /// Whether the client took the request back, or went away.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Whether to stop computing; once over, it stays over.
    pub(crate) fn is_over(&self) -> bool {
        self.is_cancelled() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
