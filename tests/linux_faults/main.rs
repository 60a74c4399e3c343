//! What goes wrong with labs on Linux, on the kernel that this test runs on, in namespaces of the test's own: an error, or death, at every
//! call; things deleted, moved and taken behind our back. Nothing is left, and nothing of others is touched.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(target_os = "linux")]
mod faults;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    faults::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
