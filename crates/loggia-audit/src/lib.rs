//! The audit trail's words and arithmetic: what an [`Event`] is, how events become [`Row`]s of a
//! chain in which nothing can be changed unnoticed ([`Verifier`]), and how rows leave the house
//! ([`export`]).
//!
//! A row's hash covers its number, the hash of the row before and everything that is said in it.
//! Addresses are the exception: the law wants them forgotten after a while. The hash covers only a
//! salted commitment of them, so that the address and its salt can be erased and the chain still
//! holds; the network stands under a commitment of its own and stays readable.
//!
//! ```
//! use loggia_audit::{Entry, Event, Head, Kind, Verifier};
//! use loggia_model::Moment;
//!
//! let event = Event::new(Kind::SessionStart, Moment(0)).with("method", "form");
//! let mut head = Head::default();
//! let row = Entry::new(event, &mut || [7; 16]).chained(&mut head);
//! let mut verifier = Verifier::new(&Head::default());
//! verifier.look(&row);
//! assert!(verifier.finish(&head, None).is_whole());
//! ```
//!
//! Deliberately absent: storage, queues, clocks and randomness; salts and times are given.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test that cannot go on should stop"
    )
)]

mod chain;
mod event;
pub mod export;
mod verify;

pub use chain::{Commitment, Entry, Head, Key, MOST_DETAILS, Row, network_of};
pub use event::{Class, Event, Kind};
pub use verify::{Fault, FaultKind, Verdict, Verifier};
