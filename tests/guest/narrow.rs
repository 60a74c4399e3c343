//! A kernel that allows less than usual: a raised securelevel, receive buffers that are too small, and root in a jail who would
//! debug a visitor from outside.

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

/// What a debugger would do to a process, by its number.
const TOOLS: [&str; 3] = ["truss -o /dev/null -p", "ktrace -f /dev/null -p", "proccontrol -m trace -s disable -p"];

/// A visitor of a jail shares the memory of a process outside. Visits are over in no time: root in the jail stops whoever comes, as
/// it may, and then tries to debug it. Each tool works on a process of the jail's own first: it is there, and allowed.
fn debuggers(site: &Site) -> Result<(), String> {
    site.expect(&["up", &site.file("lab")], 0)?;
    let outcome = in_jail(site);
    site.expect(&["down", "cbmishap"], 0)?;
    outcome
}

/// What root does there: it stops all the others until there is one, whose number it prints. Its own end frees them.
const CATCH: &str = r#"
trap 'kill -CONT -1' EXIT
n=0
while [ $n -lt 20000 ]; do
    kill -STOP -1 2>/dev/null && for pid in $(ps -axo pid=,comm= | awk '$2 == "cellblock" { print $1 }'); do
        echo $pid
        for tool in "$@"; do
            sleep 1 & own=$!
            $tool $own >/dev/null 2>&1 && echo "own: yes"
            kill $own 2>/dev/null
            $tool $pid 2>&1 && echo "visitor: yes" || echo "visitor: no"
        done
        exit 0
    done
    n=$((n + 1))
done
exit 1
"#;

fn in_jail(site: &Site) -> Result<(), String> {
    let program = beside("cellblock");
    let mut visits = Command::new("sh");
    visits.args(["-c", "while \"$@\" >/dev/null 2>&1; do :; done", "visits"]).arg(program.get_program());
    visits.args(["--engine", "freebsd", "--state-dir"]).arg(site.state()).args(["plan", &site.file("lab")]);
    let mut visits = visits.spawn().map_err(|error| error.to_string())?;
    let mut command = Command::new("jexec");
    command.args(["cbmishap.h1", "sh", "-c", CATCH, "catch"]).args(TOOLS);
    let output = command.output().map_err(|error| error.to_string());
    // Between two commands, or in the middle of one that only looks.
    let _ = visits.kill();
    let _ = visits.wait();
    let output = output?;
    ended(&output, 0, &[])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = |line: &str| text.lines().filter(|said| *said == line).count();
    let refused = text.matches("not permitted").count();
    if (count("own: yes"), count("visitor: no"), refused) == (TOOLS.len(), TOOLS.len(), TOOLS.len()) {
        Ok(())
    } else {
        Err(format!("a visitor could be debugged, or a tool did not work: {text}"))
    }
}
