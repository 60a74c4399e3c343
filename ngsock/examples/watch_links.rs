//! Watches the links of ng_bridge nodes: frames and octets per second, from `NGM_BRIDGE_GET_STATS` at an interval.
//!
//! ```text
//! watch_links [--sim[=STATE]] [-j JAIL] [-i SECONDS] [-c COUNT] [BRIDGE]
//! cargo run -p ngsock --example watch_links -- --sim
//! ```
//!
//! Without a bridge all of the network stack are watched. `--sim` makes a simulated kernel with a bridge and traffic on
//! it; `--sim=STATE` takes one that is kept in a file. Time is then virtual, and 10 intervals are enough.

#[path = "ngctl/app/getopt.rs"]
mod getopt;
mod kernel;
#[path = "watch_links/traffic.rs"]
mod traffic;
#[path = "watch_links/watch.rs"]
mod watch;

use std::io::{self, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use getopt::{Getopt, Opt};
use kernel::{Kernel, Refusal, Which};
use watch::{Until, Watch};

/// `EX_USAGE` of sysexits(3).
const USAGE: u8 = 64;

/// So many intervals are watched of a simulated kernel, whose time passes at once.
const SIMULATED: u64 = 10;

/// What the arguments say.
struct Options {
    which: Which,
    jail: Option<String>,
    interval: Duration,
    count: Option<u64>,
    bridge: Option<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args_os().skip(1).map(std::ffi::OsString::into_encoded_bytes).collect();
    let refusal = match options(&arguments) {
        Ok(options) => match run(&options, &mut stdout().lock()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(refusal) => refusal,
        },
        Err(refusal) => refusal,
    };
    // There is nobody else to tell.
    let _ = writeln!(stderr(), "watch_links: {}", refusal.text);
    ExitCode::from(refusal.status)
}

fn run(options: &Options, out: &mut dyn Write) -> Result<(), Refusal> {
    let mut kernel = open(options)?;
    let is_simulated = options.which != Which::Host;
    let intervals = options.count.or(is_simulated.then_some(SIMULATED));
    let until = intervals.map_or(Until::Stopped, Until::Intervals);
    let mut watch = Watch::new(&mut *kernel, options.bridge.as_deref())?;
    match watch.run(options.interval, until, out) {
        // Whoever read our output has seen enough.
        Err(watch::Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        watched => watched?,
    }
    kernel.close()
}

fn open(options: &Options) -> Result<Box<dyn Kernel>, Refusal> {
    let mut kernel = kernel::open(&options.which, options.jail.as_deref(), b"")?;
    if options.which == Which::Fresh {
        traffic::begin(&mut *kernel)?;
    }
    Ok(kernel)
}

fn options(arguments: &[Vec<u8>]) -> Result<Options, Refusal> {
    let mut options =
        Options { which: Which::Host, jail: None, interval: Duration::from_secs(1), count: None, bridge: None };
    let mut getopt = Getopt::new(arguments, "j:i:c:");
    loop {
        if let Some(word) = getopt.whole_word().filter(|word| word.starts_with(b"--sim")) {
            options.which = match word.strip_prefix(b"--sim=") {
                Some(file) => Which::Kept(kernel::state_file(PathBuf::from(text(file)))),
                None if word == b"--sim" => Which::Fresh,
                None => return Err(usage()),
            };
            getopt.skip();
            continue;
        }
        match getopt.next() {
            None => break,
            Some(Opt::Value('j', jail)) => options.jail = Some(text(jail)),
            Some(Opt::Value('i', seconds)) => options.interval = interval(&text(seconds)).ok_or_else(usage)?,
            Some(Opt::Value(_, count)) => options.count = Some(text(count).parse().map_err(|_| usage())?),
            Some(Opt::Flag(_) | Opt::Wrong(_)) => return Err(usage()),
        }
    }
    match getopt.rest() {
        [] => Ok(options),
        [bridge] => Ok(Options { bridge: Some(text(bridge)), ..options }),
        _ => Err(usage()),
    }
}

fn interval(seconds: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok().filter(|interval| !interval.is_zero())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn usage() -> Refusal {
    Refusal::new(USAGE, "usage: watch_links [--sim[=state]] [-j jail] [-i seconds] [-c count] [bridge]")
}
