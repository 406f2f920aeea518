//! Tickets: a login module that we trust has recognised somebody and gets, for a minute, a word
//! that the person's browser can show once.

use std::collections::HashMap;
use std::net::IpAddr;

use loggia_model::{Moment, VirtualProxyId};
use parking_lot::Mutex;
use thiserror::Error;

use crate::address::AddressBlock;
use crate::pending::{Pending, PendingLimits};
use crate::scheme::Person;
use crate::secret::NoRandomness;

/// The tickets of this server that nobody has shown yet, and the addresses that login modules send
/// people back to.
#[derive(Debug)]
pub struct Tickets {
    tickets: Pending<Ticket>,
    targets: Pending<ReturnAddress>,
    misses: Mutex<HashMap<AddressBlock, Misses>>,
}

#[derive(Debug)]
struct Ticket {
    entrance: VirtualProxyId,
    person: Person,
}

#[derive(Debug)]
struct ReturnAddress {
    entrance: VirtualProxyId,
    uri: String,
}

#[derive(Debug)]
struct Misses {
    count: u32,
    since: Moment,
}

/// Why a ticket lets nobody in. The messages are for the log; a browser is never told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TicketError {
    #[error("the ticket was never issued for this entrance, was used, or has expired")]
    Unknown,
    #[error("one address showed many wrong tickets; it is not heard for a while")]
    TooMany,
}

/// How long a ticket is good (`spec/access.md` §2.7).
pub const TICKET_MILLIS: i64 = 60_000;
/// Tickets at a time. One caller issues them all, so there is no smaller bound per address.
const MOST_TICKETS: usize = 100_000;
/// Wrong tickets that one address may show within [`MISS_MILLIS`]. Nobody guesses 128 bits; this
/// keeps the log and the machine from those who try.
const MOST_MISSES: u32 = 30;
const MISS_MILLIS: i64 = 60_000;
const MOST_ADDRESSES: usize = 20_000;

impl Default for Tickets {
    fn default() -> Tickets {
        let limits = PendingLimits {
            lifetime_millis: TICKET_MILLIS,
            in_total: MOST_TICKETS,
            per_address: MOST_TICKETS,
        };
        Tickets {
            tickets: Pending::new(limits),
            targets: Pending::default(),
            misses: Mutex::default(),
        }
    }
}

impl Tickets {
    /// A ticket that lets `person` in at this entrance.
    pub fn issue(
        &self,
        entrance: VirtualProxyId,
        person: Person,
        now: Moment,
    ) -> Result<String, NoRandomness> {
        self.tickets.put(Ticket { entrance, person }, None, None, now)
    }

    /// Whom the ticket lets in at this entrance. It is worth nothing afterwards.
    pub fn redeem(
        &self,
        ticket: &str,
        entrance: VirtualProxyId,
        address: IpAddr,
        now: Moment,
    ) -> Result<Person, TicketError> {
        let block = AddressBlock::from(address);
        let mut misses = self.misses.lock();
        if misses.get(&block).is_some_and(|missed| missed.is_forgotten(now)) {
            misses.remove(&block);
        }
        if misses.get(&block).is_some_and(|missed| missed.count >= MOST_MISSES) {
            return Err(TicketError::TooMany);
        }
        let is_for_here = |ticket: &Ticket| ticket.entrance == entrance;
        if let Some(ticket) = self.tickets.take_if(ticket, None, now, is_for_here) {
            return Ok(ticket.person);
        }
        if misses.len() >= MOST_ADDRESSES {
            misses.retain(|_, missed| !missed.is_forgotten(now));
        }
        if misses.len() < MOST_ADDRESSES || misses.contains_key(&block) {
            misses.entry(block).or_insert(Misses { count: 0, since: now }).count += 1;
        }
        Err(TicketError::Unknown)
    }

