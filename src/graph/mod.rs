//! The graph of kernel objects: what exists because of what.

pub mod dot;
