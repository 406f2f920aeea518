//! The lines of the ledger: what was drawn from a pool, and what became of seats.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use loggia_model::entity::PoolKind;
use loggia_model::{AppId, DeviceHash, Moment, PoolId, SessionId, UserId, VisitorId};
use thiserror::Error;

/// One line of the ledger. Lines are appended, never changed; what a pool has left, and who has a
/// seat, follows from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Two lines with one key are one line: the second is not stored.
    pub key: String,
    pub kind: LineKind,
    /// When it was written.
    pub moment: Moment,
    pub pool: PoolId,
    pub pool_kind: PoolKind,
    /// Whose clock it runs on, or whose seat it is about; none for lines about the pool as a whole.
    pub meter: Option<MeterKey>,
    /// `DIRECTORY\id`, for the operator's reading.
    pub principal: String,
    pub app: Option<AppId>,
    pub session: Option<SessionId>,
    pub entrance: String,
    pub address: Option<IpAddr>,
    pub device: Option<DeviceHash>,
    pub from: Moment,
    /// The end of a unit, pass or quarantine; none for a seat, which is held until it is taken
    /// away.
    pub until: Option<Moment>,
    /// Minutes, passes or seats drawn; for an alert the percentage.
    pub units: u64,
    /// Who did it by hand, as `DIRECTORY\id`; empty where a rule or the clock did.
    pub actor: String,
    pub reason: String,
}

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineKind {
    /// A unit, a pass or a seat was drawn.
    Taken,
    /// A seat was used, written once a day.
    Used,
    /// A seat was taken away and stays out of the pool until the line ends.
    Quarantined,
    /// The person in quarantine has the seat again.
    Reinstated,
    /// A seat was taken away and is back in the pool.
    Released,
    /// A pool has been drawn up to so many per cent, written once a month.
    Alert,
}

/// Who holds what a pool hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HolderKey {
    User(UserId),
    /// An anonymous visitor: the session's own id, or the one in a visitor cookie that outlives it.
    Visitor(VisitorId),
}

/// Whose clock runs: one unit serves one device, one pass or seat serves one holder everywhere.
///
/// Its text form is what the ledger stores with each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeterKey {
    pub holder: HolderKey,
    /// For units of a known person: each of their devices runs a unit of its own.
    pub device: Option<Device>,
}

/// One of a person's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    Known(DeviceHash),
    /// Where nothing tells devices apart, each browser session is one.
    Session(SessionId),
}

/// A text that names no meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a meter of the ledger")]
pub struct MeterError;

impl LineKind {
    pub const ALL: [LineKind; 6] = [
        LineKind::Taken,
        LineKind::Used,
        LineKind::Quarantined,
        LineKind::Reinstated,
        LineKind::Released,
        LineKind::Alert,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LineKind::Taken => "taken",
            LineKind::Used => "used",
            LineKind::Quarantined => "quarantined",
            LineKind::Reinstated => "reinstated",
            LineKind::Released => "released",
            LineKind::Alert => "alert",
        }
    }
}

impl Line {
    /// A line without app, session, entrance, address and device.
    #[must_use]
    pub fn new(
        key: String,
        kind: LineKind,
        (pool, pool_kind): (PoolId, PoolKind),
        now: Moment,
    ) -> Line {
        Line {
            key,
            kind,
            moment: now,
            pool,
            pool_kind,
            meter: None,
            principal: String::new(),
            app: None,
            session: None,
            entrance: String::new(),
            address: None,
            device: None,
            from: now,
            until: None,
            units: 0,
            actor: String::new(),
            reason: String::new(),
        }
    }

    #[must_use]
    pub fn is_of_visitor(&self) -> bool {
        self.meter.is_some_and(|meter| meter.holder.is_anonymous())
    }
}

/// What counts as one address: whoever has an IPv6 address has a whole `/64` of them.
#[must_use]
pub fn address_block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

impl HolderKey {
    #[must_use]
    pub fn is_anonymous(self) -> bool {
        matches!(self, HolderKey::Visitor(_))
    }

    #[must_use]
    pub fn user(self) -> Option<UserId> {
        match self {
            HolderKey::User(user) => Some(user),
            HolderKey::Visitor(_) => None,
        }
    }
}

impl MeterKey {
    /// The meter of whatever follows its holder around.
    #[must_use]
    pub fn of(holder: HolderKey) -> MeterKey {
        MeterKey { holder, device: None }
    }
}

impl fmt::Display for HolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HolderKey::User(id) => write!(f, "user:{id}"),
            HolderKey::Visitor(id) => write!(f, "visitor:{id}"),
        }
    }
}

impl fmt::Display for MeterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device {
            Some(Device::Known(device)) => write!(f, "{}/device:{device}", self.holder),
            Some(Device::Session(session)) => write!(f, "{}/session:{session}", self.holder),
            None => self.holder.fmt(f),
        }
    }
}

impl FromStr for MeterKey {
    type Err = MeterError;

    fn from_str(text: &str) -> Result<MeterKey, MeterError> {
        let (holder, device) = match text.split_once('/') {
            Some((holder, device)) => (holder, Some(device)),
            None => (text, None),
        };
        let holder = match holder.split_once(':') {
            Some(("user", id)) => HolderKey::User(id.parse().map_err(|_| MeterError)?),
            Some(("visitor", id)) => HolderKey::Visitor(id.parse().map_err(|_| MeterError)?),
            _ => return Err(MeterError),
        };
        let device = match device.map(|device| device.split_once(':')) {
            None => None,
            Some(Some(("device", hash))) => {
                Some(Device::Known(hash.parse().map_err(|_| MeterError)?))
            }
            Some(Some(("session", id))) => {
                Some(Device::Session(id.parse().map_err(|_| MeterError)?))
            }
            Some(_) => return Err(MeterError),
        };
        Ok(MeterKey { holder, device })
    }
}
