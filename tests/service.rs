//! The rc.d script: its syntax, and what it does with real labs of the simulated kernel, over an rc.subr of our own that has the
//! few functions it calls.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Said, Sandbox, root};

/// As /etc/rc.subr does it, as far as this script can tell: verbs need the variable that `rcvar` names, except `status`, and a
/// word after the verb would be evaluated.
const SUBR: &str = r#"
load_rc_config() { . "$RC_CONF"; }
checkyesno() { eval "_value=\$$1"; case "$_value" in [Yy][Ee][Ss]) return 0 ;; *) return 1 ;; esac; }
warn() { echo "$0: WARNING: $*" >&2; }
run_rc_command() {
	_verb="$1"; shift
	case "$_verb" in
	start|stop) checkyesno "$rcvar" || { echo "$rcvar is not enabled" >&2; return 1; } ;;
	restart) run_rc_command stop "$@" && run_rc_command start "$@"; return ;;
	esac
	case " start stop $extra_commands " in
	*" $_verb "*) eval "_do=\$${_verb}_cmd"; eval "$_do $*" ;;
	*) echo "unknown verb $_verb" >&2; return 1 ;;
	esac
}
"#;

const LAB: &str = "version: 1\nname: NAME\ntopology:\n  nodes: { a: { kind: host }, b: { kind: host } }\n  links:\n    \
                   - { endpoints: [ \"a:eth0\", \"b:eth0\" ] }\n";

fn script() -> PathBuf {
    root().join("packaging/freebsd/files/cellblock.in")
}

/// A host with the script installed and labs described.
struct Host {
    sandbox: Sandbox,
}

impl Host {
    fn new(conf: &str) -> Self {
        let sandbox = Sandbox::new();
        let here = sandbox.path().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(script()).unwrap();
        assert_eq!(text.matches(". /etc/rc.subr\n").count(), 1);
        let text = text.replace("/etc/rc.subr", &format!("'{here}/rc.subr'")).replace("%%PREFIX%%", &here);
        sandbox.write("cellblock", &text);
        sandbox.write("rc.subr", SUBR);
        let program = env!("CARGO_BIN_EXE_cellblock");
        sandbox.write("rc.conf", &format!("cellblock_bin='{program}'\ncellblock_confdir='{here}'\n{conf}"));
        for name in ["office", "branch-2"] {
            sandbox.write(&format!("{name}.yaml"), &LAB.replace("NAME", name));
        }
        Self { sandbox }
    }

