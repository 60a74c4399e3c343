//! What a verb is about: a topology file or a lab, and which node of it.

use std::path::{Path, PathBuf};

use super::context::Context;
use crate::cli::TargetArgs;
use crate::model::{LabName, NodeName};
use crate::output::{Failure, Status};

/// A topology file or a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A file; `-` is standard input.
    File(PathBuf),
    /// A lab, by name.
    Lab(LabName),
}

/// What is meant by the options and the argument, in this order: `-t`, `--lab`, the argument, and where nothing is said
/// the only topology file of the current directory.
pub(super) fn resolve(context: &Context<'_>, args: &TargetArgs) -> Result<Target, Failure> {
    let forced = match (&context.global.topology, &context.global.lab) {
        (Some(file), _) => Some(Target::File(file.clone())),
        (None, Some(lab)) => Some(Target::Lab(lab_name(lab)?)),
        (None, None) => None,
    };
    match (forced, &args.target) {
        (Some(_), Some(extra)) => {
            Err(Failure::usage(format!("-t or --lab says what is meant, and `{extra}` says it again")))
        }
        (Some(target), None) => Ok(target),
        (None, Some(text)) if is_file(text) => Ok(Target::File(PathBuf::from(text))),
        (None, Some(text)) => Ok(Target::Lab(lab_name(text)?)),
        (None, None) => only_topology(Path::new(".")).map(Target::File),
    }
}

/// As [`resolve`], for verbs that read a topology.
pub(super) fn resolve_file(context: &Context<'_>, args: &TargetArgs) -> Result<PathBuf, Failure> {
    match resolve(context, args)? {
        Target::File(file) => Ok(file),
        Target::Lab(lab) => {
            let failure = Failure::usage(format!("`{lab}` is the name of a lab; this verb reads a topology file"));
            let near = ["yaml", "yml"].map(|ending| format!("{lab}.{ending}"));
            Err(match near.iter().find(|name| Path::new(name).is_file()) {
                Some(name) => failure.hint(format!("`{name}` is here")),
                None => failure.hint(format!("a file is what contains `/` or ends in .yaml; `-t {lab}` forces it")),
            })
        }
    }
}

/// A node and, if it was said, its lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeRef {
    pub(super) node: NodeName,
    pub(super) lab: Option<LabName>,
}

/// Reads `NODE` or `NODE@LAB`.
pub(super) fn node_ref(text: &str) -> Result<NodeRef, Failure> {
    let (node, lab) = text.split_once('@').map_or((text, None), |(node, lab)| (node, Some(lab)));
    let node = NodeName::new(node).map_err(|error| Failure::usage(format!("not a node: {error}")))?;
    Ok(NodeRef { node, lab: lab.map(lab_name).transpose()? })
}

fn lab_name(text: &str) -> Result<LabName, Failure> {
    LabName::new(text).map_err(|error| {
        Failure::usage(format!("neither a file nor a lab: {error}"))
            .hint("a file is what contains `/`, ends in .yaml or .yml, or is `-`; `-t FILE` forces it")
    })
}

fn is_file(text: &str) -> bool {
    text == "-" || text.contains('/') || is_yaml(Path::new(text))
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// The only topology file of a directory: files for other programs may lie beside it.
pub(super) fn only_topology(directory: &Path) -> Result<PathBuf, Failure> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| Failure::new(Status::NotFound, format!("cannot list the current directory: {error}")))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .map(PathBuf::from)
        .filter(|name| is_yaml(name) && is_topology(&directory.join(name)))
        .collect();
    found.sort();
    let none =
        || Failure::usage("no topology file in this directory").hint("name one, or the lab you mean; see `--help`");
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(none()),
        several => {
            let names: Vec<_> = several.iter().map(|name| name.display().to_string()).collect();
            Err(Failure::usage(format!("{} topology files in this directory", several.len()))
                .hint(format!("name one of {}", names.join(", "))))
        }
    }
}

/// Whether a file has `topology:` at the start of a line: what each needs and hardly any other YAML file has.
fn is_topology(path: &Path) -> bool {
    let begins = |line: &[u8]| line.starts_with(b"topology:");
    path.is_file() && std::fs::read(path).is_ok_and(|bytes| bytes.split(|byte| *byte == b'\n').any(begins))
}

/// Nodes by name.
pub(super) fn nodes(texts: &[String]) -> Result<Vec<NodeName>, Failure> {
    let node = |text: &String| {
        text.parse().map_err(|error| Failure::usage(format!("--target: `{text}` is no name of a node: {error}")))
    };
    texts.iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_look_like_files() {
        for (text, expected) in [
            ("office", false),
            ("office.yaml", true),
            ("office.yml", true),
            ("./office", true),
            ("labs/office", true),
            ("-", true),
            ("office.toml", false),
        ] {
            assert_eq!(is_file(text), expected, "{text}");
        }
    }

    #[test]
    fn nodes_may_name_their_lab() {
        let with = node_ref("r1@office").unwrap();
        assert_eq!((with.node.as_str(), with.lab.as_ref().map(LabName::as_str)), ("r1", Some("office")));
        assert_eq!(node_ref("r1").unwrap().lab, None);
        for bad in ["", "@office", "r1@", "R1", "r1@a@b"] {
            assert_eq!(node_ref(bad).unwrap_err().status, Status::Usage, "{bad}");
        }
    }

    #[test]
    fn alone_in_a_directory_is_the_only_file_with_a_topology() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert!(only_topology(folder.path()).is_err());
        write("lab.yaml", "version: 1\ntopology: { nodes: {} }\n");
        write("compose.yaml", "services: {}\n");
        write("notes.txt", "topology:\n");
        assert_eq!(only_topology(folder.path()).unwrap(), PathBuf::from("lab.yaml"));
        write("other.yml", "topology:\n  nodes: {}\n");
        let failure = only_topology(folder.path()).unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert_eq!(failure.hint.as_deref(), Some("name one of lab.yaml, other.yml"));
    }
}
