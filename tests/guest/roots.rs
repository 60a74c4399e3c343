//! Roots of nodes that are clones of a ZFS snapshot, where there is ZFS: a pool in a file, for as long as the test takes.

use std::path::Path;
use std::process::Command;

use cellblock::engine::freebsd::doors::Doors;

use super::outcome::{Suite, same};
use super::picture::host_picture;
use super::{Wanted, cellblock, said};

const POOL: &str = "cbroots";
const LAB: &str = "\
version: 1
name: cbroots
topology:
  nodes:
    n1: { kind: switch }
    copy: { kind: host, rootfs: { zfs: \"cbroots/base@1\" } }
    plain: { kind: host }
  links:
    - { endpoints: [ \"copy:eth0\", n1 ], ipv4: [ 10.203.0.1/24, ~ ] }
    - { endpoints: [ \"plain:eth0\", n1 ], ipv4: [ 10.203.0.2/24, ~ ] }
checks:
  - reach: { from: \"*\", to: \"*\" }
";

pub fn run<D: Doors>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("roots");
    let name = "a node on a ZFS clone".to_owned();
    if !wanted.fits(&name) {
        return suite;
    }
    let mut doors = doors();
    if !doors.has_module("zfs") && doors.load_module("zfs").is_err() {
        suite.skip(name, "no ZFS".to_owned());
        return suite;
    }
    let folder = std::env::temp_dir().join(format!("cellblock-roots-{}", std::process::id()));
    let outcome = std::fs::create_dir_all(&folder).map_err(|error| error.to_string());
    if suite.case("a folder for the pool".to_owned(), outcome) {
        let made = pool(&folder);
        if suite.case("a pool".to_owned(), made) {
            life(&mut suite, &folder, &mut doors);
        }
        let _ = tool("zpool", &["destroy", "-f", POOL]);
    }
    let _ = std::fs::remove_dir_all(&folder);
    suite
}

fn tool(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(said(&output)) }
}

/// A pool with a snapshot of an empty file system, which is enough for a jail where nothing runs.
fn pool(folder: &Path) -> Result<(), String> {
    let file = folder.join("disk");
    let disk = std::fs::File::create(&file).and_then(|disk| disk.set_len(128 << 20));
    disk.map_err(|error| error.to_string())?;
    let (file, mount) = (file.to_string_lossy().into_owned(), folder.join("pool").to_string_lossy().into_owned());
    tool("zpool", &["create", "-m", &mount, POOL, &file])?;
    tool("zfs", &["create", "cbroots/base"])?;
    tool("zfs", &["snapshot", "cbroots/base@1"]).map(drop)
}

fn life<D: Doors>(suite: &mut Suite, folder: &Path, doors: &mut D) {
    let (state, file) = (folder.join("state"), folder.join("lab.yaml"));
    let written = std::fs::write(&file, LAB).map_err(|error| error.to_string());
    if !suite.case("the lab".to_owned(), written) {
        return;
    }
    let path = file.to_string_lossy().into_owned();
    let datasets = || tool("zfs", &["list", "-H", "-o", "name", "-r", POOL]);
    let before = (host_picture(doors), datasets());
    let expect = |words: &[&str]| {
        let output = cellblock(&state, words);
        if output.status.success() { Ok(()) } else { Err(said(&output)) }
    };
    suite.case("up".to_owned(), expect(&["up", &path]));
    suite.case("a second plan is empty".to_owned(), expect(&["plan", "--detailed-exitcode", &path]));
    suite.case("checks".to_owned(), expect(&["test", &path]));
    let cloned = match (&before.1, datasets()) {
        (Ok(before), Ok(now)) if now.lines().count() == before.lines().count() + 1 => Ok(()),
        (before, now) => Err(format!("{before:?}, and then {now:?}")),
    };
    suite.case("there is one clone".to_owned(), cloned);
    suite.case("down".to_owned(), expect(&["down", "cbroots"]));
    let after = if datasets() == before.1 { Ok(()) } else { Err(format!("{:?}", datasets())) };
    suite.case("no clone is left".to_owned(), after);
    suite.case("the host is as before".to_owned(), same(&before.0, &host_picture(doors)));
}
