//! The whole server in process: port 0, a folder of its own, people and visitors as handles.

mod apart;
mod attacks;
mod configuring;
mod crowds;
mod demo;
mod directories;
mod edge;
mod entrances;
mod explaining;
mod exposing;
mod floods;
mod headers;
mod limits;
mod login_module;
mod oidc;
mod programs;
mod providers;
mod reach;
mod requirements;
mod rows;
#[cfg(feature = "saml")]
mod saml;
mod secrets;
mod sessions;
mod signing_in;
mod slapd;
mod support;
mod sweep;
mod telling;
mod tickets;
mod tokens;
mod trail;
mod visitors;
