//! The load script: parse, plan and run it into engine tables.
