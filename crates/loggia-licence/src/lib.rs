//! Licence pools, who may draw from them, and what a visit costs.
