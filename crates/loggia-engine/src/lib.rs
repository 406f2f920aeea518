//! The associative engine: columns, associations, selections, expressions, hypercubes.
