//! The two clocks: the wall's, for what people read, and a steady one, for sessions, which must
//! neither end nor come back to life when somebody sets the wall's.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use loggia_model::Moment;

/// What the wall clock shows.
#[expect(clippy::disallowed_methods, reason = "this is the server's clock")]
pub(crate) fn wall() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The wall clock's time at start, and the time that has passed since.
pub(crate) fn steady() -> impl Fn() -> Moment + Send + Sync + 'static {
    let (start, since) = (wall(), Instant::now());
    move || Moment(start.0.saturating_add(i64::try_from(since.elapsed().as_millis()).unwrap_or(0)))
}
