//! What became of everything that was tried.

use std::path::Path;

/// The cases of one suite.
#[derive(Debug)]
pub struct Suite {
    name: &'static str,
    cases: Vec<(String, Option<String>)>,
    skipped: Vec<(String, String)>,
}

impl Suite {
    pub fn new(name: &'static str) -> Self {
        Self { name, cases: Vec::new(), skipped: Vec::new() }
    }

    /// Notes a case, and says so.
    pub fn case(&mut self, name: String, outcome: Result<(), String>) -> bool {
        let wrong = outcome.err();
        match &wrong {
            None => println!("ok {}: {name}", self.name),
            Some(why) => println!("FAILED {}: {name}: {why}", self.name),
        }
        self.cases.push((name, wrong));
        self.cases.last().is_some_and(|(_, wrong)| wrong.is_none())
    }

    /// Notes something that cannot be tried on this machine.
    pub fn skip(&mut self, name: String, why: String) {
        println!("skipped {}: {name}: {why}", self.name);
        self.skipped.push((name, why));
    }

    pub fn is_good(&self) -> bool {
        self.cases.iter().all(|(_, wrong)| wrong.is_none())
    }

    /// Writes the suite for whoever takes it home.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let cases: Vec<_> =
            self.cases.iter().map(|(name, wrong)| serde_json::json!({ "name": name, "wrong": wrong })).collect();
        let skipped: Vec<_> =
            self.skipped.iter().map(|(name, why)| serde_json::json!({ "name": name, "why": why })).collect();
        let text = serde_json::json!({ "suite": self.name, "cases": cases, "skipped": skipped }).to_string();
        std::fs::write(folder.join(format!("{}.json", self.name)), text)
    }
}

/// Whether two pictures are of the same kernel.
pub fn same(before: &[String], after: &[String]) -> Result<(), String> {
    let missing = before.iter().filter(|line| !after.contains(line)).map(|line| format!("missing: {line}"));
    let left = after.iter().filter(|line| !before.contains(line)).map(|line| format!("left: {line}"));
    let differs: Vec<String> = missing.chain(left).collect();
    if differs.is_empty() { Ok(()) } else { Err(differs.join("; ")) }
}
