//! Further recordings: every `*.jsonl` of a folder that is one of netgraph.

use std::fs;
use std::path::{Path, PathBuf};

use super::replay::Replay;
use super::{Outcome, read, replay};

/// Replays them all; gives the complaints.
///
/// # Errors
/// A folder that cannot be read, or that has no recording in it.
pub fn replay_all(folder: &Path) -> Result<Vec<String>, String> {
    let files = files(folder)?;
    let complaint = |file: &PathBuf| {
        let outcome: Outcome = replay(file, Replay::mapped());
        (!outcome.differences.is_empty()).then(|| format!("{}: {}", file.display(), outcome.complaint()))
    };
    Ok(files.iter().filter_map(complaint).collect())
}

/// The recordings of netgraph in a folder, by name. Files of other recordings may lie beside them.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| error.to_string()));
    let mut files: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl") && is_netgraph(path));
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no recording of netgraph (*.jsonl) is in it", folder.display()));
    }
    Ok(files)
}

/// Whether its lines are operations; other recordings have none.
fn is_netgraph(path: &Path) -> bool {
    read(path).iter().any(|line| line["op"].is_string())
}

#[cfg(test)]
mod tests {
    use ngsock::generic::{GetNodeInfo, MkPeer, NodeInfo, SetName};
    use ngsock::message::{Message, encode_reply, encode_request};
    use ngsock::name::Name;
    use ngsock::{HookName, NodeId, NodeName, Request, TypeName};
    use serde_json::{Value, json};

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn request<R: Request>(token: u32, request: &R) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_request(&mut bytes, token, request).unwrap();
        bytes
    }

    /// A hub is made, named, and looked at, in a kernel whose nodes have other numbers than the simulator's.
    fn lines(hub: &str) -> Vec<Value> {
        let hook = |name| HookName::new(name).unwrap();
        let mkpeer = request(1, &MkPeer::new(&TypeName::new("hub").unwrap(), &hook("a"), &hook("b")));
        let name = request(2, &SetName::new(&NodeName::new("hub0").unwrap()));
        let look = request(3, &GetNodeInfo);
        let info =
            NodeInfo { name: Name::new("hub0").unwrap(), kind: Name::new(hub).unwrap(), id: NodeId(0x1234), hooks: 1 };
        let mut reply = Vec::new();
        encode_reply(&mut reply, &Message::parse(&look).unwrap().header, &info).unwrap();
        let again = request(4, &GetNodeInfo);
        vec![
            json!({"op": "bind me", "errno": 0}),
            json!({"op": "mkpeer .: hub a b", "path": ".:", "request": hex(&mkpeer), "errno": 0, "replies": []}),
            json!({"op": "name .:a hub0", "path": ".:a", "request": hex(&name), "errno": 0, "replies": []}),
            json!({"op": "nodeinfo hub0:", "path": "hub0:", "request": hex(&look), "errno": 0,
                "replies": [{"from": "[1234]:", "bytes": hex(&reply)}]}),
            json!({"op": "nodeinfo nosuch:", "path": "nosuch:", "request": hex(&again), "errno": 2, "replies": []}),
            json!({"sh": "uname -a", "output": "FreeBSD", "status": 0}),
        ]
    }

    fn write(folder: &Path, name: &str, lines: &[Value]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(folder.join(name), text).unwrap();
    }

    #[test]
    fn a_folder_of_further_recordings_is_replayed_and_judged() {
        let folder = std::env::temp_dir().join(format!("cellblock-recordings-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(replay_all(&folder).unwrap_err().contains("no recording of netgraph"));
        write(&folder, "other.jsonl", &[json!({"call": "jail_set", "errno": 0})]);
        fs::write(folder.join("notes.txt"), "not a recording").unwrap();
        assert!(replay_all(&folder).unwrap_err().contains("no recording of netgraph"));

        write(&folder, "good.jsonl", &lines("hub"));
        assert_eq!(replay_all(&folder), Ok(Vec::new()));
        let outcome = replay(&folder.join("good.jsonl"), Replay::mapped());
        assert_eq!((outcome.covered, outcome.total, outcome.unknown), (5, 6, vec!["uname -a".to_owned()]));

        write(&folder, "wrong-reply.jsonl", &lines("bridge"));
        let mut wrong_errno = lines("hub");
        wrong_errno[4]["errno"] = json!(22);
        write(&folder, "wrong-errno.jsonl", &wrong_errno);
        let complaints = replay_all(&folder).unwrap();
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].contains("wrong-errno.jsonl: 1 lines differ:\nline 5: nodeinfo nosuch:: errno is"));
        assert!(complaints[1].contains("wrong-reply.jsonl: 1 lines differ:\nline 4: nodeinfo hub0:: reply is"));
        fs::remove_dir_all(&folder).unwrap();
        assert!(replay_all(&folder).is_err(), "a folder that is not there");
    }
}
