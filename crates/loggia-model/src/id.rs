//! Ids: one type per kind of thing, so that an app is never mistaken for a stream.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id written as 36 lower-case characters with hyphens.
            pub fn text(&self) -> String {
                self.0.hyphenated().to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            /// Accepts any letter case; refuses everything that is not a hyphenated GUID.
            fn from_str(text: &str) -> Result<$name, uuid::Error> {
                if text.len() != 36 {
                    // `Uuid` alone would also take braces, URNs and 32 bare digits.
                    return Err(Uuid::parse_str("-").err().unwrap_or_else(|| {
                        unreachable!("a single hyphen is never a GUID")
                    }));
                }
                Uuid::parse_str(text).map($name)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> $name {
                $name(id)
            }
        }
    )*};
}

ids! {
    /// An app.
    AppId;
    /// A stream: a named container of published apps.
    StreamId;
    /// A user row of the repository (not the directory's own id, see [`crate::UserKey`]).
    UserId;
    /// A sheet, bookmark or other object inside an app.
    ObjectId;
    /// A security or licence rule.
    RuleId;
    /// A virtual proxy.
    VirtualProxyId;
    /// A licence pool.
    PoolId;
    /// The public name of a session in logs and lists. It is not the secret that a cookie carries.
    SessionId;
    /// The identity of one anonymous session: the GUID in `NONE\anonymous<guid>`.
    VisitorId;
}
