//! Ids: one type per kind of thing, so that an app is never mistaken for a stream.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// A text that is no id. It does not repeat the text, which may be hostile and long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an id; write 36 characters such as aaec8d41-5201-43ab-809f-3063750dfafd")]
pub struct IdError;

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
            type Err = IdError;

            /// Accepts any letter case; refuses everything that is not a hyphenated GUID.
            fn from_str(text: &str) -> Result<$name, IdError> {
                // `Uuid` alone would also take braces, URNs and 32 bare digits.
                if text.len() != 36 {
                    return Err(IdError);
                }
                Uuid::parse_str(text).map($name).map_err(|_| IdError)
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
    /// A proxy service: what one node listens with.
    ProxyServiceId;
    /// A user directory that people are taken over from.
    UserDirectoryId;
    /// A licence pool.
    PoolId;
    /// A node: one machine that opens apps.
    NodeId;
    /// The public name of a session in logs and lists. It is not the secret that a cookie carries.
    SessionId;
    /// The identity of one anonymous session: the GUID in `NONE\anonymous<guid>`.
    VisitorId;
}

/// What tells one device of a person from another: a hash, never what it was made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceHash(pub u64);

impl fmt::Display for DeviceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for DeviceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceHash({self})")
    }
}

impl FromStr for DeviceHash {
    type Err = IdError;

    /// Accepts what `Display` writes: 16 hexadecimal digits.
    fn from_str(text: &str) -> Result<DeviceHash, IdError> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return Err(IdError);
        }
        u64::from_str_radix(text, 16).map(DeviceHash).map_err(|_| IdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hyphenated_guids_in_any_letter_case() {
        let id: StreamId = "AAEC8D41-5201-43AB-809F-3063750DFAFD".parse().unwrap();
        assert_eq!(id.text(), "aaec8d41-5201-43ab-809f-3063750dfafd");
        for bad in
            ["", "x", "aaec8d41520143ab809f3063750dfafd", "{aaec8d41-5201-43ab-809f-3063750dfaf}"]
        {
            assert_eq!(bad.parse::<StreamId>(), Err(IdError));
        }
    }
}
