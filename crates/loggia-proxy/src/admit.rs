//! The second gate: may this request go on, as whom, or must its sender sign in first? The
//! decision tables of `spec/access.md` §2.4 and §2.5 as one function.

use loggia_model::entity::AnonymousMode;

use crate::route::Need;

/// What the session cookie of this entrance says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// No cookie, or one that stands for no living session.
    Nothing,
    Visitor,
    User,
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go on with the session presented.
    Use,
    /// Go on without anybody.
    Nobody,
    /// Begin a session for a visitor and go on with it.
    BeginVisitor,
    /// End the session presented, whose kind the entrance no longer takes, and begin a visitor's.
    ReplaceByVisitor,
    /// Lead the browser to the login page, and back afterwards.
    SignIn,
    /// Lead the browser to the identity provider, which may show nothing, and back afterwards.
    TrySilently,
    /// Answer that the caller must sign in.
    Unauthenticated,
    /// Open the socket only to say that the caller must sign in.
    TellSocket,
}

/// A request as the tables see it.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub need: Need,
    /// GET or HEAD: only these can be led elsewhere and come back.
    pub is_get: bool,
    /// The query has `forceAuthentication=yes`.
    pub forces_sign_in: bool,
    /// Single sign-on can be tried without showing anything, and was not tried before.
    pub can_try_silently: bool,
}

/// Decides.
#[must_use]
pub fn admit(mode: AnonymousMode, presented: Presented, ask: Ask) -> Admission {
    if mode == AnonymousMode::SilentFirst {
        let is_page = ask.need == Need::Page && ask.is_get && !ask.forces_sign_in;
        if presented == Presented::Nothing && is_page && ask.can_try_silently {
            return Admission::TrySilently;
        }
    }
    match (mode, presented) {
        (AnonymousMode::Always, Presented::User) => {
            if ask.need == Need::Nobody {
                Admission::Nobody
            } else {
                Admission::ReplaceByVisitor
            }
        }
        (_, Presented::User) => Admission::Use,
        (AnonymousMode::Always, Presented::Visitor) => Admission::Use,
        (AnonymousMode::Allowed | AnonymousMode::SilentFirst, Presented::Visitor) => {
            if ask.forces_sign_in && ask.need != Need::Nobody {
                sign_in(ask)
            } else {
                Admission::Use
            }
        }
        // A visitor's session of a time when visitors were admitted counts for nothing.
        (AnonymousMode::Never, Presented::Nothing | Presented::Visitor) => {
            if ask.need == Need::Nobody { Admission::Nobody } else { sign_in(ask) }
        }
        (_, Presented::Nothing) if ask.need == Need::Nobody => Admission::Nobody,
        (AnonymousMode::Allowed | AnonymousMode::SilentFirst, Presented::Nothing)
            if ask.forces_sign_in =>
        {
            sign_in(ask)
        }
        (_, Presented::Nothing) => Admission::BeginVisitor,
    }
}

fn sign_in(ask: Ask) -> Admission {
    match ask.need {
        Need::Socket => Admission::TellSocket,
        Need::Page if ask.is_get => Admission::SignIn,
        _ => Admission::Unauthenticated,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;

    use super::*;

    #[test]
    fn the_three_modes_against_everything_that_can_be_presented() {
        let mut table = String::new();
        for (label, need, is_get, forces_sign_in) in [
            ("GET page", Need::Page, true, false),
            ("GET page, forceAuthentication", Need::Page, true, true),
            ("POST page", Need::Page, false, false),
            ("GET rest", Need::Caller, true, false),
            ("POST rest", Need::Caller, false, false),
            ("socket", Need::Socket, true, false),
            ("GET rest, forceAuthentication", Need::Caller, true, true),
            ("asset", Need::Nobody, true, false),
        ] {
            writeln!(table, "{label}").unwrap();
            for mode in [
                AnonymousMode::Never,
                AnonymousMode::Allowed,
                AnonymousMode::Always,
                AnonymousMode::SilentFirst,
            ] {
                let outcome = |presented| {
                    let can_try_silently = true;
                    let ask = Ask { need, is_get, forces_sign_in, can_try_silently };
                    format!("{:?}", admit(mode, presented, ask))
                };
                writeln!(
                    table,
                    "  {:11} none {:16} visitor {:16} user {}",
                    format!("{mode:?}"),
                    outcome(Presented::Nothing),
                    outcome(Presented::Visitor),
                    outcome(Presented::User)
                )
                .unwrap();
            }
        }
        expect![[r#"
            GET page
              Never       none SignIn           visitor SignIn           user Use
              Allowed     none BeginVisitor     visitor Use              user Use
              Always      none BeginVisitor     visitor Use              user ReplaceByVisitor
              SilentFirst none TrySilently      visitor Use              user Use
            GET page, forceAuthentication
              Never       none SignIn           visitor SignIn           user Use
              Allowed     none SignIn           visitor SignIn           user Use
              Always      none BeginVisitor     visitor Use              user ReplaceByVisitor
              SilentFirst none SignIn           visitor SignIn           user Use
            POST page
              Never       none Unauthenticated  visitor Unauthenticated  user Use
              Allowed     none BeginVisitor     visitor Use              user Use
              Always      none BeginVisitor     visitor Use              user ReplaceByVisitor
              SilentFirst none BeginVisitor     visitor Use              user Use
            GET rest
              Never       none Unauthenticated  visitor Unauthenticated  user Use
              Allowed     none BeginVisitor     visitor Use              user Use
              Always      none BeginVisitor     visitor Use              user ReplaceByVisitor
              SilentFirst none BeginVisitor     visitor Use              user Use
            POST rest
              Never       none Unauthenticated  visitor Unauthenticated  user Use
              Allowed     none BeginVisitor     visitor Use              user Use
              Always      none BeginVisitor     visitor Use              user ReplaceByVisitor
              SilentFirst none BeginVisitor     visitor Use              user Use
            socket
              Never       none TellSocket       visitor TellSocket       user Use
              Allowed     none BeginVisitor     visitor Use              user Use
              Always      none BeginVisitor     visitor Use              user ReplaceByVisitor
              SilentFirst none BeginVisitor     visitor Use              user Use
            GET rest, forceAuthentication
              Never       none Unauthenticated  visitor Unauthenticated  user Use
              Allowed     none Unauthenticated  visitor Unauthenticated  user Use
              Always      none BeginVisitor     visitor Use              user ReplaceByVisitor
              SilentFirst none Unauthenticated  visitor Unauthenticated  user Use
            asset
              Never       none Nobody           visitor Nobody           user Use
              Allowed     none Nobody           visitor Use              user Use
              Always      none Nobody           visitor Use              user Nobody
              SilentFirst none Nobody           visitor Use              user Use
        "#]]
        .assert_eq(&table);
    }
}
