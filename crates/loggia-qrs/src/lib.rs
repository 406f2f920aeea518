//! The repository REST interface: wire types and handlers.
