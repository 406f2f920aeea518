//! A point in time, always passed in: pure crates never read a clock.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// What the REST interface writes for "never": 1753-01-01T00:00:00Z.
    pub const NEVER: Moment = Moment(-6_847_804_800_000);

    /// This moment and `minutes` more; saturates at the ends of time.
    #[must_use]
    pub fn plus_minutes(self, minutes: i64) -> Moment {
        Moment(self.0.saturating_add(minutes.saturating_mul(60_000)))
    }

    /// Whole milliseconds from `earlier` to this moment, negative when this one is earlier.
    #[must_use]
    pub fn millis_since(self, earlier: Moment) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}
