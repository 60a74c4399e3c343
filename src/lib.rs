//! cellblock: declare a network in one YAML file, get it as VNET jails wired by netgraph.
//!
//! ```text
//! topology file --> topology --> model --> graph --> plan --> engine --> doors --> kernel
//!   (YAML)          decode+spans  resolved  petgraph   steps   one trait   ngsock, netlink, ioctl, jail_set
//!                                                                  real: sys/   in memory: sim/
//! ```

pub mod abi;
pub mod checks;
pub mod cli;
pub mod commands;
pub mod diagnostic;
pub mod engine;
pub mod export;
pub mod graph;
pub mod lab;
pub mod model;
pub mod netlink;
pub mod output;
pub mod plan;
pub mod sim;
pub mod terminal;
pub mod topology;
