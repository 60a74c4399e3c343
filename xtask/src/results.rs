//! What the guest brings back: a tar archive with a JSON file for each suite, and logs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Deserialize;

/// No result is larger.
const LARGEST: u64 = 64 << 20;

/// A suite as the guest writes it.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Suite {
    pub suite: String,
    pub cases: Vec<Case>,
    #[serde(default)]
    pub skipped: Vec<Skipped>,
}

/// Something that was tried; `wrong` says what came instead.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub wrong: Option<String>,
}

/// Something that could not be tried here, and why.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Skipped {
    pub name: String,
    pub why: String,
}

/// Unpacks an archive below `folder`. Only plain files below `results/` are taken.
///
/// # Errors
/// An archive that is none, a file that cannot be written.
pub fn unpack(archive: impl Read, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let entry = entry.context("the results are no tar archive")?;
        let path = entry.path()?.into_owned();
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let Some(name) = path.file_name().filter(|_| inside && entry.header().entry_type().is_file()) else { continue };
        ensure!(entry.size() <= LARGEST, "{} is too large", path.display());
        let target = folder.join(name);
        let mut bytes = Vec::new();
        entry.take(LARGEST).read_to_end(&mut bytes)?;
        fs::write(&target, bytes).with_context(|| target.display().to_string())?;
        written.push(target);
    }
    ensure!(!written.is_empty(), "the guest brought nothing back");
    written.sort();
    Ok(written)
}

/// The suites among the files.
///
/// # Errors
/// A file that cannot be read as one.
pub fn read(files: &[PathBuf]) -> Result<Vec<Suite>> {
    let json = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "json"));
    json.map(|file| {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{} is no result", file.display()))
    })
    .collect()
}

/// Tells what came of everything, writes it as JUnit, and gives the exit code: 0 when everything was as it should be.
///
/// # Errors
/// The JUnit file cannot be written.
pub fn tell(suites: &[Suite], folder: &Path, code: i32) -> Result<ExitCode> {
    for suite in suites {
        for case in &suite.cases {
            if let Some(wrong) = &case.wrong {
                println!("FAILED {}: {}\n    {wrong}", suite.suite, case.name);
            }
        }
        for (why, names) in reasons(suite) {
            println!("skipped {}: {} ({why})", suite.suite, names.join(", "));
        }
    }
    for suite in suites {
        let wrong = suite.cases.iter().filter(|case| case.wrong.is_some()).count();
        println!("{}: {} of {}", suite.suite, suite.cases.len() - wrong, suite.cases.len());
    }
    let path = folder.join("junit.xml");
    fs::write(&path, junit(suites).to_string()?).with_context(|| path.display().to_string())?;
    println!("results and logs: {}", folder.display());
    let wrong = suites.iter().flat_map(|suite| &suite.cases).any(|case| case.wrong.is_some());
    Ok(match (wrong, code) {
        (false, 0) if !suites.is_empty() => ExitCode::SUCCESS,
        (true, _) => ExitCode::from(1),
        _ => {
            println!("the work in the guest ended with {code}");
            ExitCode::from(70)
        }
    })
}

/// What was skipped, by its reason.
fn reasons(suite: &Suite) -> BTreeMap<&str, Vec<&str>> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for skipped in &suite.skipped {
        reasons.entry(&skipped.why).or_default().push(&skipped.name);
    }
    reasons
}

fn junit(suites: &[Suite]) -> Report {
    let mut report = Report::new("cellblock on a FreeBSD kernel");
    for suite in suites {
        let mut told = TestSuite::new(suite.suite.as_str());
        for case in &suite.cases {
            let status = match &case.wrong {
                None => TestCaseStatus::success(),
                Some(wrong) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(wrong.as_str());
                    status
                }
            };
            told.add_test_case(TestCase::new(case.name.as_str(), status));
        }
        for skipped in &suite.skipped {
            let mut status = TestCaseStatus::skipped();
            status.set_message(skipped.why.as_str());
            told.add_test_case(TestCase::new(skipped.name.as_str(), status));
        }
        report.add_test_suite(told);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            // The crate's own setters refuse what a hostile archive may hold.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        let mut bytes = builder.into_inner().unwrap();
        // A disk is larger than what was written to it.
        bytes.resize(bytes.len() + 8192, 0);
        bytes
    }

    const GOOD: &str = r#"{"suite":"a","cases":[{"name":"x","wrong":null}],"skipped":[{"name":"z","why":"no zfs"}]}"#;
    const BAD: &str = r#"{"suite":"b","cases":[{"name":"y","wrong":"was <2>"}]}"#;

    #[test]
    fn results_come_back_and_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let packed = archive(&[("results/a.json", GOOD), ("results/a.log", "words"), ("results/b.json", BAD)]);
        let files = unpack(packed.as_slice(), folder.path()).unwrap();
        assert_eq!(files.len(), 3);
        let suites = read(&files).unwrap();
        assert_eq!(suites.len(), 2);
        assert_eq!(tell(&suites[..1], folder.path(), 0).unwrap(), ExitCode::SUCCESS);
        assert_eq!(tell(&suites[..1], folder.path(), 9).unwrap(), ExitCode::from(70));
        assert_eq!(tell(&suites, folder.path(), 1).unwrap(), ExitCode::from(1));
        assert_eq!(tell(&[], folder.path(), 0).unwrap(), ExitCode::from(70), "nothing is no success");
        let junit = fs::read_to_string(folder.path().join("junit.xml")).unwrap();
        assert!(junit.contains("cellblock"), "{junit}");
    }

    #[test]
    fn junit_has_every_case() {
        let suites: Vec<Suite> = [GOOD, BAD].iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let text = junit(&suites).to_string().unwrap();
        assert!(text.contains("was &lt;2&gt;") && text.contains("no zfs") && text.contains("failures=\"1\""), "{text}");
    }

    #[test]
    fn an_archive_writes_nothing_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).unwrap();
        let packed = archive(&[("../up.json", GOOD), ("results/a.json", GOOD)]);
        let files = unpack(packed.as_slice(), &inside).unwrap();
        assert_eq!(files, [inside.join("a.json")]);
        assert!(!folder.path().join("up.json").exists());
    }

    #[test]
    fn an_empty_disk_is_no_result() {
        let folder = tempfile::tempdir().unwrap();
        let error = unpack([0_u8; 4096].as_slice(), folder.path()).unwrap_err();
        assert!(error.to_string().contains("nothing back"), "{error}");
        let file = folder.path().join("x.json");
        fs::write(&file, "{").unwrap();
        assert!(read(&[file]).unwrap_err().to_string().contains("is no result"));
    }
}
