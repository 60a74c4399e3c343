//! Steps in their order, and back again when one fails.

use std::collections::BTreeMap;

use super::{Engine, EngineError, StepResult};
use crate::graph::Place;
use crate::plan::{Plan, Planned, Step};

/// What came of running a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Steps done.
    pub steps: usize,
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
    /// What became of the steps before it.
    pub undone: Undone,
}

/// What became of the steps that were done before one failed.
#[derive(Clone, Debug, Default)]
pub struct Undone {
    /// Steps that could not be taken back, and why.
    pub left: Vec<EngineError>,
}

/// Runs a plan, stage by stage, the steps of one place together. `tell` hears the number of steps done and the places of the stage;
/// it returns `false` to give up.
///
/// # Errors
/// The first refusal, after everything that was done before has been taken back as far as the kernel lets us.
pub fn run(
    engine: &mut dyn Engine,
    plan: &Plan,
    mut tell: impl FnMut(usize, &[&Step]) -> bool,
    undoing: impl FnOnce(&EngineError),
) -> Result<Outcome, Box<RunError>> {
    let of = plan.steps.len();
    let mut done: Vec<&Step> = Vec::with_capacity(of);
    for lanes in stages(&plan.steps) {
        let stage: Vec<&Step> = lanes.iter().flat_map(|(_, steps)| steps.iter().copied()).collect();
        let failure = if tell(done.len(), &stage) {
            lanes.iter().find_map(|(place, steps)| perform(engine, place, steps, &mut done))
        } else {
            Some(EngineError::strange(plan.lab.as_str(), "", "the time is up"))
        };
        if let Some(error) = failure {
            let step = done.len() + 1;
            undoing(&error);
            let undone = walk_back(engine, &done);
            return Err(Box::new(RunError { error, step, of, undone }));
        }
    }
    Ok(Outcome { steps: done.len() })
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
    )
}

/// Takes steps back, last first; goes on after a refusal, so that one does not hide the others.
fn walk_back(engine: &mut dyn Engine, done: &[&Step]) -> Undone {
    let mut undone = Undone::default();
    let inverses: Vec<Step> = done.iter().rev().filter_map(|step| step.inverse()).collect();
    let mut start = 0;
    while start < inverses.len() {
        let place = inverses[start].lane();
        let length = inverses[start..].iter().take_while(|step| step.lane() == place).count();
        let mut rest: Vec<&Step> = inverses[start..start + length].iter().collect();
        while !rest.is_empty() {
            let results = engine.perform(&place, &rest);
            let failed = results.iter().position(|result| matches!(result, StepResult::Failed(_)));
            let mut next = rest.len();
            if let Some(position) = failed {
                next = position + 1;
            }
            for result in results {
                if let StepResult::Failed(error) = result {
                    undone.left.push(error);
                }
            }
            rest.drain(..next);
        }
        start += length;
    }
    undone
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
