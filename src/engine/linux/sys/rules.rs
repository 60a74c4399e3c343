//! Firewalls of nodes: loaded by nft(8) of the host in the node's network namespace, and what is kept about them in the lab's directory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{call, folder, inside, netlink_socket, no, open_namespace};
use crate::engine::EngineError;
use crate::graph::linux::Rules;
use crate::graph::{Name, Place};
use crate::model::LabName;
use crate::netlink::consts::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};
use crate::netlink::nftables;
use crate::netlink::wire::{Message, Messages};

/// Where nft(8) is besides the directories of `PATH`: users often have no such directories there.
const PLACES: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];
/// Octets of what nft(8) complains of that are passed on.
const MOST_SAID: u64 = 4096;
/// Datagrams of one dump of tables.
const MOST_DATAGRAMS: usize = 1000;

/// What a node was given.
#[derive(Debug, Serialize, Deserialize)]
struct Loaded {
    file: Name,
    text: Name,
    #[serde(flatten)]
    there: There,
}

/// What there was when it had been loaded.
#[derive(Debug, Default, Serialize, Deserialize)]
struct There {
    /// Tables by family and name.
    tables: BTreeSet<(u8, String)>,
    /// What tells each chain, rule and set in them.
    #[serde(default)]
    contents: BTreeSet<String>,
}

impl There {
    /// All of it is there: programs in the node may have added something of theirs.
    fn is_within(&self, now: &Self) -> bool {
        self.tables.is_subset(&now.tables) && self.contents.is_subset(&now.contents)
    }
}

/// nft(8) of this machine.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let places = path.split(':').filter(|place| place.starts_with('/')).chain(PLACES);
    places.map(|place| Path::new(place).join("nft")).find(|program| program.is_file())
}

fn records(lab: &LabName) -> PathBuf {
    folder::lab(lab).join("rules")
}

fn record(lab: &LabName, place: &Place) -> io::Result<PathBuf> {
    match place {
        Place::Node(node) => Ok(records(lab).join(node.as_str())),
        Place::Host | Place::Lab => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Forgets what a node was given.
pub(super) fn forget(lab: &LabName, place: &Place) -> io::Result<()> {
    match record(lab, place).map(fs::remove_file) {
        Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives a node rules in place of what it has, or none.
pub(super) fn set(lab: &LabName, place: &Place, network: &File, rules: Option<&Rules>) -> Result<(), EngineError> {
    load(place, network, rules)?;
    let kept = match rules {
        Some(rules) => look(network).and_then(|there| keep(lab, rules, there)),
        None => forget(lab, place),
    };
    kept.map_err(|error| no(format!("rules of {place}"), "write", &error))
}

fn keep(lab: &LabName, rules: &Rules, there: There) -> io::Result<()> {
    let path = record(lab, &rules.place)?;
    match fs::create_dir(records(lab)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let beside = path.with_added_extension("new");
    fs::write(&beside, serde_json::to_vec(&Loaded { file: rules.file.clone(), text: rules.text.clone(), there })?)?;
    fs::rename(beside, path)
}

fn load(place: &Place, network: &File, rules: Option<&Rules>) -> Result<(), EngineError> {
    let object = format!("rules of {place}");
    let Some(program) = program() else {
        return Err(EngineError::strange(object, "nft", "the program nft is not there").hint("install nftables"));
    };
    // No shell, nothing of the file on the command line, and nothing of our streams.
    let run = || {
        let mut nft = Command::new(&program)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .current_dir("/")
            .spawn()?;
        // It reads all of it before it says anything; one that ended before has an exit status.
        if let Some(mut input) = nft.stdin.take() {
            let _ = input.write_all(Rules::input(rules).as_bytes());
        }
        let mut said = Vec::new();
        if let Some(stderr) = nft.stderr.take() {
            let mut first = stderr.take(MOST_SAID);
            first.read_to_end(&mut said)?;
            io::copy(&mut first.into_inner(), &mut io::sink())?;
        }
        Ok((nft.wait()?, said))
    };
    let (status, said) = inside::within(network.as_fd(), run).map_err(|error| no(&object, "nft", &error))?;
    if status.success() {
        return Ok(());
    }
    let file = rules.map_or("flush ruleset", |rules| &*rules.file);
    let said = String::from_utf8_lossy(&said).replace("/dev/stdin", file);
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nft says nothing").to_owned();
    let message = format!("nft refuses `{file}` for `{place}`: {first}");
    Err(EngineError::strange(object, "nft", message).hint("`nft -c -f FILE` checks a file; nothing of it was loaded"))
}

/// The rules that nodes were given, as far as all of them are there.
pub(super) fn list(lab: &LabName) -> Result<Vec<Rules>, EngineError> {
    let failed = |error: io::Error| no(lab, "read", &error);
    let entries = match fs::read_dir(records(lab)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let Some(node) = entry.map_err(failed)?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let place = Place::Node(node);
        let text = record(lab, &place).and_then(fs::read).map_err(failed)?;
        let Loaded { file, text, there } = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        // Without its namespace a node has no rules.
        let Ok(network) = open_namespace(lab, &place) else { continue };
        let now = look(&network).map_err(|error| no(&place, "NFT_MSG_GETTABLE", &error))?;
        if there.is_within(&now) {
            found.push(Rules { place, file, text });
        }
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(found)
}

/// What a namespace has.
fn look(network: &File) -> io::Result<There> {
    let socket = inside::within(network.as_fd(), || netlink_socket(libc::NETLINK_NETFILTER))?;
    let mut there = There::default();
    dump(&socket, &nftables::tables(), |message| there.tables.extend(nftables::table(message)))?;
    for request in nftables::contents() {
        dump(&socket, &request, |message| there.contents.extend(nftables::content(message)))?;
    }
    Ok(there)
}

/// Asks for all of a kind; each is told, some twice where somebody changes them meanwhile.
fn dump(socket: &OwnedFd, request: &[u8], mut tell: impl FnMut(&Message<'_>)) -> io::Result<()> {
    let (mut buffer, mut is_whole) = (Vec::new(), true);
    call::send(socket.as_fd(), request)?;
    for _ in 0..MOST_DATAGRAMS {
        call::receive(socket.as_fd(), &mut buffer)?;
        for message in Messages::new(&buffer) {
            is_whole &= message.flags & NLM_F_DUMP_INTR == 0;
            let code = message.payload.get(..4).and_then(|code| code.try_into().ok()).map_or(0, i32::from_ne_bytes);
            match message.kind {
                NLMSG_DONE | NLMSG_ERROR if code == 0 && is_whole => return Ok(()),
                // Changed while it was told: some may be missing.
                NLMSG_DONE if code == 0 => {
                    is_whole = true;
                    call::send(socket.as_fd(), request)?;
                }
                NLMSG_DONE | NLMSG_ERROR => return Err(io::Error::from_raw_os_error(code.saturating_abs())),
                _ => tell(&message),
            }
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}
