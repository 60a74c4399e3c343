//! What goes wrong around the program on a real kernel: rights and modules that are missing, strangers in the way, damage behind
//! its back, a jail that does not die. Each is a clear error or is mended, and the host is as before.

use std::fmt::Debug;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cellblock::engine::freebsd::doors::{Actor, Doors, JailParam, SocketKind};

use super::outcome::{Suite, same};
use super::picture::host_picture;
use super::{Wanted, beside, cellblock, said};

/// Small, with both kinds of interfaces, a switch of both kinds, and a route.
const LAB: &str = r#"
version: 1
name: cbmishap
topology:
  nodes:
    b1: { kind: switch, driver: if_bridge }
    sw: { kind: switch }
    r1: { kind: router }
    h1: { kind: host, routes: [ { to: default, via: 10.204.0.1 } ] }
  links:
    - { endpoints: [ b1, sw ] }
    - { endpoints: [ "r1:lan0", b1 ], ipv4: [ 10.204.0.1/24, ~ ] }
    - { endpoints: [ "h1:eth0", sw ], ipv4: [ 10.204.0.2/24, ~ ] }
    - { endpoints: [ "h1:x0", "r1:x0" ], type: epair, ipv6: [ "fd00:204::1/64", "fd00:204::2/64" ] }
checks:
  - reach: { from: "*", to: "*" }
"#;

/// A module that nothing else here needs.
const HUB: &str = r#"
version: 1
name: cbmishap
topology:
  nodes: { hub: { kind: hub }, h1: { kind: host }, h2: { kind: host } }
  links:
    - { endpoints: [ "h1:eth0", hub ] }
    - { endpoints: [ "h2:eth0", hub ] }
"#;

const NO_ROOT: &str = r#"
version: 1
name: cbmishap
topology:
  nodes: { h1: { kind: host, rootfs: /nonexistent/cellblock }, h2: { kind: host } }
  links:
    - { endpoints: [ "h1:eth0", "h2:eth0" ] }
"#;

/// More jails than a process with few descriptors could keep a socket in.
const MANY: u8 = 24;

/// What is done to the lab with the system's own tools.
const DAMAGES: [(&str, &[&str]); 8] = [
    ("an eiface was renamed", &["ifconfig", "-j", "cbmishap.h1", "eth0", "name", "mine"]),
    ("an end of an epair was renamed", &["ifconfig", "-j", "cbmishap.r1", "x0", "name", "mine"]),
    ("an epair was destroyed", &["ifconfig", "-j", "cbmishap.h1", "x0", "destroy"]),
    ("a jail was removed", &["jail", "-r", "cbmishap.h1"]),
    ("two jails were removed", &["sh", "-c", "jail -r cbmishap.h1 && jail -r cbmishap.r1"]),
    ("a switch was shut down", &["sh", "-c", SHUT_BRIDGE]),
    ("every eiface was shut down", &["sh", "-c", SHUT_EIFACES]),
    ("a route was removed", &["jexec", "cbmishap.h1", "route", "-q", "delete", "default"]),
];
const SHUT_BRIDGE: &str =
    "jexec cbmishap ngctl list | awk '/Type: bridge/ { print $2 \":\" }' | xargs -n 1 jexec cbmishap ngctl shutdown";
const SHUT_EIFACES: &str =
    "jexec cbmishap ngctl list | awk '/Type: eiface/ { print $2 \":\" }' | xargs -n 1 jexec cbmishap ngctl shutdown";

/// What is tried, and whether it came out as it should.
type Case<'c> = &'c dyn Fn(&Site) -> Result<(), String>;

/// Where files are, and the state directory.
pub struct Site {
    folder: PathBuf,
    state: PathBuf,
}

impl Site {
    pub fn new(name: &str) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("cellblock-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let site = Self { state: folder.join("state"), folder };
        let links =
            |n: u8| format!("    - {{ endpoints: [ \"h{n}:eth0\", sw ], ipv4: [ 10.204.0.{}/24, ~ ] }}\n", n + 1);
        let hosts: String = (0..MANY).map(|n| format!("    h{n}: {{ kind: host }}\n")).collect();
        let links: String = (0..MANY).map(links).collect();
        let many = format!(
            "version: 1\nname: cbmishap\ntopology:\n  nodes:\n    sw: {{ kind: switch }}\n{hosts}  links:\n{links}checks:\n  - reach: {{ from: \"*\", to: \"*\" }}\n"
        );
        for (name, text) in [("lab", LAB), ("hub", HUB), ("rootless", NO_ROOT), ("many", &many)] {
            site.add(name, text)?;
        }
        Ok(site)
    }

