//! A hub behind the REST interface, and people who call it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use loggia_model::{Caller, Environment, InternalAccount, Moment, SessionId, UserKey, VisitorId};
use loggia_qrs::{Settings, router};
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{Repository, UserEdit};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

pub(crate) const KEY: &str = "0123456789abcdef";

pub(crate) struct Hub {
    pub(crate) repository: Repository,
    pub(crate) router: Router,
    _folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl Hub {
    pub(crate) fn new() -> Hub {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("loggia.db")).unwrap();
        // Every look at the clock is a little later than the one before.
        let clock = AtomicI64::new(1_795_507_200_000);
        let repository = Repository::open(
            Arc::new(store),
            Arc::new(move || Moment(clock.fetch_add(1, Ordering::SeqCst))),
            loggia_repository::Settings::new(folder.path().join("data")),
        )
        .unwrap();
        let router = router(repository.clone(), Settings::default());
        Hub { repository, router, _folder: folder }
    }

    pub(crate) fn server(&self) -> Caller {
        Caller::internal(InternalAccount::Repository)
    }

    pub(crate) fn visitor(&self) -> Caller {
        let environment =
            Environment { virtual_proxy: "public".parse().unwrap(), ..Environment::default() };
        let mut caller = Caller::visitor(VisitorId(Uuid::new_v4()), environment);
        caller.session = Some(SessionId(Uuid::new_v4()));
        caller
    }

    pub(crate) fn user(&self, name: &str, roles: &[&str]) -> Caller {
        let key = UserKey::new("LOGGIA", name).unwrap();
        let user = self.repository.ensure_user(&key, name, &[]).unwrap();
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        if user.roles != roles {
            let edit = UserEdit { roles: Some(roles), ..UserEdit::default() };
            self.repository.update_user(&self.server(), user.id, None, edit).unwrap();
        }
        Caller::user(user.id, key, Environment::default())
    }

    pub(crate) fn root(&self) -> Caller {
        self.user("root", &["RootAdmin"])
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let is_table = parts
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.to_str().unwrap().starts_with("text/csv"));
        let body = match bytes.as_ref() {
            [] => Value::Null,
            table if is_table => Value::String(String::from_utf8(table.to_vec()).unwrap()),
            json => serde_json::from_slice(json).unwrap(),
        };
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Calls with a proper key; `path` may have a query of its own.
    pub(crate) async fn call(
        &self,
        caller: Option<&Caller>,
        method: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> Reply {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/qrs/{path}{mark}xrfkey={KEY}"))
            .header("X-Qlik-Xrfkey", KEY)
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap();
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller.clone());
        }
        self.send(request).await
    }

    pub(crate) async fn get(&self, caller: &Caller, path: &str) -> Reply {
        self.call(Some(caller), "GET", path, Body::empty()).await
    }

    pub(crate) async fn post(&self, caller: &Caller, path: &str, body: &Value) -> Reply {
        self.call(Some(caller), "POST", path, body.to_string()).await
    }

    pub(crate) async fn put(&self, caller: &Caller, path: &str, body: &Value) -> Reply {
        self.call(Some(caller), "PUT", path, body.to_string()).await
    }

    pub(crate) async fn delete(&self, caller: &Caller, path: &str) -> Reply {
        self.call(Some(caller), "DELETE", path, Body::empty()).await
    }
}

impl Reply {
    /// The id of what was made.
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {self:?}")).to_owned()
    }

    /// The names in a list.
    pub(crate) fn names(&self) -> Vec<String> {
        let rows = self.body.as_array().unwrap_or_else(|| panic!("no list in {self:?}"));
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }
}