    /// Keeps the address that somebody asked for while a login module looks after them; gives the
    /// `targetId`.
    pub fn keep_target(
        &self,
        entrance: VirtualProxyId,
        uri: String,
        address: IpAddr,
        now: Moment,
    ) -> Result<String, NoRandomness> {
        self.targets.put(ReturnAddress { entrance, uri }, None, Some(address), now)
    }

    /// The address that a `targetId` of this entrance stands for. A module may ask again, such as
    /// when somebody typed a wrong password first.
    #[must_use]
    pub fn target(&self, target: &str, entrance: VirtualProxyId, now: Moment) -> Option<String> {
        self.targets
            .peek(target, None, now, |kept| (kept.entrance == entrance).then(|| kept.uri.clone()))
            .flatten()
    }
}

impl Misses {
    fn is_forgotten(&self, now: Moment) -> bool {
        now.millis_since(self.since) >= MISS_MILLIS
    }
}

#[cfg(test)]
mod tests {
    use loggia_model::UserKey;
    use uuid::Uuid;

    use super::*;

    const HERE: VirtualProxyId = VirtualProxyId(Uuid::from_u128(1));
    const ELSEWHERE: VirtualProxyId = VirtualProxyId(Uuid::from_u128(2));

    fn ana() -> Person {
        let key = UserKey::new("ACME", "ana").unwrap();
        Person { id: None, key, name: String::new(), attributes: Vec::new() }
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_ticket_is_good_once_at_its_entrance_for_a_minute() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(HERE, ana(), Moment(0)).unwrap();
        assert_eq!(ticket.len(), 32);
        let redeem = |ticket: &str, entrance, now| {
            tickets.redeem(ticket, entrance, from(1), Moment(now)).map(|person| person.key)
        };
        assert_eq!(redeem(&ticket, ELSEWHERE, 1), Err(TicketError::Unknown));
        assert_eq!(redeem(&ticket, HERE, 1), Ok(ana().key));
        assert_eq!(redeem(&ticket, HERE, 1), Err(TicketError::Unknown), "a replay");
        let late = tickets.issue(HERE, ana(), Moment(0)).unwrap();
        assert_eq!(redeem(&late, HERE, TICKET_MILLIS), Err(TicketError::Unknown));
        for wrong in ["", "x", &"0".repeat(32), &"f".repeat(100_000)] {
            assert_eq!(redeem(wrong, HERE, 2), Err(TicketError::Unknown));
        }
    }

    #[test]
    fn who_guesses_is_not_heard_for_a_while_and_others_are() {
        let tickets = Tickets::default();
        let guess = |now| tickets.redeem(&"0".repeat(32), HERE, from(1), Moment(now)).unwrap_err();
        for _ in 0..MOST_MISSES {
            assert_eq!(guess(0), TicketError::Unknown);
        }
        assert_eq!(guess(0), TicketError::TooMany);
        let ticket = tickets.issue(HERE, ana(), Moment(0)).unwrap();
        let guesser = tickets.redeem(&ticket, HERE, from(1), Moment(1));
        assert_eq!(guesser.unwrap_err(), TicketError::TooMany);
        assert!(tickets.redeem(&ticket, HERE, from(2), Moment(1)).is_ok());
        assert_eq!(guess(MISS_MILLIS), TicketError::Unknown);
    }

    #[test]
    fn a_target_is_found_by_its_own_entrance_for_ten_minutes() {
        let tickets = Tickets::default();
        let uri = "https://hub.example/portal/hub".to_owned();
        let target = tickets.keep_target(HERE, uri.clone(), from(1), Moment(0)).unwrap();
        assert_eq!(tickets.target(&target, HERE, Moment(1)), Some(uri.clone()));
        assert_eq!(tickets.target(&target, HERE, Moment(2)), Some(uri));
        assert_eq!(tickets.target(&target, ELSEWHERE, Moment(2)), None);
        assert_eq!(tickets.target(&target, HERE, Moment(600_000)), None);
    }
}
