//! One session for a client that brings its credential with each request and keeps no cookies.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use loggia_model::{UserId, VirtualProxyId};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::address::AddressBlock;
use crate::secret::SessionSecret;
use crate::session::Session;
use crate::sessions::{BeginError, Begun};

/// The sessions that were begun by a credential in a request, by who sent it.
///
/// Unlike [`crate::Sessions`] this keeps the secrets, in memory only: a browser that shows the same
/// credential in a second window without cookies must get the cookie too, since it cannot send the
/// credential with a socket.
#[derive(Default)]
pub struct Merging {
    known: Mutex<HashMap<Sender, Known>>,
}

/// A client as far as its requests can tell it from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    entrance: VirtualProxyId,
    user: UserId,
    block: AddressBlock,
    /// Of the session attributes and the client's own description.
    digest: [u8; 32],
}

struct Known {
    session: Weak<Session>,
    secret: SessionSecret,
}

const MOST: usize = 100_000;

impl Sender {
    /// The sender of a credential that says this about the user. What else a token says, such as
    /// until when it is good, does not count: a renewed token goes on with the session.
    #[must_use]
    pub fn new(
        entrance: VirtualProxyId,
        user: UserId,
        address: IpAddr,
        attributes: &[(String, String)],
        agent: &[u8],
    ) -> Sender {
        let mut hasher = Sha256::new();
        for text in attributes.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
        {
            hasher.update(text.len().to_le_bytes());
            hasher.update(text);
        }
        hasher.update(agent);
        let digest = hasher.finalize().into();
        Sender { entrance, user, block: AddressBlock::from(address), digest }
    }
}

impl Merging {
    /// The living session of this sender, or the one that `begin` begins.
    pub fn session(
        &self,
        sender: Sender,
        begin: impl FnOnce() -> Result<Begun, BeginError>,
    ) -> Result<Begun, BeginError> {
        // Held while the session is begun, so that two requests at once do not begin two.
        let mut known = self.known.lock();
        if let Some(found) = known.get(&sender)
            && let Some(session) = found.session.upgrade()
            && session.end().is_none()
        {
            return Ok(Begun { secret: found.secret.clone(), session });
        }
        let begun = begin()?;
        if known.len() >= MOST {
            known.retain(|_, known| known.session.strong_count() > 0);
        }
        if known.len() < MOST {
            let session = Arc::downgrade(&begun.session);
            known.insert(sender, Known { session, secret: begun.secret.clone() });
        }
        Ok(begun)
    }
}

impl fmt::Debug for Merging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Merging({} senders)", self.known.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use loggia_model::{Moment, Principal, SessionEnd, UserKey};
    use uuid::Uuid;

    use super::*;
    use crate::sessions::{NewSession, Sessions};

    #[test]
    fn a_client_without_cookies_has_one_session_until_that_ends() {
        let (entrance, user) = (VirtualProxyId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let sessions = Sessions::in_memory();
        let merging = Merging::default();
        let key = UserKey::new("ACME", "ana").unwrap();
        let come = |address: [u8; 4], group: &str, agent: &str| {
            let attributes = [("group".to_owned(), group.to_owned())];
            let address = IpAddr::from(address);
            let sender = Sender::new(entrance, user, address, &attributes, agent.as_bytes());
            let principal = Principal::User { id: user, key: key.clone() };
            let begin = || sessions.begin(NewSession::new(entrance, principal, 30), Moment(0));
            merging.session(sender, begin).unwrap()
        };
        let first = come([192, 0, 2, 1], "staff", "curl");
        for _ in 0..100 {
            assert_eq!(come([192, 0, 2, 1], "staff", "curl").session.id, first.session.id);
        }
        for other in [
            come([192, 0, 2, 2], "staff", "curl"),
            come([192, 0, 2, 1], "guests", "curl"),
            come([192, 0, 2, 1], "staff", "python"),
        ] {
            assert_ne!(other.session.id, first.session.id);
        }
        assert_eq!(sessions.count(), 4);
        sessions.end(&first.session, SessionEnd::LoggedOut);
        assert_ne!(come([192, 0, 2, 1], "staff", "curl").session.id, first.session.id);
    }
}
