//! What was replayed, what was not and why, and what differed.

use std::collections::BTreeMap;

/// What became of one line.
pub enum Outcome {
    /// The simulated kernel answered alike.
    Same,
    /// It did not: what was expected and what came.
    Different(String),
    /// Not replayed, for this reason.
    Skipped(&'static str),
}

/// The account of one file.
pub struct Report {
    file: &'static str,
    same: usize,
    different: BTreeMap<usize, String>,
    skipped: BTreeMap<&'static str, Vec<usize>>,
}

impl Report {
    pub fn new(file: &'static str) -> Self {
        Self { file, same: 0, different: BTreeMap::new(), skipped: BTreeMap::new() }
    }

    pub fn add(&mut self, line: usize, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Same => self.same += 1,
            Outcome::Different(how) => {
                self.different.insert(line, format!("{name}: {how}"));
            }
            Outcome::Skipped(why) => self.skipped.entry(why).or_default().push(line),
        }
    }

    /// Prints the account; fails if differences are not exactly the known ones, each with its reason.
    pub fn finish(self, known: &[(usize, &str)]) {
        let skipped: usize = self.skipped.values().map(Vec::len).sum();
        let replayed = self.same + self.different.len();
        println!(
            "{}: {} lines, {replayed} replayed, {} alike, {} known to differ, {skipped} not replayed",
            self.file,
            replayed + skipped,
            self.same,
            known.len(),
        );
        for (why, lines) in &self.skipped {
            println!("  not replayed ({}): {why}: lines {lines:?}", lines.len());
        }
        for (line, why) in known {
            println!("  differs: line {line}: {why}");
        }
        let mut complaints = Vec::new();
        for (line, how) in &self.different {
            if !known.iter().any(|(at, _)| at == line) {
                complaints.push(format!("line {line} {how}"));
            }
        }
        for (line, _) in known {
            if !self.different.contains_key(line) {
                complaints.push(format!("line {line} is alike now: take it off the list"));
            }
        }
        assert!(complaints.is_empty(), "{}: {} complaints:\n{}", self.file, complaints.len(), complaints.join("\n"));
    }
}
