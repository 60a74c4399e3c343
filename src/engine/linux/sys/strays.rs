//! First processes of nodes that are known by nothing but themselves: what tells of them is in the lab's file system, and whoever unmounts
//! that takes it away from everybody's sight, theirs too. Each has a file of no folder open whose name says lab and token, which nobody can
//! take from it. Anybody could make such a file: those of other users count for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::child::{FIRST, MARK};
use super::{call, folder, holder, processes};
use crate::engine::Kept;
use crate::model::LabName;

/// What the names of such files begin with, and what /proc says before and after them.
const NAME: &str = "cellblock:";
const BEFORE: &str = "/memfd:";
const AFTER: &str = " (deleted)";

/// How often it is looked again for what began meanwhile.
const ROUNDS: usize = 100;

/// The file by which the first process of a node of that lab is known. Nobody can write to it.
pub(super) fn mark(lab: &LabName, token: &str) -> io::Result<OwnedFd> {
    let file = memfd_create(format!("{NAME}{lab}:{token}"), MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

/// The first process of a node.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) lab: LabName,
    pub(super) token: String,
    pub(super) number: i32,
    pub(super) started: u64,
    /// It, whatever its number means later.
    process: OwnedFd,
    /// The kernel's number of the network stack it is in.
    network: u64,
}

/// The first processes of all nodes, of whatever lab.
pub(super) fn all() -> io::Result<Vec<Stray>> {
    let own = fs::metadata("/proc/self/ns/net")?.ino();
    let mut found = Vec::new();
    for number in processes::numbers()?.into_iter().filter(|number| is_named(*number)) {
        found.extend(look(number).filter(|stray| stray.network != own));
    }
    Ok(found)
}

/// Opened before it is looked at: afterwards the number cannot become another's. One that ends meanwhile is none.
fn look(number: i32) -> Option<Stray> {
    let process = call::open_process(number).ok()?;
    if processes::user(number).ok()? != call::user() {
        return None;
    }
    let file = fs::read_link(format!("/proc/{number}/fd/{MARK}")).ok()?;
    let (lab, token) = read(file.to_str()?)?;
    let network = fs::metadata(format!("/proc/{number}/ns/net")).ok()?.ino();
    let (_, started) = processes::name(number).ok()?;
    Some(Stray { lab, token, number, started, process, network })
}

/// Lab and token of a file's name.
fn read(file: &str) -> Option<(LabName, String)> {
    let name = file.strip_prefix(BEFORE)?.strip_suffix(AFTER)?.strip_prefix(NAME)?;
    let (lab, token) = name.split_once(':')?;
    Some((lab.parse().ok()?, token.to_owned()))
}

/// Lab and token of a process that is the first one of a node.
pub(super) fn lab_of(number: i32) -> Option<(LabName, String)> {
    look(number).filter(|_| is_named(number)).map(|stray| (stray.lab, stray.token))
}

fn is_named(number: i32) -> bool {
    fs::read(format!("/proc/{number}/comm")).is_ok_and(|name| name.trim_ascii_end() == FIRST.to_bytes())
}

/// The labs whose first processes are here and whose file systems nobody sees any more but who is in a node. One that somebody sees is
/// found by whoever is where it is seen.
pub(super) fn kept() -> io::Result<Vec<Kept>> {
    let mut labs: BTreeMap<(LabName, String), Vec<String>> = BTreeMap::new();
    let mut networks = BTreeSet::new();
    for Stray { lab, token, number, started, network, .. } in all()? {
        let what = format!("process {number} ({}), started {started} ticks after the boot", FIRST.to_string_lossy());
        labs.entry((lab, token)).or_default().push(what);
        networks.insert(network);
    }
    if !labs.is_empty() {
        let table = |number| fs::read_to_string(format!("/proc/{number}/mountinfo")).unwrap_or_default();
        let mut seen = vec![fs::read_to_string("/proc/self/mountinfo")?];
        let outside = processes::everybody()?.into_iter().filter(|(_, network)| !networks.contains(network));
        seen.extend(outside.map(|(number, _)| table(number)));
        labs.retain(|(_, token), _| !seen.iter().any(|table| folder::bears(table, token)));
    }
    Ok(labs.into_iter().map(|((lab, token), processes)| Kept { lab, token, processes }).collect())
}

/// Ends the first processes of a lab's nodes, all that runs beneath them, and what else is in their network stacks.
pub(super) fn end(lab: &LabName, token: &str) -> io::Result<()> {
    let mut networks = BTreeSet::new();
    for _ in 0..ROUNDS {
        let mut is_over = true;
        for stray in all()?.into_iter().filter(|stray| stray.lab == *lab && stray.token == token) {
            networks.insert(stray.network);
            holder::kill(stray.process.as_fd())?;
            is_over = false;
        }
        if networks.is_empty() {
            return Ok(());
        }
        for (number, _) in processes::everybody()?.into_iter().filter(|(_, network)| networks.contains(network)) {
            is_over &= !end_one(number, &networks)?;
        }
        if is_over {
            return Ok(());
        }
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

/// Ends a process if it is in one of these network stacks; whether it was. What was opened is its own only if it was still there
/// afterwards.
fn end_one(number: i32, networks: &BTreeSet<u64>) -> io::Result<bool> {
    let Ok(process) = call::open_process(number) else { return Ok(false) };
    match fs::metadata(format!("/proc/{number}/ns/net")) {
        Ok(about) if networks.contains(&about.ino()) => holder::kill(process.as_fd()).map(|()| true),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_mark_says_lab_and_token_and_cannot_be_written_to() {
        let lab: LabName = "office".parse().unwrap();
        let mark = mark(&lab, "00ff").unwrap();
        let file = fs::read_link(format!("/proc/self/fd/{}", mark.as_raw_fd())).unwrap();
        assert_eq!(read(file.to_str().unwrap()), Some((lab, "00ff".to_owned())));
        assert!(rustix::io::write(&mark, b"x").is_err());
        for other in ["/memfd:office:00ff (deleted)", "/tmp/cellblock:office:00ff", "/memfd:cellblock:office (deleted)"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        // It may have had the very number that the mark of a first process has.
        drop(mark);
        assert!(look(i32::try_from(std::process::id()).unwrap()).is_none(), "it is no first process");
    }
}
