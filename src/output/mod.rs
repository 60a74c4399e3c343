//! The only writers to standard output and standard error.

pub mod diagnostic;
pub mod json;
pub mod junit;
pub mod printer;
pub mod status;
pub mod table;
pub mod yaml;

pub use printer::{Printer, Verbosity};
pub use status::{Failure, Findings, Status, amount};
