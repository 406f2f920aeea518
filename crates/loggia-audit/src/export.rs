//! In what shapes do rows leave the house?
