//! `test`: the checks of the file, on the running lab.

use std::time::Duration;

use serde::Serialize;

use super::context::Context;
use super::{site, topology};
use crate::checks::{self, Check, Family, Verdict};
use crate::cli::{Format, TestArgs};
use crate::lab::{self, Access, ProbeResult, Site};
use crate::model::Model;
use crate::output::junit::{self, Case, Outcome, Suite};
use crate::output::printer::{BAD, GOOD, styled};
use crate::output::table::{self, Align};
use crate::output::{Failure, Findings, Status, amount};

/// Echoes handed to the kernel at one time: enough to keep it busy, few enough for memory.
const BATCH: usize = 16_384;

pub(super) fn run(context: &mut Context<'_>, args: &TestArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml, Format::Junit])?;
    let (lab, topology) = topology::lab_of_target(context, &args.target)?;
    let mut site = site::open(context, Some(&lab), Access::Change)?;
    let outcome = match topology {
        Some(topology) => Ok((topology.model, topology.checks)),
        None => recorded(&site, &lab),
    };
    let outcome = outcome.and_then(|(model, checks)| {
        let results = checks.iter().map(|check| run_check(&mut site, &model, check)).collect::<Result<Vec<_>, _>>()?;
        Ok((model, results))
    });
    let (model, results) = site::close(site, outcome)?;
    let failed = results.iter().any(|result| !result.passed);
    match format {
        Format::Table => print_table(context, &model, &results),
        Format::Junit => {
            let suites: Vec<_> = results.iter().map(CheckResult::suite).collect();
            let text = junit::render(model.lab.as_str(), &suites);
            context.printer.result(text.map_err(|e| Failure::new(Status::Bug, format!("cannot write JUnit: {e}")))?);
        }
        _ => context.print_value(format, &Report { lab: model.lab.as_str(), passed: !failed, checks: &results })?,
    }
    Ok(if failed { Status::CheckFailed } else { Status::Done })
}

/// The checks of the topology that a lab was made from.
fn recorded(site: &Site, lab: &crate::model::LabName) -> Result<(Model, Vec<Check>), Failure> {
    let model = site.model(lab).map_err(site::failure)?;
    let checks = checks::compile(&model)
        .map_err(|diagnostics| Failure::file(Findings { diagnostics, ..Findings::default() }))?;
    Ok((model, checks))
}

/// What the checks of a lab came to.
#[derive(Debug, Serialize)]
struct Report<'a> {
    lab: &'a str,
    passed: bool,
    checks: &'a [CheckResult],
}

/// What one check came to.
#[derive(Debug, Serialize)]
struct CheckResult {
    check: String,
    passed: bool,
    pairs: Vec<PairResult>,
}

/// What one pair came to.
#[derive(Debug, Serialize)]
struct PairResult {
    #[serde(skip)]
    name: String,
    from: String,
    to: String,
    interface: String,
    address: std::net::IpAddr,
    family: Family,
    verdict: Verdict,
    /// In words.
    result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_ms: Option<f64>,
}

fn run_check(site: &mut Site, model: &Model, check: &Check) -> Result<CheckResult, Failure> {
    let mut pairs = Vec::new();
    let mut probes = check.probes().peekable();
    while probes.peek().is_some() {
        let batch: Vec<_> = probes.by_ref().take(BATCH).collect();
        let asked: Vec<_> = batch.iter().map(|probe| question(model, check, probe)).collect();
        let answers = site.probe(&model.lab, &asked).map_err(site::failure)?;
        pairs.extend(batch.iter().zip(answers).map(|(probe, answer)| pair_result(model, check, probe, &answer)));
    }
    let passed = pairs.iter().all(|pair| pair.verdict == Verdict::Pass);
    Ok(CheckResult { check: check.name.clone(), passed, pairs })
}

fn question(model: &Model, check: &Check, probe: &checks::Probe<'_>) -> lab::Probe {
    lab::Probe {
        from: model.node(probe.from).name.value.clone(),
        to: probe.to.address,
        interface: None,
        tries: check.tries,
        timeout: check.timeout,
    }
}

fn pair_result(model: &Model, check: &Check, probe: &checks::Probe<'_>, answer: &ProbeResult) -> PairResult {
    let round_trip = match answer {
        ProbeResult::Answered { after, .. } => Some(*after),
        _ => None,
    };
    PairResult {
        name: probe.describe(model),
        from: model.node(probe.from).name.value.to_string(),
        to: model.node(probe.to.node).name.value.to_string(),
        interface: probe.to.interface.clone(),
        address: probe.to.address,
        family: probe.family(),
        verdict: check.judge(answer),
        result: words(check, answer),
        round_trip_ms: round_trip.map(|time| time.as_secs_f64() * 1000.0),
    }
}

fn words(check: &Check, answer: &ProbeResult) -> String {
    match answer {
        ProbeResult::Answered { attempt: 1, .. } => "answered".to_owned(),
        ProbeResult::Answered { attempt, .. } => format!("answered at try {attempt}"),
        ProbeResult::Silent => {
            let tries = if check.tries == 1 { "1 try".to_owned() } else { format!("{} tries", check.tries) };
            format!("no answer in {tries} of {:?}", check.timeout)
        }
        ProbeResult::Unreachable { why } => why.clone(),
        ProbeResult::Failed { why } => format!("cannot send: {why}"),
    }
}

impl CheckResult {
    fn suite(&self) -> Suite {
        let case = |pair: &PairResult| Case {
            name: pair.name.clone(),
            time: pair.round_trip_ms.map(|ms| Duration::from_secs_f64(ms / 1000.0)),
            outcome: match pair.verdict {
                Verdict::Pass => Outcome::Success,
                Verdict::Fail => Outcome::Failure(pair.result.clone()),
                Verdict::Error => Outcome::Error(pair.result.clone()),
            },
        };
        Suite { name: self.check.clone(), cases: self.pairs.iter().map(case).collect() }
    }

    fn bad_pairs(&self) -> impl Iterator<Item = &PairResult> {
        self.pairs.iter().filter(|pair| pair.verdict != Verdict::Pass)
    }
}

fn print_table(context: &mut Context<'_>, model: &Model, results: &[CheckResult]) {
    let headings = [("CHECK", Align::Left), ("PAIRS", Align::Right), ("FAILED", Align::Right), ("RESULT", Align::Left)];
    let rows: Vec<_> = results
        .iter()
        .map(|result| {
            let word = if result.passed { "pass" } else { "FAIL" };
            let (pairs, bad) = (result.pairs.len(), result.bad_pairs().count());
            vec![result.check.clone(), pairs.to_string(), bad.to_string(), word.to_owned()]
        })
        .collect();
    context.printer.result(table::render(&headings, &rows));
    for pair in results.iter().flat_map(CheckResult::bad_pairs) {
        context.printer.result(format!("{} {}: {}\n", styled(BAD, "failed:"), pair.name, pair.result));
    }
    let failed = results.iter().filter(|result| !result.passed).count();
    let text = format!("{} of lab `{}`: {failed} failed", amount(results.len(), "check"), model.lab);
    context.printer.result(styled(if failed == 0 { GOOD } else { BAD }, text) + "\n");
}
