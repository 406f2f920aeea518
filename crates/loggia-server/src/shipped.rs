//! The apps that every site has: laid out once, in the stream *Monitoring apps*. What somebody
//! changes or deletes afterwards stays so.

use std::path::Path;

use anyhow::Context;
use loggia_model::AppId;
use loggia_qix::Engine;
use loggia_repository::{Repository, seed};
use uuid::uuid;

use crate::{demo, private_file};

/// The app *Visitors*.
pub(crate) const VISITORS_APP: AppId = AppId(uuid!("105a17e0-0000-4000-8000-000000000001"));

/// What is in the data folder once the apps were laid out.
const NOTE: &str = "shipped.json";

/// Lays the apps out where that was not done before.
pub(crate) fn lay_out(repository: &Repository, engine: &Engine, data: &Path) -> anyhow::Result<()> {
    let note = data.join(NOTE);
    if note.exists() {
        return Ok(());
    }
    demo::make_app(repository, engine, data, "shipped/visitors", seed::REPOSITORY_ACCOUNT)
        .context("in the app Visitors")?;
    private_file::write(&note, b"{\"visitors\":1}\n")
}
