//! The engine JSON-RPC interface: sessions, method table, wire types.
