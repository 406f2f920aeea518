//! What visits cost, in the operator's terms. The module [`house`] keeps a ledger and a clock.

mod conservation;
mod house;
mod order;
mod passes;
mod seats;
mod shares;
mod units;
