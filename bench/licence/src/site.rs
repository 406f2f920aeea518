//! A site with a public app and a limited pool for visitors.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use loggia_model::entity::{PoolKind, RuleCategory};
use loggia_model::{
    AppId, Caller, Environment, InternalAccount, Moment, PoolId, SessionId, VisitorId,
};
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{
    AppEdit, PoolEdit, Repository, RuleEdit, Settings, pool_kind, seed::EVERYONE,
};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct Site {
    pub(crate) repository: Repository,
    pub(crate) app: AppId,
    pub(crate) pool: PoolId,
    pub(crate) folder: TempDir,
}

/// 2026-12-24T12:00:00Z: a year of lines lies before it.
pub(crate) const NOW: Moment = Moment(1_798_113_600_000);

impl Site {
    pub(crate) fn new(beside: &Path) -> Result<Site> {
        // Beside the results, not where memory may stand in for a disk.
        let folder = tempfile::tempdir_in(beside)?;
        let repository = open(folder.path())?;
        let server = server();
        let edit = AppEdit { name: Some("Flights".to_owned()), ..AppEdit::default() };
        let app = repository.create_app(&server, None, edit)?.id;
        repository.publish_app(&server, app, EVERYONE, None)?;
        let edit = PoolEdit {
            name: Some("Visitors".to_owned()),
            kind: Some(PoolKind::AnalyzerCapacity),
            // Limited, so that what is out is added up each time.
            capacity: Some(Some(1 << 40)),
            ..PoolEdit::default()
        };
        let pool = repository.create_pool(&server, None, edit)?.value.id;
        let edit = RuleEdit {
            name: Some("Visitors may".to_owned()),
            category: Some(RuleCategory::License),
            context: Some(1),
            actions: Some(1),
            resource_filter: Some(format!("{}_{pool}", pool_kind(PoolKind::AnalyzerCapacity))),
            condition: Some("user.IsAnonymous()".to_owned()),
            ..RuleEdit::default()
        };
        repository.create_rule(&server, None, edit)?;
        Ok(Site { repository, app, pool, folder })
    }

    pub(crate) fn store_path(&self) -> std::path::PathBuf {
        self.folder.path().join("loggia.db")
    }
}

pub(crate) fn open(folder: &Path) -> Result<Repository> {
    let store = SqliteStore::open(&folder.join("loggia.db"))?;
    let settings = Settings::new(folder.join("data"));
    Repository::open(Arc::new(store), Arc::new(|| NOW), settings).context("the site does not open")
}

pub(crate) fn server() -> Caller {
    Caller::internal(InternalAccount::Repository)
}

/// Somebody new.
pub(crate) fn visitor() -> Caller {
    let mut caller = Caller::visitor(VisitorId(Uuid::new_v4()), Environment::default());
    caller.session = Some(SessionId(Uuid::new_v4()));
    caller
}
