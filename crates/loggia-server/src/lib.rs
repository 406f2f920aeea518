//! The `loggia` binary as a library: command line, settings, wiring, the built web UI.
//!
//! [`serve::start`] opens the store, restores sessions and listens; [`front::Front`] leads each
//! request through the entrance (`loggia-proxy`) to the page, interface or socket it is for. Here
//! are the only places that read the clock, the environment and files that people name.
//!
//! What is left out: every decision. Who may what is asked of `loggia-repository`, who is asking
//! is found out by `loggia-proxy`.

pub mod cli;
pub mod settings;

mod adapters;
pub mod authority;
mod body;
mod clock;
mod commands;
mod connection;
mod demo;
mod directories;
mod examine;
mod explain;
pub mod front;
mod hub_bodies;
mod hub_frames;
mod licences;
pub mod listen;
mod live;
pub mod log_lines;
mod operator;
mod pages;
mod private_file;
mod ranged;
mod redirecting;
#[cfg(feature = "saml")]
mod saml;
pub mod serve;
mod sharing;
mod shipped;
mod socket;
pub mod tls;
mod trail;
mod trusted;
mod visits;
mod web;
