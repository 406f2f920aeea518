//! Is the trail whole, and if not, where was it touched?

use std::fmt;

use crate::chain::{Commitment, Head, Key, Row};

/// Looks at rows from the oldest to the newest.
pub struct Verifier {
    forgotten: u64,
    expected: u64,
    previous: [u8; 32],
    rows: u64,
    faults: Vec<Fault>,
    count: u64,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the row.
    pub place: u64,
    pub kind: FaultKind,
}

/// In what way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Rows from `place` up to this one are missing.
    Missing { to: u64 },
    /// What the row says is not what its hash covers.
    Changed,
    /// The row does not follow the one before it: one of the two was put in, moved or replaced.
    Apart,
    /// An address, or what goes with it, is not what was written.
    PersonalChanged,
    /// An address was erased that the trail's retention has not forgotten.
    PersonalErased,
    /// The row comes after the end of the chain.
    Surplus,
    /// The ends of the chain do not bear the site's seal.
    Unsealed,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Rows that were looked at.
    pub rows: u64,
    /// The first faults, by place.
    pub faults: Vec<Fault>,
    /// All faults.
    pub count: u64,
    /// Whether the seal was checked; without the key nobody can tell who made the chain.
    pub is_sealed: bool,
}

/// Most faults that are listed.
const MOST_FAULTS: usize = 100;

impl Verifier {
    /// Begins behind the rows that were pruned. `start` is the head as stored.
    #[must_use]
    pub fn new(start: &Head) -> Verifier {
        Verifier {
            expected: start.pruned.saturating_add(1),
            previous: start.pruned_hash,
            forgotten: start.forgotten,
            rows: 0,
            faults: Vec::new(),
            count: 0,
        }
    }

    /// Looks at the next row.
    pub fn look(&mut self, row: &Row) {
        self.rows += 1;
        if row.number > self.expected {
            self.fault(self.expected, FaultKind::Missing { to: row.number - 1 });
        } else if row.previous != self.previous || row.number < self.expected {
            self.fault(row.number, FaultKind::Apart);
        }
        if row.content_hash() != row.hash {
            self.fault(row.number, FaultKind::Changed);
        }
        for commitment in [&row.entry.network, &row.entry.personal].into_iter().flatten() {
            if !commitment.holds() {
                self.fault(row.number, FaultKind::PersonalChanged);
            }
        }
        let is_erased = |commitment: &Option<Commitment>| {
            commitment.as_ref().is_some_and(|commitment| commitment.opening.is_none())
        };
        let is_due = row.number <= self.forgotten;
        if is_erased(&row.entry.network) || (is_erased(&row.entry.personal) && !is_due) {
            self.fault(row.number, FaultKind::PersonalErased);
        }
        self.expected = row.number.saturating_add(1);
        self.previous = row.hash;
    }

    /// Compares the end of the rows with the end that was stored.
    #[must_use]
    pub fn finish(mut self, head: &Head, key: Option<&Key>) -> Verdict {
        let last = self.expected.saturating_sub(1);
        if last < head.number {
            self.fault(self.expected, FaultKind::Missing { to: head.number });
        } else if last > head.number {
            self.fault(head.number.saturating_add(1), FaultKind::Surplus);
        } else if self.previous != head.hash {
            self.fault(last, FaultKind::Apart);
        }
        if key.is_some_and(|key| !head.is_sealed_by(key)) {
            self.fault(head.number, FaultKind::Unsealed);
        }
        Verdict {
            rows: self.rows,
            faults: self.faults,
            count: self.count,
            is_sealed: key.is_some(),
        }
    }

    fn fault(&mut self, place: u64, kind: FaultKind) {
        self.count += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { place, kind });
        }
    }
}

impl Verdict {
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place;
        match self.kind {
            FaultKind::Missing { to } if to == place => write!(f, "row {place} is missing"),
            FaultKind::Missing { to } => write!(f, "rows {place} to {to} are missing"),
            FaultKind::Changed => write!(f, "row {place} was changed"),
            FaultKind::Apart => {
                write!(f, "row {place} does not follow the row before it: one was put in or moved")
            }
            FaultKind::PersonalChanged => write!(f, "the address of row {place} was changed"),
            FaultKind::PersonalErased => {
                write!(f, "the address of row {place} was erased, and not by retention")
            }
            FaultKind::Surplus => write!(f, "row {place} and later ones were put in at the end"),
            FaultKind::Unsealed => {
                write!(f, "the end of the trail (row {place}) does not bear this site's seal")
            }
        }
    }
}
