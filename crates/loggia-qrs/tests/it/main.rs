//! How the REST interface behaves, in one binary.

mod audit;
mod entrances;
mod fixture;
mod impact;
mod licences;
mod requests;
mod requirements;
mod share;
mod strangers;
