//! Steps in their order, and back again when one fails or the user has had enough.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::stop::{Stop, Wish};
use super::{Engine, EngineError, Lane, StepResult};
use crate::graph::Place;
use crate::plan::{LinuxStep, Plan, Planned, Step};

/// What is going on.
#[derive(Debug)]
pub enum Event<'e> {
    /// A stage begins.
    Stage {
        /// Which, from 0.
        number: usize,
        /// Steps done before it.
        done: usize,
        /// Its steps.
        steps: &'e [&'e Step],
    },
    /// A step failed, or somebody wants it to end; walking back.
    Undoing(&'e EngineError),
}

/// A plan was not carried out.
#[derive(Clone, Debug)]
pub struct RunError {
    /// Why.
    pub error: EngineError,
    /// Which step, from 1.
    pub step: usize,
    /// Of how many.
    pub of: usize,
    /// Steps before it that could not be taken back, and why.
    pub left: Vec<EngineError>,
    /// Nothing more was done: neither forward nor back. The journal says what was meant.
    pub abandoned: bool,
    /// Not one step is known to have been done. One whose answer was lost may have been.
    pub untouched: bool,
}

/// How far to go, and how fast.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// When the kernel's clock is past it, what was done is taken back.
    pub deadline: Option<Duration>,
    /// Who may want it to end.
    pub stop: Stop,
    /// How many steps may be done at one time, where the engine can do that; else one.
    pub jobs: Option<NonZeroUsize>,
}

impl Bounds {
    /// Why not to go on, if there is a reason.
    fn reason(&self, engine: &mut dyn Engine, lab: &str) -> Option<EngineError> {
        if self.stop.wish() != Wish::GoOn {
            return Some(EngineError::strange(lab, "", "interrupted"));
        }
        let is_late = self.deadline.is_some_and(|deadline| engine.now() > deadline);
        is_late.then(|| EngineError::strange(lab, "", "the time is up"))
    }

    fn must_leave(&self) -> bool {
        self.stop.wish() == Wish::Leave
    }
}

