//! Serial dates: days since 1899-12-30 with the time as fraction.
