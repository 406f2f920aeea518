//! Who is calling: sign-in schemes and the sessions they begin.
//!
//! A session is known to the outside only by a random secret in a cookie; the server keeps the
//! secret's SHA-256 and nothing else of it. Visitors who have not signed in have sessions too.
//!
//! What is left out: cookies, headers and pages (`loggia-proxy`), and what a session may do
//! (`loggia-repository`). Read [`Sessions`] first, then [`Scheme`] and [`Passwords`].
//!
//! ```
//! use loggia_auth::{NewSession, Sessions};
//! use loggia_model::{Moment, Principal, SessionEnd, VirtualProxyId, VisitorId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = Sessions::in_memory();
//! let entrance = VirtualProxyId(uuid::Uuid::nil());
//! let visitor = Principal::Anonymous(VisitorId(uuid::Uuid::nil()));
//! let begun = sessions.begin(NewSession::new(entrance, visitor, 30), Moment(0))?;
//!
//! let cookie = begun.secret.reveal();
//! let found = sessions.find(&cookie, entrance, Moment(1_000)).expect("it was just begun");
//! let told = found.watch();
//! sessions.end(&found, SessionEnd::LoggedOut);
//! assert_eq!(*told.borrow(), Some(SessionEnd::LoggedOut));
//! assert!(sessions.find(&cookie, entrance, Moment(1_000)).is_none());
//! # Ok(())
//! # }
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a failed expectation is how a test reports"
    )
)]

pub mod address;
pub mod attempts;
pub mod header;
pub mod jwt;
pub mod ldap;
pub mod limiter;
pub mod merging;
pub mod oidc;
pub mod outside;
pub mod password;
pub mod pending;
pub mod people;
pub mod persist;
pub mod proof;
#[cfg(feature = "saml")]
pub mod saml;
pub mod scheme;
pub mod secret;
pub mod session;
pub mod sessions;
pub mod ticket;
pub mod visitor_cookie;

pub use address::AddressBlock;
pub use attempts::{Attempts, AttemptsRefused};
pub use header::{HeaderError, HeaderForm, person_of_header};
pub use jwt::{JwtError, JwtKeys, KeyError, KeySource, Tokens};
pub use ldap::LdapError;
pub use limiter::{Draw, Limit, Limiter, Wait};
pub use merging::{Merging, Sender};
pub use oidc::{OidcClients, OidcError};
pub use outside::{AllowedHost, AllowedHostError, Credentials, Outside, OutsideError};
pub use password::{PasswordError, Passwords};
pub use pending::{Pending, PendingLimits};
pub use people::Place;
pub use persist::{Changes, SessionRow, SessionStore, SessionStoreError};
pub use proof::{Proof, SamlSubject};
pub use scheme::form::{Credential, CredentialSource, FormScheme};
pub use scheme::ldap::{DirectoryPeople, LdapScheme};
pub use scheme::{Answer, Person, Scheme, SignIn, SignInFailure, sign_in};
pub use secret::{
    CsrfToken, NoRandomness, SessionHash, SessionSecret, random_reference, random_token,
    random_uuid,
};
pub use session::Session;
pub use sessions::{BeginError, Begun, NewSession, Sessions, Times, VisitorCaps};
pub use ticket::{TICKET_MILLIS, TicketError, Tickets};
pub use visitor_cookie::{VisitorKey, VisitorMark};
