//! What happened? The events of `spec/access.md` §8.2 and those about the trail itself.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use loggia_model::{AppId, Caller, Moment, SessionId};
use serde_json::{Map, Value};

/// Something that happened, as whoever saw it tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub kind: Kind,
    pub time: Moment,
    /// Binds the events of one act together: the reference of a refusal, for example.
    pub correlation: String,
    /// The node that saw it; the trail fills it in.
    pub node: String,
    /// `DIRECTORY\id`; empty where nobody is known yet.
    pub principal: String,
    pub is_anonymous: bool,
    /// The public name of the session, never what its cookie carries.
    pub session: Option<SessionId>,
    /// Prefix of the virtual proxy.
    pub entrance: String,
    pub app: Option<AppId>,
    pub address: Option<IpAddr>,
    /// What else there is to say; never a secret.
    pub details: Map<String, Value>,
    /// What is forgotten together with the address: forwarded chains, full user agents.
    pub personal: Map<String, Value>,
}

/// How an event is treated when it cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Changes and looks of administrators: not done unless recorded.
    Management,
    /// Denials: answered as unavailable unless recorded.
    Refusal,
    /// Sessions that begin and end.
    Session,
    /// Apps and sheets that are looked at.
    Visit,
    /// Units and seats that are taken and given back.
    Licence,
    /// Data that leaves the house.
    Data,
}

macro_rules! kinds {
    ($($name:ident $text:literal $class:ident;)*) => {
        /// The kinds of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];

            /// The kind as the trail, exports and filters write it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$name => $text,)* }
            }

            #[must_use]
            pub fn class(self) -> Class {
                match self { $(Kind::$name => Class::$class,)* }
            }
        }
    };
}

kinds! {
    SessionStart "session.start" Session;
    SessionEnd "session.end" Session;
    SessionUpgrade "session.upgrade" Session;
    SessionDenied "session.denied" Refusal;
    LicenceTaken "licence.taken" Licence;
    LicenceReleased "licence.released" Licence;
    LicenceDenied "licence.denied" Refusal;
    LicenceQuarantined "licence.quarantined" Licence;
    LicenceReinstated "licence.reinstated" Licence;
    LicenceReturned "licence.returned" Licence;
    LicenceAlert "licence.alert" Licence;
    LicenceChanged "licence.changed" Management;
    AppOpen "app.open" Visit;
    AppClose "app.close" Visit;
    ObjectView "object.view" Visit;
    DataExport "data.export" Data;
    RuleCreated "rule.created" Management;
    RuleChanged "rule.changed" Management;
    RuleDisabled "rule.disabled" Management;
    RuleDeleted "rule.deleted" Management;
    ProxyChanged "vp.changed" Management;
    ServiceChanged "proxy.changed" Management;
    DirectoryChanged "directory.changed" Management;
    UserRoleChanged "user.role_changed" Management;
    UserPasswordChanged "user.password_changed" Management;
    UserBlocked "user.blocked" Management;
    UserDeleted "user.deleted" Management;
    AdminLogin "admin.login" Management;
    AdminSessionEnded "admin.session_ended" Management;
    AdminAuditRun "admin.audit_run" Management;
    AdminTrailRead "admin.trail_read" Data;
    TrailOpened "audit.opened" Session;
    TrailClosed "audit.closed" Session;
    TrailLost "audit.lost" Session;
    TrailPruned "audit.pruned" Management;
    TrailForgotten "audit.forgotten" Management;
}

impl Class {
    /// Whether what happens must not go on unrecorded.
    #[must_use]
    pub fn fails_closed(self) -> bool {
        matches!(self, Class::Management | Class::Refusal)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Management => "management",
            Class::Refusal => "refusal",
            Class::Session => "session",
            Class::Visit => "visit",
            Class::Licence => "licence",
            Class::Data => "data",
        }
    }
}

impl FromStr for Class {
    type Err = ();

    fn from_str(text: &str) -> Result<Class, ()> {
        [
            Class::Management,
            Class::Refusal,
            Class::Session,
            Class::Visit,
            Class::Licence,
            Class::Data,
        ]
        .into_iter()
        .find(|class| class.as_str() == text)
        .ok_or(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Kind, ()> {
        Kind::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(())
    }
}

impl Event {
    /// An event of which only kind and time are known.
    #[must_use]
    pub fn new(kind: Kind, time: Moment) -> Event {
        Event {
            kind,
            time,
            correlation: String::new(),
            node: String::new(),
            principal: String::new(),
            is_anonymous: false,
            session: None,
            entrance: String::new(),
            app: None,
            address: None,
            details: Map::new(),
            personal: Map::new(),
        }
    }

    /// Something that this caller did.
    #[must_use]
    pub fn by(caller: &Caller, kind: Kind, time: Moment) -> Event {
        Event {
            principal: caller.principal.to_string(),
            is_anonymous: caller.is_anonymous(),
            session: caller.session,
            entrance: caller.environment.virtual_proxy.to_string(),
            address: caller.environment.ip,
            ..Event::new(kind, time)
        }
    }

    #[must_use]
    pub fn class(&self) -> Class {
        self.kind.class()
    }

    #[must_use]
    pub fn about(mut self, app: AppId) -> Event {
        self.app = Some(app);
        self
    }

    /// Adds one detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Event {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds something that is forgotten together with the address.
    #[must_use]
    pub fn personal(mut self, name: &str, value: impl Into<Value>) -> Event {
        self.personal.insert(name.to_owned(), value.into());
        self
    }

    /// Binds it to the events of the same act.
    #[must_use]
    pub fn correlated(mut self, correlation: impl Into<String>) -> Event {
        self.correlation = correlation.into();
        self
    }

    /// The same without anything that says where somebody was.
    #[must_use]
    pub fn without_address(mut self) -> Event {
        self.address = None;
        self.personal.clear();
        self
    }
}