    /// Writes another topology.
    pub fn add(&self, name: &str, text: &str) -> Result<(), String> {
        let file = self.file(name);
        std::fs::write(&file, text).map_err(|error| format!("{file}: {error}"))
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    pub fn file(&self, name: &str) -> String {
        self.folder.join(format!("{name}.yaml")).to_string_lossy().into_owned()
    }

    pub fn verb(&self, words: &[&str]) -> Output {
        cellblock(&self.state, words)
    }

    pub fn expect(&self, words: &[&str], code: i32) -> Result<(), String> {
        ended(&self.verb(words), code, &[]).map_err(|why| format!("{words:?}: {why}"))
    }
}

pub fn run<D: Doors + Debug>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("mishaps");
    let site = match Site::new("mishaps") {
        Ok(site) => site,
        Err(why) => {
            suite.case("a folder for it".to_owned(), Err(why));
            return suite;
        }
    };
    let mut doors = doors();
    let cases: [(&str, Case<'_>); 8] = [
        ("not root", &not_root),
        ("inside a jail without a network stack", &|site| inside(site, &[], "without a network stack")),
        ("inside a jail that may have no jails", &|site| inside(site, &["vnet"], "may have 0 jails")),
        ("a module that may not be loaded", &not_allowed),
        ("a module that is not there", &not_there),
        ("the path of a jail is missing", &no_path),
        ("somebody else's jail has the name", &name_taken),
        ("few descriptors", &few_descriptors),
    ];
    for (name, case) in cases {
        if wanted.fits(name) {
            let before = host_picture(&mut doors);
            let outcome = case(&site);
            let outcome = outcome.and_then(|()| same(&before, &host_picture(&mut doors)));
            suite.case(name.to_owned(), outcome);
        }
    }
    for (name, damage) in DAMAGES {
        if wanted.fits(name) {
            let before = host_picture(&mut doors);
            let outcome = mended(&site, damage);
            let swept = swept(&site);
            suite.case(name.to_owned(), outcome.and(swept).and_then(|()| same(&before, &host_picture(&mut doors))));
        }
    }
    let name = "a jail that will not die";
    if wanted.fits(name) {
        let before = host_picture(&mut doors);
        let outcome = undead(&site, &mut doors);
        suite.case(name.to_owned(), outcome.and_then(|()| same(&before, &host_picture(&mut doors))));
    }
    suite
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether a program ended so and said all these words.
pub fn ended(output: &Output, code: i32, words: &[&str]) -> Result<(), String> {
    let all = said(output);
    if output.status.code() != Some(code) {
        return Err(format!("instead of {code}: {all}"));
    }
    match words.iter().find(|word| !all.contains(**word)) {
        Some(word) => Err(format!("it does not say `{word}`: {all}")),
        None => Ok(()),
    }
}

pub fn tool(words: &[&str]) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{words:?}: {}", said(&output))) }
}

/// The program as one that everybody may run, with a state directory that everybody may write.
fn not_root(site: &Site) -> Result<(), String> {
    let nobody = 65534;
    let told = |error: std::io::Error| error.to_string();
    let folder = std::env::temp_dir().join(format!("cellblock-nobody-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(told)?;
    let program = folder.join("cellblock");
    std::fs::copy(beside("cellblock").get_program(), &program).map_err(told)?;
    std::fs::copy(site.file("lab"), folder.join("lab.yaml")).map_err(told)?;
    std::os::unix::fs::chown(&folder, Some(nobody), None).map_err(told)?;
    let mut command = Command::new(&program);
    command.args(["--engine", "freebsd", "--state-dir"]).arg(&folder).arg("up").arg(folder.join("lab.yaml"));
    let output = command.uid(nobody).gid(nobody).output().map_err(told);
    let _ = std::fs::remove_dir_all(&folder);
    ended(&output?, 77, &["needs root"])
}

/// `up` inside a jail that is made for it.
fn inside(site: &Site, parameters: &[&str], word: &str) -> Result<(), String> {
    tool(&[&["jail", "-c", "name=cbcell", "path=/", "persist"][..], parameters].concat())?;
    let program = beside("cellblock");
    let mut command = Command::new("jexec");
    command.arg("cbcell").arg(program.get_program()).args(["--engine", "freebsd", "--load-modules", "--state-dir"]);
    let output = command.arg(&site.state).args(["up", &site.file("lab")]).output().map_err(|error| error.to_string());
    tool(&["jail", "-r", "cbcell"])?;
    ended(&output?, 77, &[word])
}

/// Takes the module out, if it is there and nothing holds it.
pub fn without_hub() {
    // Not loaded, or in the kernel itself: the next step tells.
    let _ = tool(&["kldunload", "ng_hub"]);
}

fn not_allowed(site: &Site) -> Result<(), String> {
    without_hub();
    let mut command = beside("cellblock");
    command.args(["--engine", "freebsd", "--state-dir"]).arg(&site.state).args(["up", &site.file("hub")]);
    let output = command.output().map_err(|error| error.to_string())?;
    swept(site)?;
    ended(&output, 78, &["ng_hub", "sysrc kld_list+=", "--load-modules"])
}

fn not_there(site: &Site) -> Result<(), String> {
    without_hub();
    // Of all that the lab needs this one alone is to be missing.
    tool(&["kldload", "-n", "ng_socket", "ng_eiface"])?;
    let path = Command::new("sysctl").args(["-n", "kern.module_path"]).output().map_err(|error| error.to_string())?;
    let path = format!("kern.module_path={}", String::from_utf8_lossy(&path.stdout).trim());
    tool(&["sysctl", "kern.module_path=/nonexistent"])?;
    let output = site.verb(&["up", &site.file("hub")]);
    tool(&["sysctl", &path])?;
    swept(site)?;
    ended(&output, 71, &["ng_hub", "kldload", "kern.module_path"])
}

fn no_path(site: &Site) -> Result<(), String> {
    ended(&site.verb(&["up", &site.file("rootless")]), 71, &["/nonexistent/cellblock"])
}

fn name_taken(site: &Site) -> Result<(), String> {
    tool(&["jail", "-c", "name=cbmishap", "path=/", "persist"])?;
    let output = site.verb(&["up", &site.file("lab")]);
    let still = tool(&["jls", "-j", "cbmishap", "name"]);
    tool(&["jail", "-r", "cbmishap"])?;
    still.map_err(|why| format!("the jail of somebody else is gone: {why}"))?;
    ended(&output, 78, &["`cbmishap`", "not ours", "--name"])
}

fn few_descriptors(site: &Site) -> Result<(), String> {
    let program = beside("cellblock");
    let few = |words: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64 && exec \"$@\"", "few"]).arg(program.get_program());
        command.args(["--engine", "freebsd", "--load-modules", "--state-dir"]).arg(&site.state).args(words);
        let output = command.output().map_err(|error| error.to_string())?;
        ended(&output, 0, &[]).map_err(|why| format!("{words:?}: {why}"))
    };
    let many = site.file("many");
    let outcome = few(&["up", &many])
        .and_then(|()| few(&["plan", "--detailed-exitcode", &many]))
        .and_then(|()| few(&["test", &many]))
        .and_then(|()| few(&["down", "cbmishap"]));
    outcome.and(swept(site))
}

