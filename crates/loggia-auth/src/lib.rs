//! Who is calling: sign-in schemes and sessions.