/// Runs a plan, stage by stage, the steps of one place together. `tell` hears of each stage before it begins: the number of steps done
/// and the steps to come. Between stages and places it is looked whether to go on.
///
/// # Errors
/// The first refusal, or that it was to end, after everything that was done before has been taken back as far as the kernel lets us.
pub fn run(
    engine: &mut dyn Engine,
    plan: &Plan,
    bounds: &Bounds,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<usize, Box<RunError>> {
    let of = plan.steps.len();
    let mut done: Vec<&Step> = Vec::with_capacity(of);
    for (number, lanes) in stages(&plan.steps).into_iter().enumerate() {
        let stage: Vec<&Step> = lanes.iter().flat_map(|lane| lane.steps.iter().copied()).collect();
        tell(Event::Stage { number, done: done.len(), steps: &stage });
        let lab = plan.lab.as_str();
        if let Some(error) = perform_stage(engine, lab, &lanes, bounds, &mut done) {
            let step = (done.len() + 1).min(of);
            tell(Event::Undoing(&error));
            let left = walk_back(engine, &done, bounds);
            let (abandoned, untouched) = (bounds.must_leave(), done.is_empty());
            return Err(Box::new(RunError { error, step, of, left, abandoned, untouched }));
        }
    }
    Ok(done.len())
}

/// Does the steps of one stage, many places at a time where the engine can; those done are added to `done`.
fn perform_stage<'s>(
    engine: &mut dyn Engine,
    lab: &str,
    lanes: &[Lane<'s>],
    bounds: &Bounds,
    done: &mut Vec<&'s Step>,
) -> Option<EngineError> {
    if let Some(reason) = bounds.reason(engine, lab) {
        return Some(reason);
    }
    if let Some(jobs) = bounds.jobs.filter(|jobs| jobs.get() > 1)
        && let Some(results) = engine.perform_all(lanes, jobs)
    {
        // The order of the plan decides which failure is told, not who was first.
        let failures: Vec<Option<EngineError>> =
            lanes.iter().zip(results).map(|(lane, results)| account(lane, results, done)).collect();
        return failures.into_iter().flatten().next();
    }
    for (place, lane) in lanes.iter().enumerate() {
        let reason = if place > 0 { bounds.reason(engine, lab) } else { None };
        let failure = reason.or_else(|| {
            let results = engine.perform(&lane.place, &lane.steps);
            account(lane, results, done)
        });
        if failure.is_some() {
            return failure;
        }
    }
    None
}

/// Runs a plan that only takes away: a refusal does not keep the rest from being done. Whoever wants it to end is heeded between the
/// stages; the rest is then left for the next time.
pub fn run_forward(
    engine: &mut dyn Engine,
    plan: &Plan,
    bounds: &Bounds,
    tell: &mut dyn FnMut(Event<'_>),
) -> (usize, Vec<EngineError>) {
    let (mut done, mut left) = (0, Vec::new());
    for (number, lanes) in stages(&plan.steps).into_iter().enumerate() {
        if bounds.stop.wish() != Wish::GoOn {
            left.push(EngineError::strange(plan.lab.as_str(), "", "interrupted"));
            break;
        }
        let stage: Vec<&Step> = lanes.iter().flat_map(|lane| lane.steps.iter().copied()).collect();
        tell(Event::Stage { number, done, steps: &stage });
        for lane in lanes {
            let refused = insist(engine, &lane.place, &lane.steps);
            done += lane.steps.len() - refused.len();
            left.extend(refused);
        }
    }
    (done, left)
}

/// Notes what came of the steps of one place; those done are added to `done`, those that failed too where they may have left
/// something behind. The first failure, if there was one.
fn account<'s>(lane: &Lane<'s>, results: Vec<StepResult>, done: &mut Vec<&'s Step>) -> Option<EngineError> {
    let mut failure = None;
    let mut torn = Vec::new();
    for (step, result) in lane.steps.iter().zip(results) {
        match result {
            StepResult::Done => done.push(step),
            StepResult::Failed(error) => {
                torn.push(*step);
                failure = failure.or(Some(error));
            }
            StepResult::NotTried => {}
        }
    }
    done.extend(torn.into_iter().filter(|step| may_be_half_done(step)));
    failure
}

/// Steps of several calls: their inverses take half-made things away and mind nothing that is missing.
fn may_be_half_done(step: &Step) -> bool {
    matches!(
        step,
        Step::CreateNetgraph { .. }
            | Step::CreateEiface { .. }
            | Step::CreateEpair(_)
            | Step::CreateBridge(_)
            | Step::AddMember(_)
            | Step::SetPipe { .. }
            | Step::ChangeRoute { .. }
            | Step::Linux(LinuxStep::CreateNamespace(_) | LinuxStep::CreateVeth(_) | LinuxStep::CreateBridge(_))
            | Step::MakeFolder(_)
            | Step::MakeClone(_)
            | Step::AddRuleset(_)
    )
}

/// Takes steps back, last first, until somebody cannot wait any longer; gives what could not be taken back.
fn walk_back(engine: &mut dyn Engine, done: &[&Step], bounds: &Bounds) -> Vec<EngineError> {
    let inverses: Vec<Step> = done.iter().rev().filter_map(|step| step.inverse()).collect();
    let mut left = Vec::new();
    for lane in inverses.chunk_by(|a, b| a.lane() == b.lane()) {
        if bounds.must_leave() {
            break;
        }
        let steps: Vec<&Step> = lane.iter().collect();
        left.extend(insist(engine, &lane[0].lane(), &steps));
    }
    left
}

/// Does what can be done of the steps of one place: one refusal must not hide the others.
fn insist(engine: &mut dyn Engine, place: &Place, steps: &[&Step]) -> Vec<EngineError> {
    let mut left = Vec::new();
    let mut rest = steps;
    while !rest.is_empty() {
        let results = engine.perform(place, rest);
        let failed = results.iter().position(|result| matches!(result, StepResult::Failed(_)));
        // Those after the first are tried again.
        left.extend(results.into_iter().find_map(|result| match result {
            StepResult::Failed(error) => Some(error),
            _ => None,
        }));
        rest = failed.map_or(&[], |position| &rest[position + 1..]);
    }
    left
}

/// The lanes of each stage: places in order, the host first, and their steps.
fn stages(steps: &[Planned]) -> Vec<Vec<Lane<'_>>> {
    let mut stages: Vec<BTreeMap<Place, Vec<&Step>>> = Vec::new();
    for planned in steps {
        if stages.len() <= planned.stage {
            stages.resize_with(planned.stage + 1, BTreeMap::new);
        }
        stages[planned.stage].entry(planned.step.lane()).or_default().push(&planned.step);
    }
    let lanes = stages.into_iter().map(|stage| stage.into_iter().map(|(place, steps)| Lane { place, steps }).collect());
    lanes.collect()
}

#[cfg(test)]
mod tests;