/// `down`, where there may be nothing to take down.
pub fn swept(site: &Site) -> Result<(), String> {
    let output = site.verb(&["down", "cbmishap"]);
    if output.status.code() == Some(66) { Ok(()) } else { ended(&output, 0, &[]) }
}

fn mended(site: &Site, damage: &[&str]) -> Result<(), String> {
    let lab = site.file("lab");
    site.expect(&["up", &lab], 0)?;
    site.expect(&["test", &lab], 0)?;
    tool(damage)?;
    site.expect(&["plan", "--detailed-exitcode", &lab], 2)?;
    site.expect(&["up", &lab], 0)?;
    site.expect(&["plan", "--detailed-exitcode", &lab], 0)?;
    site.expect(&["test", &lab], 0)?;
    site.expect(&["down", "cbmishap"], 0)
}

/// A socket that was opened in a jail keeps it from dying, until it is closed.
fn undead<D: Doors>(site: &Site, doors: &mut D) -> Result<(), String> {
    site.expect(&["up", &site.file("lab")], 0)?;
    let told = |what: &str, errno: &dyn Debug| format!("{what}: {errno:?}");
    let jid = doors
        .jail_get(&mut [JailParam::string("name", "cbmishap.h1")], 0)
        .map_err(|refusal| told("jail_get", &refusal))?;
    let helper = doors.helper_start(jid).map_err(|errno| told("helper", &errno))?;
    let sock = doors.open(Actor::Helper(helper), SocketKind::Inet);
    doors.helper_end(helper);
    let output = site.verb(&["down", "cbmishap"]);
    if let Ok(sock) = sock {
        doors.close(sock);
    }
    sock.map_err(|errno| told("socket", &errno))?;
    let told = ended(&output, 73, &["will not die", "procstat"]);
    swept(site).and(told)
}
