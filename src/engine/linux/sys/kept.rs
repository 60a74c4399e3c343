//! Labs without privilege that are found without any file of ours: their processes see the file system of the lab, whose source bears
//! the token, and nobody else can mount that where they are; where it was unmounted the first processes of nodes are still known.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::holder::{self, Holder};
use super::{call, folder, processes, strays};
use crate::engine::Kept;
use crate::model::LabName;

/// How often it is looked whether a process has begun another one before it was ended.
const ROUNDS: usize = 5;

/// A process, held by a descriptor that no other can get, and which one it is.
struct Seen {
    process: OwnedFd,
    number: i32,
    started: u64,
    command: String,
}

/// The labs that processes of this user keep, in the order of their names.
pub(super) fn list(state_dir: &Path, user: u32, boot: &str) -> io::Result<Vec<Kept>> {
    let mut found: BTreeMap<(LabName, String), Vec<String>> = BTreeMap::new();
    for (lab, token, seen) in look(user)? {
        let Seen { number, started, command, .. } = seen;
        let what = format!("process {number} ({command}), started {started} ticks after the boot");
        found.entry((lab, token)).or_default().push(what);
    }
    for (lab, holder) in holder::all(state_dir)? {
        if holder.user == user && holder.lives(boot) {
            // One that was begun and never came to mount anything is known by its file alone.
            let what = || vec![format!("process {}, which its file says holds the lab", holder.process())];
            found.entry((lab, holder.token().to_owned())).or_insert_with(what);
        }
    }
    Ok(found.into_iter().map(|((lab, token), processes)| Kept { lab, token, processes }).collect())
}

/// Ends every process of such a lab, and forgets its holder.
pub(super) fn end(state_dir: &Path, user: u32, boot: &str, lab: &LabName, token: &str) -> io::Result<()> {
    let file = holder::file(state_dir, lab.as_str());
    for _ in 0..ROUNDS {
        let theirs = look(user)?.into_iter().filter(|(own, bears, _)| own == lab && bears == token);
        let theirs: Vec<Seen> = theirs.map(|(_, _, seen)| seen).collect();
        for seen in &theirs {
            holder::kill(seen.process.as_fd())?;
        }
        if theirs.is_empty() {
            break;
        }
    }
    match Holder::read(&file)? {
        Some(holder) if holder.token() == token => holder.end(&file, boot),
        _ => Ok(()),
    }
}

/// Every process of this user that sees the file system of a lab which we do not see.
fn look(user: u32) -> io::Result<Vec<(LabName, String, Seen)>> {
    let own = fs::read_to_string("/proc/self/mountinfo")?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if !entry.metadata().is_ok_and(|about| about.uid() == user) {
            continue;
        }
        // Opened before it is looked at: afterwards the number cannot become another's.
        let Ok(process) = call::open_process(number) else { continue };
        let Ok(table) = fs::read_to_string(format!("/proc/{number}/mountinfo")) else { continue };
        let sees = folder::labs_of(&table).into_iter().find(|(_, token)| !folder::bears(&own, token));
        let lab = sees.or_else(|| strays::lab_of(number));
        let (Some((lab, token)), Ok((command, started))) = (lab, processes::name(number)) else { continue };
        found.push((lab, token, Seen { process, number, started, command }));
    }
    Ok(found)
}
