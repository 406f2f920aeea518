//! Why was somebody refused? A [`Refusal`] carries the code and reference that the visitor reads
//! and the finding that only the log and administrators read. It is logged once, where it is made.

mod words;

use std::fmt;
use std::net::IpAddr;

use loggia_licence::UtcOffset;
use loggia_model::{AppId, Caller, Moment, Prefix, SessionId};
use uuid::Uuid;

pub use words::Words;

/// The stable codes of `spec/access.md` §3.9 and our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// No kind of access applies.
    LicNone,
    /// A rule admits, but the pool is used up.
    LicEmpty,
    /// The visitor is anonymous and no pool serves visitors.
    LicAnonKind,
    /// Too many sessions of one person.
    LicSessions,
    /// Visitors of one address have drawn as much as they may for now.
    LicAddress,
    /// The account is blocked, inactive or gone.
    AccInactive,
    /// No rule grants it, or a rule forbids it.
    RuleDenied,
    /// No node may open the app.
    NodeNone,
    SesTimeout,
    SesOut,
    /// The entrance admits no visitors.
    EntLogin,
    /// There is no such entrance.
    EntUnknown,
    /// The entrance has as many visitors as it may have.
    EntFull,
    /// It cannot be recorded that somebody was refused, or did what must be recorded.
    AuditBlocked,
}

/// Which of the five gates refused (`design.md` §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gate {
    Edge,
    Entrance,
    Account,
    Licence,
    Rules,
}

/// One refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: Code,
    pub gate: Gate,
    pub time: Moment,
    /// Six characters that lead from the visitor's page to the log line.
    pub reference: String,
    /// `DIRECTORY\id`.
    pub principal: String,
    pub is_anonymous: bool,
    pub session: Option<SessionId>,
    pub address: Option<IpAddr>,
    pub entrance: Prefix,
    pub app: Option<AppId>,
    /// What was found, in full. Never shown to a visitor.
    pub finding: String,
    /// The decision of the rules as JSON in one line, bounded in size: rules that grant and
    /// forbid, and what stood in the way. Never shown to a visitor.
    pub explanation: Option<String>,
    /// When trying again makes sense, if that is known.
    pub renews: Option<Moment>,
    /// Names of the pools that are used up. Never shown to a visitor.
    pub pools: Vec<String>,
    /// The site's clock, by which moments are told.
    pub offset: UtcOffset,
    /// Site version the decision was taken on.
    pub version: u64,
}

impl Code {
    /// The code as pages, answers and logs show it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::LicNone => "LIC-NONE",
            Code::LicEmpty => "LIC-EMPTY",
            Code::LicAnonKind => "LIC-ANON-KIND",
            Code::LicSessions => "LIC-SESSIONS",
            Code::LicAddress => "LIC-ADDRESS",
            Code::AccInactive => "ACC-INACTIVE",
            Code::RuleDenied => "RULE-DENIED",
            Code::NodeNone => "NODE-NONE",
            Code::SesTimeout => "SES-TIMEOUT",
            Code::SesOut => "SES-OUT",
            Code::EntLogin => "ENT-LOGIN",
            Code::EntUnknown => "ENT-UNKNOWN",
            Code::EntFull => "ENT-FULL",
            Code::AuditBlocked => "AUDIT-BLOCKED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Gate {
    /// The gate's number, 1 to 5.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Gate::Edge => 1,
            Gate::Entrance => 2,
            Gate::Account => 3,
            Gate::Licence => 4,
            Gate::Rules => 5,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Gate::Edge => "edge",
            Gate::Entrance => "entrance",
            Gate::Account => "account",
            Gate::Licence => "licence",
            Gate::Rules => "rules",
        }
    }
}

impl Refusal {
    /// A refusal with a fresh reference, not yet logged.
    #[must_use]
    pub fn new(caller: &Caller, now: Moment, version: u64, gate: Gate, code: Code) -> Refusal {
        Refusal {
            code,
            gate,
            time: now,
            reference: reference(),
            principal: caller.principal.to_string(),
            is_anonymous: caller.is_anonymous(),
            session: caller.session,
            address: caller.environment.ip,
            entrance: caller.environment.virtual_proxy.clone(),
            app: None,
            finding: String::new(),
            explanation: None,
            renews: None,
            pools: Vec::new(),
            offset: UtcOffset::UTC,
            version,
        }
    }

    #[must_use]
    pub fn about(mut self, app: AppId) -> Refusal {
        self.app = Some(app);
        self
    }

    #[must_use]
    pub fn found(mut self, finding: impl Into<String>) -> Refusal {
        self.finding = finding.into();
        self
    }

    #[must_use]
    pub fn explained(mut self, explanation: String) -> Refusal {
        self.explanation = Some(explanation);
        self
    }

    /// Writes the one log line of this refusal.
    pub(crate) fn log(&self) {
        let app = self.app.map(|app| app.text());
        tracing::info!(
            target: "loggia::refusal",
            code = self.code.as_str(),
            gate = self.gate.as_str(),
            principal = self.principal,
            entrance = self.entrance.as_str(),
            app,
            reference = self.reference,
            version = self.version,
            explanation = self.explanation,
            "refused {} at the {} gate: {}",
            self.principal,
            self.gate.as_str(),
            self.finding,
        );
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {} (reference {})", self.code, self.reference)
    }
}

/// Six characters without look-alikes: about a thousand million references.
fn reference() -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let random = Uuid::new_v4().into_bytes();
    random
        .iter()
        .take(6)
        .filter_map(|byte| ALPHABET.get(usize::from(byte & 31)).copied().map(char::from))
        .collect()
}
