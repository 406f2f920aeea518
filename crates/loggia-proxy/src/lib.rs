//! Entrances: canonical paths, virtual proxies, anonymous modes, sign-in and the pages around it.
//!
//! A request passes the [`framing`] scanner byte by byte, the [`edge`], the choice of an entrance
//! and [`route`], and [`admit`]; only then does anything else see it. Each of these is a function
//! from values to values. What drives them with sessions and the site is [`Proxy`].
//!
//! What is left out: sockets and listeners (`loggia-server`), what a caller may see or do
//! (`loggia-repository`), and whether a credential is good (`loggia-auth`).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a failed expectation is how a test reports"
    )
)]

pub mod admit;
pub mod agent;
mod changes;
pub mod cookie;
mod credential;
pub mod edge;
mod forwarded;
pub mod framing;
pub mod headers;
pub mod host;
mod method;
mod ours;
pub mod page;
pub mod problem;
mod proxy;
pub mod qps;
mod sign_in;
mod trail;
mod waiting;

pub use method::saml::Saml;
pub use proxy::{Entered, Guest, Ingredients, OnUpgrade, Passage, Proxy, redirect};
pub use sign_in::{json_response, written_json};
pub mod path;
pub mod query;
pub mod route;
pub mod target;
