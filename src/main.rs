//! The command line: arguments to command to exit code.

fn main() {}
