//! How the REST interface behaves, in one binary.

mod fixture;
mod requests;
mod requirements;
mod share;
mod strangers;
