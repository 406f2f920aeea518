//! The engine as its users see it: tables in, selections made, charts and lists out.

mod bounds;
mod files;
mod kit;
mod oracle;
mod scenarios;
