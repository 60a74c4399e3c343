//! ngctl(8): looks at netgraph and changes it. The base tool's commands, options, output and exit statuses; and
//! `--sim`, which talks to a simulated kernel on any system. A few things are better: see `app`.
//!
//! ```text
//! cargo run -p ngsock --example ngctl -- --sim types
//! cargo run -p ngsock --example ngctl -- --sim=/path/to/state -j office list
//! ```

mod app;
#[path = "../kernel/mod.rs"]
mod kernel;

use std::io::{IsTerminal as _, stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1).map(std::ffi::OsString::into_encoded_bytes).collect::<Vec<_>>();
    let mut streams = app::Streams {
        input: &mut stdin().lock(),
        out: &mut stdout().lock(),
        err: &mut std::io::stderr().lock(),
        is_terminal: stdin().is_terminal() && stdout().is_terminal(),
    };
    ExitCode::from(app::run(&arguments, &mut streams))
}
