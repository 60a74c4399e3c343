//! `cargo xtask remote` from end to end, with a program in the place of ssh that hands the command to a shell of this machine,
//! as sshd does; and a bundle whose guest does what the test says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// Like sshd, the shell goes on when its client is killed.
const SSH: &str = r#"#!/bin/sh
[ "$1" = there ] || exit 255
shift
exec 5<&0
/bin/sh -c "$*" <&5 &
wait $!
"#;

/// Says where it is, and leaves a mark when it is told to sweep.
const GUEST: &str = r#"#!/bin/sh
if [ "$1" = --sweep ]; then
    echo "$2" >"$HERE/swept"
    exit 0
fi
here=$(dirname "$0")
echo "$here" >"$HERE/folder"
mkdir results
"#;

struct World {
    folder: TempDir,
}

impl World {
    /// A machine named `there`, and a bundle whose guest ends so.
    fn new(ending: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.program("bin/ssh", SSH);
        world.program("bundle/guest", &format!("{GUEST}{ending}"));
        let mut archive = tar::Builder::new(fs::File::create(world.path("bundle.tar")).unwrap());
        archive.append_path_with_name(world.path("bundle/guest"), "guest").unwrap();
        archive.finish().unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        command.args(["remote", "there", "--bundle"]).arg(self.path("bundle.tar"));
        command.arg("--results").arg(self.path("results")).args(arguments);
        command.env("PATH", path).env("HERE", self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Where the guest was; nothing of it may be left.
    fn nothing_is_left(&self) {
        let folder = fs::read_to_string(self.path("folder")).unwrap();
        let folder = Path::new(folder.trim());
        assert!(folder.starts_with("/tmp") && folder != Path::new("/tmp"), "{}", folder.display());
        assert!(!folder.exists(), "{} is left", folder.display());
        let children = fs::read_to_string(self.path("children")).unwrap_or_default();
        for child in children.lines() {
            // A signal takes its moment; and who has died may wait for somebody to take note.
            let runs = || {
                let output = Command::new("ps").args(["-o", "stat=", "-p", child]).output().unwrap();
                let state = String::from_utf8(output.stdout).unwrap();
                !state.trim().is_empty() && !state.trim().starts_with('Z')
            };
            assert!((0..100).any(|_| !runs()), "process {child} still runs");
        }
        let swept = fs::read_to_string(self.path("swept")).unwrap();
        assert_eq!(Path::new(swept.trim()), folder.join("tmp"));
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const GOOD: &str = r#"
echo '{"suite":"it","cases":[{"name":"x","wrong":null}]}' >results/it.json
echo "$@" >results/words.log
echo "it says something"
"#;

#[test]
fn the_bundle_goes_and_the_results_come() {
    let world = World::new(GOOD);
    let output = world.run(&["--only", "topologies", "--filter", "it's $HOME"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("it: 1 of 1") && said(&output).contains("it says something"), "{}", said(&output));
    let words = fs::read_to_string(world.path("results/words.log")).unwrap();
    assert_eq!(words.trim(), "--results results --only topologies --filter it's $HOME");
    world.nothing_is_left();
}

#[test]
fn what_makes_root_is_used_for_everything_that_needs_it() {
    let world = World::new(GOOD);
    world.program("bin/as-root", "#!/bin/sh\nshift\necho \"$@\" >>\"$HERE/asked\"\nexec \"$@\"\n");
    let output = world.run(&["--become", "as-root -n"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let asked = fs::read_to_string(world.path("asked")).unwrap();
    for what in ["env TMPDIR=", "/guest --sweep", "find /tmp/cellblock."] {
        assert!(asked.contains(what), "{what}: {asked}");
    }
    world.nothing_is_left();
}

#[test]
fn what_is_wrong_there_is_told() {
    let world = World::new(
        "echo '{\"suite\":\"it\",\"cases\":[{\"name\":\"x\",\"wrong\":\"no\"}]}' >results/it.json\nexit 1\n",
    );
    let output = world.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("FAILED it: x"), "{}", said(&output));
    world.nothing_is_left();
}

#[test]
fn a_guest_that_dies_brings_nothing_and_leaves_nothing() {
    let world = World::new("kill -9 $$\n");
    let output = world.run(&[]);
    assert_eq!(output.status.code(), Some(70), "{}", said(&output));
    world.nothing_is_left();
}

#[test]
fn a_machine_that_is_not_there_is_told() {
    let world = World::new(GOOD);
    let mut command = world.command(&[]);
    world.program("bin/ssh", "#!/bin/sh\nexit 255\n");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(70));
    assert!(said(&output).contains("ssh did not reach there"), "{}", said(&output));
}

/// It and its children, one of the bundle and one of the machine, would run for longer than any test.
const ENDLESS: &str = r#"
ln -s /bin/sleep "$here/child"
"$here/child" 100000 &
echo $! >"$HERE/children"
sleep 100000 &
echo $! >>"$HERE/children"
echo started >"$HERE/started"
wait
"#;

/// A pipe that this process reads and programs write: reading waits until one does.
fn pipe(world: &World, name: &str) -> PathBuf {
    let path = world.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn work_that_takes_too_long_is_stopped_there() {
    let world = World::new(&ENDLESS.replace("$HERE/started", "/dev/null"));
    let output = world.run(&["--limit", "0"]);
    assert_eq!(output.status.code(), Some(70), "{}", said(&output));
    assert!(said(&output).contains("not done after 0 minutes"), "{}", said(&output));
    // It may have been stopped before it came to anything.
    if world.path("folder").exists() {
        world.nothing_is_left();
    }
}

/// Starts endless work, and ends one of the processes on this side once it runs.
fn cut_off(end: impl FnOnce(&World, &mut Child)) {
    let world = World::new(ENDLESS);
    let (started, over) = (pipe(&world, "started"), pipe(&world, "over"));
    // Whoever is killed on this side: the shell on the other one tells when it has swept.
    world.program(
        "bin/ssh",
        &SSH.replace(
            "/bin/sh -c \"$*\" <&5 &",
            "echo $$ >\"$HERE/ssh\"\n(/bin/sh -c \"$*\"; echo over >\"$HERE/over\") <&5 &",
        ),
    );
    let mut child = world.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    fs::read_to_string(started).unwrap();
    end(&world, &mut child);
    fs::read_to_string(over).unwrap();
    world.nothing_is_left();
    let status = child.wait().unwrap();
    assert!(!status.success());
}

#[test]
fn nothing_is_left_when_this_side_is_killed() {
    cut_off(|_, child| child.kill().unwrap());
}

#[test]
fn nothing_is_left_when_ssh_is_killed() {
    cut_off(|world, _| {
        let ssh = fs::read_to_string(world.path("ssh")).unwrap();
        assert!(Command::new("kill").args(["-9", ssh.trim()]).status().unwrap().success());
    });
}
