//! A kernel that allows less than usual: a raised securelevel, receive buffers that are too small, and root in a jail who would
//! debug a visitor from outside.

use std::collections::HashSet;
use std::fmt::Debug;
use std::process::{Command, Output};

use cellblock::engine::freebsd::doors::Doors;

use super::mishaps::{Site, ended, swept, tool, without_hub};
use super::outcome::{Suite, same};
use super::picture::host_picture;
use super::{Wanted, beside, said};

/// What the small lab needs.
const MODULES: [&str; 5] = ["ng_socket", "ng_eiface", "ng_bridge", "if_bridge", "if_epair"];

/// Receive buffers are not raised above this, and TCP still has room for its own.
const SOCKBUF: &str = "kern.ipc.maxsockbuf=80000";
/// Fewer octets than the hooks of a switch with two dozen ports take.
const RECVSPACE: &str = "net.graph.recvspace=1024";

pub fn run<D: Doors + Debug>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("narrow");
    let site = match Site::new("narrow") {
        Ok(site) => site,
        Err(why) => {
            suite.case("a folder for it".to_owned(), Err(why));
            return suite;
        }
    };
    let mut doors = doors();
    let mut case = |name: &str, outcome: &dyn Fn(&mut D) -> Result<(), String>| {
        if wanted.fits(name) {
            let before = host_picture(&mut doors);
            let outcome = outcome(&mut doors).and_then(|()| same(&before, &host_picture(&mut doors)));
            suite.case(name.to_owned(), outcome);
        }
    };
    case("a jail with a raised securelevel", &|_| in_a_jail(&site));
    case("a reply that finds no room", &|_| no_room(&site));
    case("root in a jail cannot debug a visitor", &|_| debuggers(&site));
    suite
}

/// The securelevel of the machine itself is raised, which only the next boot takes back: done when it is asked for by name.
pub fn securelevel(wanted: &Wanted) -> Suite {
    let mut suite = Suite::new("securelevel");
    let outcome = Site::new("securelevel").and_then(|site| {
        modules()?;
        without_hub();
        tool(&["sysctl", "kern.securelevel=1"])?;
        let refused = site.verb(&["up", &site.file("hub")]);
        ended(&refused, 77, &["ng_hub", "kern.securelevel"])?;
        swept(&site)?;
        let lab = site.file("lab");
        [["up", &lab], ["test", &lab], ["down", "cbmishap"]].iter().try_for_each(|words| site.expect(words, 0))
    });
    let name = "the securelevel of the machine is raised";
    if wanted.fits(name) {
        suite.case(name.to_owned(), outcome);
    }
    suite
}

fn modules() -> Result<(), String> {
    tool(&[&["kldload", "-n"][..], &MODULES].concat())
}

/// No module can be loaded there; with those that are there everything goes as usual.
fn in_a_jail(site: &Site) -> Result<(), String> {
    modules()?;
    without_hub();
    tool(&["jail", "-c", "name=cbcell", "path=/", "persist", "vnet", "children.max=9", "securelevel=1"])?;
    let program = beside("cellblock");
    let verb = |words: &[&str]| -> Result<Output, String> {
        let mut command = Command::new("jexec");
        command.arg("cbcell").arg(program.get_program()).args(["--engine", "freebsd", "--load-modules", "--state-dir"]);
        command.arg(site.state()).args(words).output().map_err(|error| error.to_string())
    };
    let lab = site.file("lab");
    let outcome = verb(&["up", &site.file("hub")])
        .and_then(|output| ended(&output, 77, &["ng_hub", "kern.securelevel"]))
        .and_then(|()| {
            [["up", &lab], ["test", &lab], ["down", "cbmishap"]]
                .iter()
                .try_for_each(|words| verb(words).and_then(|output| ended(&output, 0, &[])))
        });
    tool(&["jail", "-r", "cbcell"])?;
    outcome
}

