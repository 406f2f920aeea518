//! What time is it? Asked of the binary, which is the only part that reads a clock.

use loggia_model::Moment;

/// The present moment; tests pass one that they set themselves.
pub trait Clock: Send + Sync {
    fn now(&self) -> Moment;
}

impl<F: Fn() -> Moment + Send + Sync> Clock for F {
    fn now(&self) -> Moment {
        self()
    }
}
