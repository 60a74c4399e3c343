//! As much of zfs(8) as labs use. Every snapshot that is named exists: there are no files to be in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::freebsd::doors::ZfsAnswer;
use crate::sim::kernel::Kernel;

/// A dataset that was made by a clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    origin: String,
    properties: BTreeMap<String, String>,
}

impl Dataset {
    pub(super) fn mountpoint(&self) -> Option<&str> {
        self.properties.get("mountpoint").map(String::as_str)
    }
}

/// Runs zfs(8).
pub fn run(kernel: &mut Kernel, arguments: &[&str]) -> ZfsAnswer {
    let done = match arguments {
        ["clone", rest @ ..] => clone(kernel, rest),
        ["destroy", name] => destroy(kernel, name),
        ["list", "-H", "-p", "-o", columns, names @ ..] => return list(kernel, columns, names),
        _ => Err("unrecognized command".to_owned()),
    };
    match done {
        Ok(()) => ZfsAnswer { code: 0, output: String::new(), complaint: String::new() },
        Err(complaint) => ZfsAnswer { code: 1, output: String::new(), complaint: complaint + "\n" },
    }
}

fn clone(kernel: &mut Kernel, arguments: &[&str]) -> Result<(), String> {
    let mut properties = BTreeMap::new();
    let mut rest = arguments;
    while let ["-o", setting, after @ ..] = rest {
        let (name, value) = setting.split_once('=').ok_or("missing '=' for property=value argument")?;
        properties.insert(name.to_owned(), value.to_owned());
        rest = after;
    }
    let [origin, name] = rest else { return Err("missing source or target dataset argument".to_owned()) };
    if !origin.contains('@') {
        return Err(format!("cannot open '{origin}': operation not applicable to datasets of this type"));
    }
    if kernel.host.datasets.contains_key(*name) {
        return Err(format!("cannot create '{name}': dataset already exists"));
    }
    kernel.host.datasets.insert((*name).to_owned(), Dataset { origin: (*origin).to_owned(), properties });
    Ok(())
}

fn destroy(kernel: &mut Kernel, name: &str) -> Result<(), String> {
    let dataset = kernel.host.datasets.get(name);
    let dataset = dataset.ok_or_else(|| format!("cannot open '{name}': dataset does not exist"))?;
    let at = dataset.mountpoint().unwrap_or_default().to_owned();
    if kernel.host.mounts.iter().any(|mount| mount.is_below(&at)) {
        return Err(format!("cannot unmount '{at}': pool or dataset is busy"));
    }
    kernel.host.datasets.remove(name);
    Ok(())
}

fn list(kernel: &Kernel, columns: &str, names: &[&str]) -> ZfsAnswer {
    let mut answer = ZfsAnswer { code: 0, output: String::new(), complaint: String::new() };
    for name in names {
        let Some(dataset) = kernel.host.datasets.get(*name) else {
            answer.code = 1;
            answer.complaint.push_str(&format!("cannot open '{name}': dataset does not exist\n"));
            continue;
        };
        let column = |column: &str| match column {
            "name" => (*name).to_owned(),
            "origin" => dataset.origin.clone(),
            other => dataset.properties.get(other).cloned().unwrap_or_else(|| "-".to_owned()),
        };
        let row: Vec<String> = columns.split(',').map(column).collect();
        answer.output.push_str(&row.join("\t"));
        answer.output.push('\n');
    }
    answer
}
