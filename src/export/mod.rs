//! Labs in the words of other tools.

mod jail_conf;

pub use jail_conf::{ExportError, jail_conf};
