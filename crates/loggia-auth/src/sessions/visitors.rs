//! How many visitors an entrance takes, and which of them are one: counted by entrance and address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use loggia_model::{Moment, Principal, VirtualProxyId, VisitorId};

use crate::address::AddressBlock;
use crate::secret::{SessionHash, SessionSecret, random_uuid};
use crate::session::Session;
use crate::sessions::{BeginError, Begun, NewSession, Sessions, Times};

/// How many visitors an entrance takes at a time.
#[derive(Clone, Copy, Debug)]
pub struct VisitorCaps {
    pub in_total: u32,
    pub per_address: u32,
}

/// Requests with one dead cookie within this time become one visitor: a laptop that wakes up
/// replays its old cookie on every open page at once.
const BURST_MILLIS: i64 = 10_000;
const MOST_BURSTS: usize = 10_000;
#[derive(Default)]
pub(super) struct VisitorCounts {
    total: u32,
    by_address: HashMap<AddressBlock, u32>,
}

/// The same dead cookie from another address is another browser, and never shares a session.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct BurstKey {
    presented: SessionHash,
    entrance: VirtualProxyId,
    address: AddressBlock,
}

pub(super) struct Burst {
    session: Weak<Session>,
    begun: Moment,
}

impl Sessions {
    /// Begins a session for a visitor, within the entrance's caps.
    pub fn begin_visitor(
        &self,
        entrance: VirtualProxyId,
        times: Times,
        address: Option<IpAddr>,
        caps: VisitorCaps,
        now: Moment,
    ) -> Result<Begun, BeginError> {
        let principal = Principal::Anonymous(VisitorId(random_uuid()?));
        {
            // Checked and counted under one lock, so that a crowd cannot overrun the caps.
            let mut visitors = self.shared.visitors.lock();
            let counts = visitors.entry(entrance).or_default();
            counts.check(address, caps)?;
            counts.add(address);
        }
        let new = NewSession {
            address,
            lifetime_minutes: times.lifetime_minutes,
            ..NewSession::new(entrance, principal, times.inactivity_minutes)
        };
        self.start(new, now)
    }

    /// The visitor that requests with this same dead cookie have become within the last seconds,
    /// or a new one. The secret is given once only: the other requests of the burst need none,
    /// since the browser gets it with the first answer.
    pub fn begin_visitor_for(
        &self,
        presented: &SessionSecret,
        entrance: VirtualProxyId,
        times: Times,
        address: Option<IpAddr>,
        caps: VisitorCaps,
        now: Moment,
    ) -> Result<(Option<SessionSecret>, Arc<Session>), BeginError> {
        let key = BurstKey {
            presented: presented.hash(),
            entrance,
            address: address.map_or_else(AddressBlock::unknown, AddressBlock::from),
        };
        let is_fresh = |burst: &Burst| {
            now.millis_since(burst.begun) < BURST_MILLIS && burst.session.strong_count() > 0
        };
        // Held until the session exists, so that two requests of a burst cannot both begin one.
        let mut bursts = self.shared.bursts.lock();
        if let Some(session) =
            bursts.get(&key).filter(|burst| is_fresh(burst)).and_then(|b| b.session.upgrade())
            && session.end().is_none()
        {
            return Ok((None, session));
        }
        let begun = self.begin_visitor(entrance, times, address, caps, now)?;
        if bursts.len() >= MOST_BURSTS {
            bursts.retain(|_, burst| is_fresh(burst));
        }
        if bursts.len() < MOST_BURSTS {
            bursts.insert(key, Burst { session: Arc::downgrade(&begun.session), begun: now });
        }
        Ok((Some(begun.secret), begun.session))
    }

    /// Counts a session that begins or is brought back, if it is a visitor's.
    pub(super) fn count_in(
        &self,
        principal: &Principal,
        entrance: VirtualProxyId,
        address: Option<IpAddr>,
    ) {
        if matches!(principal, Principal::Anonymous(_)) {
            self.shared.visitors.lock().entry(entrance).or_default().add(address);
        }
    }

    /// Makes room for another visitor where this session was one's.
    pub(super) fn count_out(&self, session: &Session) {
        if !session.is_anonymous() {
            return;
        }
        if let Some(counts) = self.shared.visitors.lock().get_mut(&session.entrance) {
            counts.remove(session.address);
        }
    }
}

impl VisitorCounts {
    fn check(&self, address: Option<IpAddr>, caps: VisitorCaps) -> Result<(), BeginError> {
        if self.total >= caps.in_total {
            return Err(BeginError::Full(self.total));
        }
        let block = address.map_or_else(AddressBlock::unknown, AddressBlock::from);
        match self.by_address.get(&block) {
            Some(&count) if count >= caps.per_address => Err(BeginError::FullForAddress(count)),
            _ => Ok(()),
        }
    }

    fn add(&mut self, address: Option<IpAddr>) {
        self.total = self.total.saturating_add(1);
        let block = address.map_or_else(AddressBlock::unknown, AddressBlock::from);
        let count = self.by_address.entry(block).or_default();
        *count = count.saturating_add(1);
    }

    fn remove(&mut self, address: Option<IpAddr>) {
        self.total = self.total.saturating_sub(1);
        let block = address.map_or_else(AddressBlock::unknown, AddressBlock::from);
        if let Some(count) = self.by_address.get_mut(&block) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_address.remove(&block);
            }
        }
    }
}