/// The list of a switch's hooks does not fit into the buffer: an error that says so, or none, and nothing that stays.
fn no_room(site: &Site) -> Result<(), String> {
    modules()?;
    let before: Vec<String> = [SOCKBUF, RECVSPACE].into_iter().map(now).collect::<Result<_, _>>()?;
    // The smaller one first, and back in the other order.
    let outcome = tool(&["sysctl", RECVSPACE]).and_then(|()| tool(&["sysctl", SOCKBUF])).map(|()| {
        let output = site.verb(&["up", &site.file("many")]);
        ended(&output, 0, &[]).or_else(|_| ended(&output, 73, &["receive buffer", "kern.ipc.maxsockbuf"]))
    });
    for setting in &before {
        tool(&["sysctl", setting])?;
    }
    swept(site)?;
    outcome?
}

/// A setting as it is now.
fn now(setting: &str) -> Result<String, String> {
    let name = setting.split('=').next().unwrap_or_default();
    let output = Command::new("sysctl").args(["-n", name]).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{name}: {}", said(&output)));
    }
    Ok(format!("{name}={}", String::from_utf8_lossy(&output.stdout).trim()))
}

/// A visitor of a jail shares the memory of a process outside, and is gone before one could get hold of it. So it is two facts: root
/// in a jail is refused by a process that has closed itself to debuggers, and every visitor does that before it enters.
fn debuggers(site: &Site) -> Result<(), String> {
    site.expect(&["up", &site.file("lab")], 0)?;
    let outcome = refused(site).and_then(|()| closed_before_it_enters(site));
    site.expect(&["down", "cbmishap"], 0)?;
    outcome
}

/// Each tool works on an open process first: it is there, and allowed.
fn refused(site: &Site) -> Result<(), String> {
    let file = site.state().with_extension("traced").to_string_lossy().into_owned();
    for tool in [format!("truss -o {file} -p"), format!("ktrace -f {file} -p")] {
        let inside = |script: String| {
            let output = Command::new("jexec").args(["cbmishap.h1", "sh", "-c", &script]).output();
            output.map_err(|error| error.to_string())
        };
        let open = inside(format!("sleep 2 & {tool} $! 2>&1"))?;
        ended(&open, 0, &[]).map_err(|why| format!("{tool} of an open process: {why}"))?;
        // The shell closes itself: of another it would not be known whether it has begun, which opens it again.
        let output = inside(format!("proccontrol -m trace -s disable -p $$ && {tool} $$ 2>&1; exit $?"))?;
        if output.status.success() || !said(&output).contains("not permitted") {
            return Err(format!("{tool} of a closed process was not refused: {}", said(&output)));
        }
    }
    Ok(())
}

/// The system calls of a command that visits jails, in the order in which each process makes them.
fn closed_before_it_enters(site: &Site) -> Result<(), String> {
    let trace = site.state().with_extension("trace");
    let mut command = Command::new("ktrace");
    command.args(["-i", "-t", "c", "-f"]).arg(&trace).arg(beside("cellblock").get_program());
    command.args(["--engine", "freebsd", "--state-dir"]).arg(site.state()).args(["test", &site.file("lab")]);
    ended(&command.output().map_err(|error| error.to_string())?, 0, &[])?;
    let dump = Command::new("kdump").arg("-f").arg(&trace).output().map_err(|error| error.to_string())?;
    let (mut closed, mut entered) = (HashSet::new(), 0);
    for line in String::from_utf8_lossy(&dump.stdout).lines() {
        let (Some(process), Some((_, call))) = (line.split_whitespace().next(), line.split_once(" CALL ")) else {
            continue;
        };
        if call.contains("PROC_TRACE_CTL") {
            closed.insert(process.to_owned());
        } else if call.trim_start().starts_with("jail_attach(") {
            entered += 1;
            if !closed.contains(process) {
                return Err(format!("process {process} entered a jail open to debuggers: {line}"));
            }
        }
    }
    if entered == 0 { Err("no visit was seen".to_owned()) } else { Ok(()) }
}