    fn service(&self, words: &[&str]) -> Said {
        let here = self.sandbox.path();
        let template = self.sandbox.command(&[]);
        let mut command = Command::new("sh");
        command.arg(here.join("cellblock")).args(words).current_dir(here).env("RC_CONF", here.join("rc.conf"));
        for (name, value) in template.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

#[test]
fn it_is_a_shell_script_that_rcorder_can_place() {
    let output = Command::new("sh").arg("-n").arg(script()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(script()).unwrap();
    for line in ["# PROVIDE: cellblock\n", "# REQUIRE: ", "# BEFORE: jail\n", "# KEYWORD: nojail shutdown\n"] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn labs_come_in_order_and_go_in_the_reverse() {
    let host = Host::new("cellblock_enable=YES\ncellblock_labs='office branch-2'\n");
    let down = host.service(&["status"]).expect(1);
    assert_eq!(down.out, "Lab office is not up.\nLab branch-2 is not up.\n");
    let start = host.service(&["start"]).expect(0);
    let (first, second) = (start.out.find("lab office").unwrap(), start.out.find("lab branch-2").unwrap());
    assert!(first < second, "{}", start.out);
    assert_eq!(host.service(&["status"]).expect(0).out, "Lab office is up.\nLab branch-2 is up.\n");
    assert!(host.service(&["plan", "office"]).expect(0).out.contains("Plan: 0 to add"));
    host.service(&["start"]).expect(0);
    let stop = host.service(&["stop"]).expect(0);
    let (first, second) = (stop.out.find("lab branch-2").unwrap(), stop.out.find("lab office").unwrap());
    assert!(first < second, "{}", stop.out);
    host.service(&["status"]).expect(1);
    host.service(&["stop"]).expect(0);
}

#[test]
fn one_lab_has_its_own_file_and_its_own_options() {
    let host = Host::new("cellblock_enable=YES\ncellblock_labs='branch-2'\n");
    host.sandbox.write("other place.yaml", &LAB.replace("NAME", "something-else"));
    let mut conf = std::fs::read_to_string(host.sandbox.path().join("rc.conf")).unwrap();
    conf += &format!("cellblock_branch_2_file='{}/other place.yaml'\n", host.sandbox.path().display());
    conf += "cellblock_branch_2_flags='--state-dir apart --verbose'\n";
    host.sandbox.write("rc.conf", &conf);
    // --quiet of the script against --verbose of the administrator.
    host.service(&["start"]).expect(1);
    host.sandbox.write("rc.conf", &conf.replace(" --verbose", ""));
    host.service(&["start"]).expect(0);
    assert!(host.sandbox.path().join("apart/labs/branch-2.lab").is_file());
    assert_eq!(host.service(&["status", "branch-2"]).expect(0).out, "Lab branch-2 is up.\n");
    host.service(&["restart", "branch-2"]).expect(0);
    host.service(&["stop", "branch-2"]).expect(0);
}

#[test]
fn what_is_not_a_name_gets_nowhere() {
    let host = Host::new("cellblock_enable=YES\ncellblock_labs='office $(touch${IFS}Owned) * ../office Office a;b'\n");
    let said = host.service(&["start"]).expect(1);
    assert!(said.out.contains("lab office"), "the good one comes up: {}", said.out);
    assert_eq!(said.err.matches("is not the name of a lab").count(), 5, "{}", said.err);
    let said = host.service(&["status", "x;touch Owned", "`touch Owned`", "$(touch Owned)"]).expect(1);
    assert_eq!(said.out, "", "{}", said.err);
    assert!(!host.sandbox.path().join("Owned").exists());
}

#[test]
fn nothing_happens_unless_it_is_enabled() {
    let host = Host::new("cellblock_labs=office\n");
    host.service(&["start"]).expect(1);
    assert_eq!(host.service(&["status"]).expect(1).out, "Lab office is not up.\n");
    let host = Host::new("cellblock_enable=YES\n");
    let said = host.service(&["start"]).expect(1);
    assert!(said.err.contains("names no lab"), "{}", said.err);
}

#[test]
fn a_lab_that_fails_keeps_no_other_from_coming_up() {
    let host = Host::new("cellblock_enable=YES\ncellblock_labs='missing office'\n");
    let said = host.service(&["start"]).expect(1);
    assert!(said.err.contains("missing.yaml"), "{}", said.err);
    assert_eq!(host.service(&["status", "office"]).expect(0).out, "Lab office is up.\n");
}

#[test]
fn the_port_installs_what_there_is() {
    let port = root().join("packaging/freebsd");
    let plist = std::fs::read_to_string(port.join("pkg-plist")).unwrap();
    let mut listed: Vec<&str> =
        plist.lines().filter_map(|line| line.strip_prefix("%%PORTEXAMPLES%%%%EXAMPLESDIR%%/")).collect();
    let mut found = Vec::new();
    let mut folders = vec![root().join("topologies")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root().join("topologies")).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    listed.sort_unstable();
    found.sort();
    assert_eq!(listed, found, "pkg-plist and topologies/ differ");
    for page in ["cellblock.8", "cellblock-topology.5"] {
        assert!(root().join("docs/man").join(page).is_file() && plist.contains(page), "{page}");
    }
    let makefile = std::fs::read_to_string(port.join("Makefile")).unwrap();
    assert!(makefile.contains(&format!("DISTVERSION=\t{}\n", env!("CARGO_PKG_VERSION"))));
}
