//! A user directory: where people are looked up, and taken over from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entity::Stamp;
use crate::{Moment, UserDirectoryId};

/// An LDAP server or Active Directory, and how its people become users here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDirectory {
    pub id: UserDirectoryId,
    /// The user directory of its people: the first part of `CORP\ana`.
    pub name: String,
    pub kind: DirectoryKind,
    /// `ldap://` or `ldaps://` addresses, asked in this order until one answers.
    pub urls: Vec<String>,
    /// Whether a plain connection turns to TLS before anything is said on it.
    pub start_tls: bool,
    /// Whether passwords may travel unencrypted beyond this machine.
    pub allow_plain: bool,
    /// PEM certificates of the authorities that are believed; empty for those of the system.
    pub authority: String,
    /// Who looks people up; empty for nobody in particular.
    pub bind_dn: String,
    pub bind_password: Hidden,
    pub base_dn: String,
    pub user_filter: String,
    pub user_id: String,
    pub user_name: String,
    pub email: String,
    /// What stays the same when somebody is renamed: `entryUUID`, `objectGUID`.
    pub external_id: String,
    /// Further attributes that become directory attributes of the same name.
    pub attributes: Vec<String>,
    pub groups: GroupSettings,
    pub page_size: u32,
    /// Seconds that one answer may take.
    pub timeout_seconds: u32,
    pub schedule: SyncSchedule,
    /// Only people who have been here before are kept in step; nobody is added.
    pub only_existing: bool,
    /// Whether people prove who they are by their password there.
    pub signs_in: bool,
    /// Whether somebody who types a name without a directory is looked for here.
    pub is_default: bool,
    pub last_sync: Option<SyncOutcome>,
    pub tags: Vec<String>,
    pub stamp: Stamp,
}

/// What the server is, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DirectoryKind {
    Generic,
    ActiveDirectory,
}

/// How a person's groups are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSettings {
    /// Where groups are; empty for no groups.
    pub base_dn: String,
    pub filter: String,
    /// The group's attribute that names its members: their DNs, or their user ids where it is
    /// `memberUid`.
    pub member: String,
    pub name: String,
    /// How many groups inside groups are followed: 1 is only the groups a person is in directly.
    pub depth: u32,
}

/// When a directory's people are brought up to date without anybody asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncSchedule {
    #[default]
    Off,
    EveryMinutes(u32),
    /// Once a day, in the hour of this number (UTC).
    DailyAt(u8),
}

/// How the last synchronisation went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncOutcome {
    pub started: Moment,
    pub ended: Moment,
    pub is_ok: bool,
    /// When one last went well, this one included.
    pub last_success: Option<Moment>,
    pub added: u64,
    pub changed: u64,
    pub deactivated: u64,
    /// People who could not be taken over; `message` tells of the first ones.
    pub failed: u64,
    pub message: String,
}

/// Where a user was taken over from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    pub directory: UserDirectoryId,
    /// The person's unchanging id there.
    pub id: String,
    /// Whether the directory no longer has the person.
    pub is_removed: bool,
}

/// Somebody as a directory describes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryPerson {
    pub user_id: String,
    /// Display name; empty where the directory has none.
    pub name: String,
    /// What does not change when the person is renamed; empty where the directory has nothing.
    pub external_id: String,
    /// Groups, e-mail addresses and whatever else is taken over.
    pub attributes: Vec<(String, String)>,
}

/// Everybody whom a directory has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryListing {
    pub people: Vec<DirectoryPerson>,
    /// Entries that are no usable person: their unchanging ids, where they have one, and why.
    pub unusable: Vec<(String, String)>,
}

/// One step of looking whether a directory can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckStep {
    pub name: &'static str,
    pub is_ok: bool,
    pub finding: String,
}

/// A secret that is kept: its text goes into the store and nowhere else.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl SyncSchedule {
    /// Whether it is time, `last` being the beginning of the last synchronisation.
    #[must_use]
    pub fn is_due(self, last: Option<Moment>, now: Moment) -> bool {
        const HOUR: i64 = 3_600_000;
        match self {
            SyncSchedule::Off => false,
            SyncSchedule::EveryMinutes(minutes) => {
                last.is_none_or(|last| now >= last.plus_minutes(i64::from(minutes)))
            }
            SyncSchedule::DailyAt(hour) => {
                let day = now.0.div_euclid(24 * HOUR) * 24 * HOUR;
                let today = day + i64::from(hour) * HOUR;
                // Before today's hour it is yesterday's that counts: the server may have been off.
                let latest = if now.0 >= today { today } else { today - 24 * HOUR };
                last.is_none_or(|last| last.0 < latest)
            }
        }
    }
}

impl Hidden {
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Hidden {
        Hidden(secret.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Hidden(none)" } else { "Hidden(…)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_due_once_per_round_and_makes_up_for_what_it_missed() {
        let minute = |n: i64| Moment(n * 60_000);
        let day = |d: i64, hour: i64| minute((d * 24 + hour) * 60);
        let every = SyncSchedule::EveryMinutes(30);
        let daily = SyncSchedule::DailyAt(3);
        for (schedule, last, now, is_due) in [
            (SyncSchedule::Off, None, minute(0), false),
            (every, None, minute(0), true),
            (every, Some(minute(0)), minute(29), false),
            (every, Some(minute(0)), minute(30), true),
            (daily, None, day(9, 2), true),
            (daily, Some(day(9, 3)), day(9, 4), false),
            (daily, Some(day(9, 3)), day(10, 2), false),
            (daily, Some(day(9, 3)), day(10, 3), true),
            (daily, Some(day(7, 3)), day(9, 2), true),
        ] {
            assert_eq!(schedule.is_due(last, now), is_due, "{schedule:?} {last:?} {now:?}");
        }
    }

    #[test]
    fn a_hidden_text_does_not_show() {
        assert!(!format!("{:?}", Hidden::new("secret")).contains("secret"));
    }
}
