use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::engine::{Capabilities, Echo, EchoResult, Ending, Exit, NotRun, Running, Stream, Until};
use crate::graph::{Graph, Jail, Object, Owner, Up};
use crate::model::NodeName;
use crate::plan::{Observed, Scope};

/// An engine over a set of names; it can do many places at a time.
#[derive(Default)]
struct Names {
    present: Mutex<BTreeSet<String>>,
    /// The step that is refused.
    refused: Option<String>,
    /// Most places at one time.
    most: AtomicUsize,
    running: AtomicUsize,
    parallel: bool,
    /// Told of each call, before it.
    calls: Option<Box<dyn FnMut(usize) + Send + Sync>>,
    called: usize,
}

impl Names {
    fn one(&self, step: &Step) -> StepResult {
        let name = format!("{step:?}");
        if Some(&name) == self.refused.as_ref() {
            return StepResult::Failed(EngineError::strange(name, "", "refused"));
        }
        let mut present = self.present.lock().unwrap();
        match step {
            Step::SetDown(up) => assert!(present.remove(&format!("{:?}", Step::SetUp(up.clone())))),
            Step::RemoveJail(jail) => assert!(present.remove(&format!("{:?}", Step::CreateJail(jail.clone())))),
            _ => assert!(present.insert(name)),
        }
        StepResult::Done
    }

    fn lane(&self, steps: &[&Step]) -> Vec<StepResult> {
        let mut results: Vec<StepResult> = Vec::new();
        for step in steps {
            results.push(self.one(step));
            if matches!(results.last(), Some(StepResult::Failed(_))) {
                break;
            }
        }
        results.resize(steps.len(), StepResult::NotTried);
        results
    }
}

impl Engine for Names {
    fn prepare(&mut self, _: &Plan) -> Result<Capabilities, EngineError> {
        Ok(Capabilities::default())
    }

    fn perform(&mut self, _: &Place, steps: &[&Step]) -> Vec<StepResult> {
        self.called += 1;
        let called = self.called;
        if let Some(calls) = &mut self.calls {
            calls(called);
        }
        self.lane(steps)
    }

    fn perform_all(&mut self, lanes: &[Lane<'_>], jobs: NonZeroUsize) -> Option<Vec<Vec<StepResult>>> {
        if !self.parallel {
            return None;
        }
        let names = &*self;
        let mut results = Vec::new();
        for some in lanes.chunks(jobs.get()) {
            results.extend(std::thread::scope(|scope| {
                let threads: Vec<_> = some
                    .iter()
                    .map(|lane| {
                        scope.spawn(|| {
                            let running = names.running.fetch_add(1, Ordering::SeqCst) + 1;
                            names.most.fetch_max(running, Ordering::SeqCst);
                            let results = names.lane(&lane.steps);
                            names.running.fetch_sub(1, Ordering::SeqCst);
                            results
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            }));
        }
        Some(results)
    }

    fn observe(&mut self, _: &Scope) -> Result<Observed, EngineError> {
        Ok(Observed::default())
    }

    fn wait(&mut self, _: Duration) {}

    fn now(&mut self) -> Duration {
        Duration::ZERO
    }

    fn probe(&mut self, _: &[Echo]) -> Result<Vec<EchoResult>, EngineError> {
        Ok(Vec::new())
    }

    fn end_processes(&mut self, _: &[Place], _: &Ending) -> Result<(), EngineError> {
        Ok(())
    }

    fn ruleset(&mut self, _: Option<u16>) -> Result<Option<u16>, EngineError> {
        Ok(Some(1))
    }

    fn execute(
        &mut self,
        _: &Place,
        _: &[String],
        _: &Until,
        _: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, NotRun> {
        Err(NotRun::NotFound)
    }

    fn start_on(&mut self, _: &Place, _: &[String], _: BorrowedFd<'_>) -> Result<Box<dyn Running>, NotRun> {
        Err(NotRun::NotFound)
    }
}

fn place(node: usize) -> Place {
    Place::Node(format!("n{node}").parse::<NodeName>().unwrap())
}

/// A lab of so many nodes, each with an interface that comes up.
fn plan(nodes: usize) -> Plan {
    let jail = |place| (Owner::Lab, Object::Jail(Jail { place, parameters: BTreeMap::new() }));
    let mut objects = vec![jail(Place::Lab)];
    for node in 0..nodes {
        objects.push(jail(place(node)));
        objects.push((Owner::Lab, Object::Up(Up { place: place(node), interface: "lo0".into() })));
    }
    let lab: crate::model::LabName = "lab".parse().unwrap();
    let desired = Arc::new(Graph::new(lab.clone(), objects).unwrap());
    crate::plan::build(desired, Arc::new(Graph::empty(lab)))
}

fn up(node: usize) -> String {
    format!("{:?}", Step::SetUp(Up { place: place(node), interface: "lo0".into() }))
}

#[test]
fn many_places_at_a_time_come_to_the_same_as_one_by_one() {
    let plan = plan(20);
    let mut results = Vec::new();
    for jobs in [1, 4] {
        let mut engine = Names { parallel: true, ..Names::default() };
        let bounds = Bounds { jobs: NonZeroUsize::new(jobs), ..Bounds::default() };
        let mut told = Vec::new();
        let done = run(&mut engine, &plan, &bounds, &mut |event| told.push(format!("{event:?}"))).unwrap();
        assert!(engine.most.load(Ordering::SeqCst) <= jobs);
        results.push((done, told, engine.present.into_inner().unwrap()));
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0].0, 41);
}

#[test]
fn nothing_is_done_beside_another_unless_somebody_asks_for_it() {
    let plan = plan(20);
    let mut engine = Names { parallel: true, ..Names::default() };
    run(&mut engine, &plan, &Bounds::default(), &mut |_| {}).unwrap();
    assert_eq!(engine.most.load(Ordering::SeqCst), 0, "many places at a time");
}

#[test]
fn of_many_failures_at_a_time_the_first_of_the_plan_is_told_and_all_is_undone() {
    let plan = plan(20);
    let tell = |jobs| {
        let mut engine = Names { parallel: true, refused: Some(up(7)), ..Names::default() };
        let bounds = Bounds { jobs: NonZeroUsize::new(jobs), ..Bounds::default() };
        let error = run(&mut engine, &plan, &bounds, &mut |_| {}).unwrap_err();
        assert!(engine.present.into_inner().unwrap().is_empty());
        assert!(error.left.is_empty() && !error.abandoned);
        error.error.object
    };
    assert_eq!(tell(1), up(7));
    assert_eq!(tell(8), up(7));
}

#[test]
fn asked_once_it_goes_back_and_asked_twice_it_leaves_all_as_it_is() {
    let plan = plan(5);
    for (first, second, abandoned) in [(3, None, false), (3, Some(4), true), (2, Some(2), true)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let calls = move |call: usize| {
            counter.fetch_add(usize::from(call == first) + usize::from(Some(call) == second), Ordering::SeqCst);
        };
        let mut engine = Names { calls: Some(Box::new(calls)), ..Names::default() };
        let bounds = Bounds { stop: Stop::counted(asked), ..Bounds::default() };
        let error = run(&mut engine, &plan, &bounds, &mut |_| {}).unwrap_err();
        assert_eq!((error.error.message.as_str(), error.abandoned), ("interrupted", abandoned));
        assert_eq!(engine.present.into_inner().unwrap().is_empty(), !abandoned);
    }
}
