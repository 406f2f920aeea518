//! Conversations with the engine interface as clients hold them.

mod access;
mod bounds;
mod charts;
mod frames;
mod limits;
mod objects;
mod resume;
mod selections;
mod sharing;
mod site;
