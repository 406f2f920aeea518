//! What is somebody told who was refused? The same words on pages, in answers to programs and on
//! sockets: true, and never the name of anything that a visitor may not know.

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use loggia_licence::UtcOffset;
use loggia_model::Moment;

use super::{Code, Refusal};

/// A refusal in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub title: &'static str,
    pub text: String,
}

impl Refusal {
    /// The refusal in words for its reader. People who signed in also read which pool is used up;
    /// visitors never read a name.
    #[must_use]
    pub fn words(&self, is_visitor: bool) -> Words {
        let (title, text): (_, String) = match self.code {
            Code::LicNone => (
                "No access to apps",
                "No licence of this hub covers your visit. Ask its administrator for access."
                    .into(),
            ),
            Code::LicAnonKind => (
                "No access for visitors",
                "Opening apps needs a licence, and no licence of this hub is for visitors.".into(),
            ),
            Code::LicEmpty => ("No capacity left", self.used_up(is_visitor)),
            Code::LicSessions => (
                "Too many sessions",
                match self.renews {
                    None => "Apps are open in five other sessions of yours: other browsers, \
                             devices or entrances. Log out in one of them, or end them all from \
                             here."
                        .into(),
                    Some(renews) => format!(
                        "Apps were open in five other sessions of yours until a short while ago. \
                         A place is free again {}.",
                        self.at(renews)
                    ),
                },
            ),
            Code::LicAddress => (
                "Many visitors from your network",
                match self.renews {
                    None => "Visitors of your network have opened as much as one network may \
                             within an hour. Please come back later."
                        .into(),
                    Some(renews) => format!(
                        "Visitors of your network have opened as much as one network may within \
                         an hour. Come back {}.",
                        self.at(renews)
                    ),
                },
            ),
            Code::AccInactive => (
                "Account not active",
                "Your account is not active. Ask the administrator to activate it.".into(),
            ),
            Code::RuleDenied => (
                "Not available",
                if is_visitor {
                    "There is nothing at this address, or it is not shared with visitors.".into()
                } else {
                    "There is nothing at this address, or it is not shared with you.".into()
                },
            ),
            Code::NodeNone => (
                "No engine for this app",
                "No engine of this hub may open this app. Ask its administrator.".into(),
            ),
            Code::SesTimeout => {
                ("Session ended", "Your session ended because nothing happened for a while.".into())
            }
            Code::SesOut => ("Logged out", "You have been logged out.".into()),
            Code::EntLogin => ("Log in first", "This entrance asks everyone to log in.".into()),
            Code::EntUnknown => (
                "No such entrance",
                "This hub has no entrance of that name. Check the address.".into(),
            ),
            Code::EntFull => (
                "Many visitors",
                "As many visitors as this entrance takes are here. Please come back later.".into(),
            ),
            Code::AuditBlocked => {
                ("Not now", "This hub cannot do that at the moment. Please try again later.".into())
            }
        };
        Words { title, text }
    }

    fn used_up(&self, is_visitor: bool) -> String {
        let mut text = "The capacity for opening apps is used up".to_owned();
        if !is_visitor && !self.pools.is_empty() {
            let names: Vec<_> = self.pools.iter().map(|name| format!("{name:?}")).collect();
            text.push_str(&format!(" ({})", names.join(", ")));
        }
        match self.renews {
            Some(renews) => text.push_str(&format!(". Come back {}.", self.at(renews))),
            None => text.push_str(", and none of it comes back by itself. Ask the administrator."),
        }
        text
    }

    /// "on 1 December 2026 at 00:00 UTC", or "at 14:32 UTC" where that is today.
    fn at(&self, moment: Moment) -> String {
        match (local(moment, self.offset), local(self.time, self.offset)) {
            (Some(there), Some(here)) => {
                let zone = zone(self.offset);
                if there.date() == here.date() {
                    format!("at {} {zone}", there.strftime("%H:%M"))
                } else {
                    format!("on {} {zone}", there.strftime("%-d %B %Y at %H:%M"))
                }
            }
            _ => "later".to_owned(),
        }
    }
}

/// The moment by the site's clock, at the next full minute: coming back earlier would be in vain.
fn local(moment: Moment, offset: UtcOffset) -> Option<jiff::civil::DateTime> {
    let minute = moment.0.checked_add(59_999)?.div_euclid(60_000).checked_mul(60_000)?;
    let shift = SignedDuration::from_mins(i64::from(offset.minutes));
    let shifted = Timestamp::from_millisecond(minute).ok()?.checked_add(shift).ok()?;
    Some(Offset::UTC.to_datetime(shifted))
}

fn zone(offset: UtcOffset) -> String {
    let (sign, minutes) = (if offset.minutes < 0 { '-' } else { '+' }, offset.minutes.abs());
    match minutes {
        0 => "UTC".to_owned(),
        _ => format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use loggia_model::{Caller, Environment, VisitorId};
    use uuid::Uuid;

    use super::*;
    use crate::refusal::Gate;

    const CODES: [Code; 14] = [
        Code::LicNone,
        Code::LicEmpty,
        Code::LicAnonKind,
        Code::LicSessions,
        Code::LicAddress,
        Code::AccInactive,
        Code::RuleDenied,
        Code::NodeNone,
        Code::SesTimeout,
        Code::SesOut,
        Code::EntLogin,
        Code::EntUnknown,
        Code::EntFull,
        Code::AuditBlocked,
    ];

    /// 2026-11-24T14:30:00Z
    const NOW: Moment = Moment(1_795_530_600_000);

    fn refused(code: Code) -> Refusal {
        let caller = Caller::visitor(VisitorId(Uuid::nil()), Environment::default());
        let mut refusal = Refusal::new(&caller, NOW, 7, Gate::Licence, code)
            .found("used up: \"Secret budget\"; rule \"Board only\"");
        refusal.pools = vec!["Secret budget".into()];
        refusal
    }

    #[test]
    fn visitors_read_no_name_whatever_the_code() {
        for code in CODES {
            let words = refused(code).words(true);
            for secret in ["Secret budget", "Board only", "rule \"", "pool"] {
                assert!(!words.text.contains(secret), "{code}: {}", words.text);
            }
            assert!(!words.title.is_empty() && words.text.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn who_comes_too_late_is_told_when_to_come_back() {
        let mut refusal = refused(Code::LicEmpty);
        let mut said = Vec::new();
        said.push(refusal.words(true).text);
        // The first of December by the clock of the site, which is an hour ahead.
        refusal.renews = Some(Moment(1_796_079_600_000));
        said.push(refusal.words(true).text);
        refusal.offset = UtcOffset { minutes: 60 };
        said.push(refusal.words(true).text);
        said.push(refusal.words(false).text);
        // A pass comes back in the same afternoon, within the minute.
        refusal.renews = Some(Moment(NOW.0 + 90 * 60_000 + 1));
        said.push(refusal.words(true).text);
        expect![[r#"
            The capacity for opening apps is used up, and none of it comes back by itself. Ask the administrator.
            The capacity for opening apps is used up. Come back on 30 November 2026 at 23:00 UTC.
            The capacity for opening apps is used up. Come back on 1 December 2026 at 00:00 UTC+01:00.
            The capacity for opening apps is used up ("Secret budget"). Come back on 1 December 2026 at 00:00 UTC+01:00.
            The capacity for opening apps is used up. Come back at 17:01 UTC+01:00."#]]
        .assert_eq(&said.join("\n"));
    }
}
