//! Who is asking: every use case takes a [`Caller`] first. Anonymous is a kind of caller, never a
//! missing one, and so is the server itself.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Prefix, SessionId, UserId, UserKey, VisitorId};

/// The person, visitor or internal account behind a request, and where the request came from.
///
/// A caller carries identity only. Roles, attributes and custom properties are read from the site
/// snapshot at each decision, so that a change takes effect on open sockets as well.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    pub principal: Principal,
    /// Hub or console: rules are bound to one or both.
    pub context: RequestContext,
    pub environment: Environment,
    /// The session the request belongs to; none for internal work and command lines.
    pub session: Option<SessionId>,
}

/// The three kinds of identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Principal {
    /// Somebody who has not signed in. Only the proxy makes one.
    Anonymous(VisitorId),
    /// A known person.
    User { id: UserId, key: UserKey },
    /// The server's own work.
    Internal(InternalAccount),
}

/// Accounts of directory `INTERNAL` (`spec/access.md` §1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InternalAccount {
    Repository,
    Engine,
    Scheduler,
}

/// What part of the product a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RequestContext {
    /// Hub and app traffic: `AppAccess` in rules.
    Hub,
    /// Management traffic: `ManagementAccess` in rules.
    Console,
}

/// Environment attributes of a request (`spec/access.md` §1.5), read in rules as
/// `user.environment.<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    pub ip: Option<IpAddr>,
    /// `Windows`, `Linux`, `macOS X` or `Unknown`.
    pub os: String,
    /// `iPhone`, `iPad` or `Default`.
    pub device: String,
    /// `Chrome`, `Firefox`, `Safari`, `MSIE` or `Unknown`, then a space and the version.
    pub browser: String,
    pub is_secure: bool,
    /// Prefix of the virtual proxy that the request came through.
    pub virtual_proxy: Prefix,
    /// `Http`, `WebSocket` or `Api`.
    pub request_type: String,
    /// Session attributes of the sign-in (ticket, token), name and value, repeatable.
    pub attributes: Vec<(String, String)>,
}

/// Most sessions of one person in which apps are open at a time.
pub const PARALLEL_SESSIONS: u32 = 5;

/// Why a session ended while sockets were open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionEnd {
    /// The person logged out, here or in another tab.
    LoggedOut,
    /// No activity for the entrance's inactivity timeout.
    TimedOut,
    /// An administrator, or a change of the entrance, ended it.
    Closed,
    /// The visitor signed in: a user session took its place.
    Upgraded,
}

impl Caller {
    /// The server itself, doing `account`'s work.
    #[must_use]
    pub fn internal(account: InternalAccount) -> Caller {
        Caller {
            principal: Principal::Internal(account),
            context: RequestContext::Console,
            environment: Environment::default(),
            session: None,
        }
    }

    /// A visitor in the hub, as the anonymous check and tests need one.
    #[must_use]
    pub fn visitor(visitor: VisitorId, environment: Environment) -> Caller {
        Caller {
            principal: Principal::Anonymous(visitor),
            context: RequestContext::Hub,
            environment,
            session: None,
        }
    }

    /// A known person in the hub.
    #[must_use]
    pub fn user(id: UserId, key: UserKey, environment: Environment) -> Caller {
        Caller {
            principal: Principal::User { id, key },
            context: RequestContext::Hub,
            environment,
            session: None,
        }
    }

    /// The same caller asking from the console.
    #[must_use]
    pub fn in_console(mut self) -> Caller {
        self.context = RequestContext::Console;
        self
    }

    /// Whether this is a visitor who has not signed in. Only the proxy's own flag counts, never a
    /// directory name that came from outside.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.principal, Principal::Anonymous(_))
    }
}

impl Principal {
    /// The user directory: `NONE` for visitors, `INTERNAL` for the server.
    #[must_use]
    pub fn directory(&self) -> &str {
        match self {
            Principal::Anonymous(_) => UserKey::ANONYMOUS_DIRECTORY,
            Principal::User { key, .. } => key.directory(),
            Principal::Internal(_) => UserKey::INTERNAL_DIRECTORY,
        }
    }

    /// The id within the directory: `anonymous<guid>` for visitors.
    #[must_use]
    pub fn user_id(&self) -> String {
        match self {
            Principal::Anonymous(visitor) => format!("anonymous{visitor}"),
            Principal::User { key, .. } => key.id().to_owned(),
            Principal::Internal(account) => account.user_id().to_owned(),
        }
    }
}

impl fmt::Display for Principal {
    /// `DIRECTORY\id`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\\{}", self.directory(), self.user_id())
    }
}

impl InternalAccount {
    /// The account's id within `INTERNAL`.
    #[must_use]
    pub fn user_id(self) -> &'static str {
        match self {
            InternalAccount::Repository => "sa_repository",
            InternalAccount::Engine => "sa_engine",
            InternalAccount::Scheduler => "sa_scheduler",
        }
    }
}
