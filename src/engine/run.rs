//! Steps in their order, and back again when one fails.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Engine, EngineError, StepResult};
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
    /// A step failed; walking back.
    Undoing(&'e EngineError),
}

/// A step failed.
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
}

/// Runs a plan, stage by stage, the steps of one place together. `tell` hears of each stage before it begins: the number of steps done
/// and the steps to come. When the kernel's clock passes `limit`, what was done is taken back.
///
/// # Errors
/// The first refusal, after everything that was done before has been taken back as far as the kernel lets us.
pub fn run(
    engine: &mut dyn Engine,
    plan: &Plan,
    limit: Option<Duration>,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<usize, Box<RunError>> {
    let of = plan.steps.len();
    let mut done: Vec<&Step> = Vec::with_capacity(of);
    for (number, lanes) in stages(&plan.steps).into_iter().enumerate() {
        let stage: Vec<&Step> = lanes.values().flatten().copied().collect();
        tell(Event::Stage { number, done: done.len(), steps: &stage });
        let failure = if limit.is_some_and(|limit| engine.now() > limit) {
            Some(EngineError::strange(plan.lab.as_str(), "", "the time is up"))
        } else {
            lanes.iter().find_map(|(place, steps)| perform(engine, place, steps, &mut done))
        };
        if let Some(error) = failure {
            let step = done.len() + 1;
            tell(Event::Undoing(&error));
            let left = walk_back(engine, &done);
            return Err(Box::new(RunError { error, step, of, left }));
        }
    }
    Ok(done.len())
}

/// Runs a plan that only takes away: a refusal does not keep the rest from being done.
pub fn run_forward(engine: &mut dyn Engine, plan: &Plan, tell: &mut dyn FnMut(Event<'_>)) -> (usize, Vec<EngineError>) {
    let (mut done, mut left) = (0, Vec::new());
    for (number, lanes) in stages(&plan.steps).into_iter().enumerate() {
        let stage: Vec<&Step> = lanes.values().flatten().copied().collect();
        tell(Event::Stage { number, done, steps: &stage });
        for (place, steps) in lanes {
            done += steps.len();
            left.extend(insist(engine, &place, &steps));
        }
    }
    (done - left.len(), left)
}

/// Does the steps of one place; those done are added to `done`, the failed one too where it may have left something behind.
fn perform<'s>(
    engine: &mut dyn Engine,
    place: &Place,
    steps: &[&'s Step],
    done: &mut Vec<&'s Step>,
) -> Option<EngineError> {
    let results = engine.perform(place, steps);
    let mut failure = None;
    let mut torn = None;
    for (step, result) in steps.iter().zip(results) {
        match result {
            StepResult::Done => done.push(step),
            StepResult::Failed(error) => {
                torn = torn.or(Some(*step));
                failure = failure.or(Some(error));
            }
            StepResult::NotTried => {}
        }
    }
    done.extend(torn.filter(|step| may_be_half_done(step)));
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

/// Takes steps back, last first; gives what could not be taken back.
fn walk_back(engine: &mut dyn Engine, done: &[&Step]) -> Vec<EngineError> {
    let inverses: Vec<Step> = done.iter().rev().filter_map(|step| step.inverse()).collect();
    let mut left = Vec::new();
    for lane in inverses.chunk_by(|a, b| a.lane() == b.lane()) {
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
        left.extend(results.into_iter().filter_map(|result| match result {
            StepResult::Failed(error) => Some(error),
            _ => None,
        }));
        rest = failed.map_or(&[], |position| &rest[position + 1..]);
    }
    left
}

/// The lanes of each stage: places in order, the host first, and their steps.
fn stages(steps: &[Planned]) -> Vec<BTreeMap<Place, Vec<&Step>>> {
    let mut stages: Vec<BTreeMap<Place, Vec<&Step>>> = Vec::new();
    for planned in steps {
        if stages.len() <= planned.stage {
            stages.resize_with(planned.stage + 1, BTreeMap::new);
        }
        stages[planned.stage].entry(planned.step.lane()).or_default().push(&planned.step);
    }
    stages
}
