//! How the REST interface behaves, in one binary.

mod fixture;
mod requests;
mod requirements;
mod strangers;
