//! Nodes stop and start while their lab is up, on a real kernel: what runs in them is told, waited for and killed, and what runs
//! beside them is left alone.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;

use cellblock::engine::freebsd::doors::Doors;

use super::Wanted;
use super::mishaps::{Site, swept, tool};
use super::outcome::{Suite, same};
use super::picture::host_picture;

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

pub fn run<D: Doors + Debug>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("life");
    let name = "what runs in a node that is stopped is told, waited for and killed";
    if !wanted.fits(name) {
        return suite;
    }
    let site = match Site::new("life") {
        Ok(site) => site,
        Err(why) => {
            suite.case("a folder for it".to_owned(), Err(why));
            return suite;
        }
    };
    let mut doors = doors();
    let before = host_picture(&mut doors);
    let outcome = stopped_and_started(&site);
    let swept = swept(&site);
    suite.case(name.to_owned(), outcome.and(swept).and_then(|()| same(&before, &host_picture(&mut doors))));
    suite
}

fn stopped_and_started(site: &Site) -> Result<(), String> {
    let lab = site.file("lab");
    site.expect(&["up", &lab], 0)?;
    let obedient =
        Program::start("h1", "trap 'echo told; exit 7' TERM; echo ready; for i in $(jot 600); do sleep 0.1; done")?;
    let stubborn = Program::start("h1", "trap '' TERM; echo ready; for i in $(jot 600); do sleep 0.1; done")?;
    let mut bystander = Program::start("r1", "echo ready; exec sleep 120")?;
    let ((told, killed), stopped) = ending((obedient, stubborn), || site.expect(&["stop", "h1@cbmishap"], 0));
    stopped?;
    let (status, words) = told?;
    if status.code() != Some(7) || words != "told\n" {
        return Err(format!("who heeds a signal ended with {status} and said {words:?}"));
    }
    let (status, _) = killed?;
    if status.signal() != Some(SIGKILL) {
        return Err(format!("who heeds no signal ended with {status}"));
    }
    if tool(&["jls", "-j", "cbmishap.h1", "name"]).is_ok() {
        return Err("the jail of a stopped node is there".to_owned());
    }
    site.expect(&["plan", "--detailed-exitcode", &lab], 2)?;
    site.expect(&["start", "h1@cbmishap"], 0)?;
    site.expect(&["plan", "--detailed-exitcode", &lab], 0)?;
    site.expect(&["test", &lab], 0)?;
    if !bystander.runs()? {
        return Err("what ran in another node has ended".to_owned());
    }
    let second = Program::start("r1", "echo ready; exec sleep 120")?;
    let ((first, second), restarted) = ending((bystander, second), || site.expect(&["restart", "r1@cbmishap"], 0));
    restarted?;
    second?;
    let (status, _) = first?;
    if status.signal() != Some(SIGTERM) {
        return Err(format!("what ran in a node that was restarted ended with {status}"));
    }
    site.expect(&["plan", "--detailed-exitcode", &lab], 0)?;
    site.expect(&["test", &lab], 0)
}

type End = Result<(ExitStatus, String), String>;

/// What ends two programs, while somebody waits for them: one that has ended keeps its jail for as long as nobody took notice.
fn ending<T>(programs: (Program, Program), work: impl FnOnce() -> T) -> ((End, End), T) {
    let (first, second) = programs;
    thread::scope(|scope| {
        let (first, second) = (scope.spawn(|| first.end()), scope.spawn(|| second.end()));
        let done = work();
        let join = |end: thread::ScopedJoinHandle<'_, End>| {
            end.join().unwrap_or_else(|_| Err("who waits has failed".to_owned()))
        };
        ((join(first), join(second)), done)
    })
}

/// A script that runs in a node, begun with the system's own tool; it is killed when this goes.
struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Program {
    /// Returns when it has said that it is ready.
    fn start(node: &str, script: &str) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("jexec: {error}");
        let mut command = Command::new("jexec");
        command.arg(format!("cbmishap.{node}")).args(["sh", "-c", script]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(told)?;
        let out = child.stdout.take().ok_or("jexec: no output")?;
        let mut program = Self { child, out: BufReader::new(out) };
        let mut line = String::new();
        program.out.read_line(&mut line).map_err(told)?;
        if line == "ready\n" { Ok(program) } else { Err(format!("it says {line:?} in place of `ready`")) }
    }

    fn runs(&mut self) -> Result<bool, String> {
        self.child.try_wait().map(|ended| ended.is_none()).map_err(|error| error.to_string())
    }

    /// How it ended, and what else it said.
    fn end(mut self) -> End {
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let mut words = String::new();
        self.out.read_to_string(&mut words).map_err(|error| error.to_string())?;
        Ok((status, words))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
