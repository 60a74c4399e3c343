//! A kernel whose engine fails at one step.

use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use cellblock::abi::Errno;
use cellblock::diagnostic::Diagnostic;
use cellblock::engine::{
    Backend, Capabilities, Echo, EchoResult, Ending, Engine, EngineError, Exit, GraphBuilder, NotRun, Running,
    StepResult, Stream, Until,
};
use cellblock::graph::{Place, Sysctl};
use cellblock::model::{LabName, Model, System};
use cellblock::plan::{Observed, Plan, Scope, Step};

/// A kernel whose engine refuses the `at`-th step, counted from 1 over everything that is performed. It is not carried out.
#[derive(Debug)]
pub struct Failing<'b> {
    inner: &'b mut dyn Backend,
    at: usize,
    done: Cell<usize>,
}

impl<'b> Failing<'b> {
    pub fn at(inner: &'b mut dyn Backend, at: usize) -> Self {
        Self { inner, at, done: Cell::new(0) }
    }

    pub fn has_struck(&self) -> bool {
        self.done.get() >= self.at
    }
}

impl Backend for Failing<'_> {
    fn boot_identity(&mut self) -> String {
        self.inner.boot_identity()
    }

    fn system(&self) -> System {
        self.inner.system()
    }

    fn roots(&mut self) -> Option<String> {
        self.inner.roots()
    }

    fn forget(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        self.inner.forget(lab, token)
    }

    fn keep(&mut self) -> Result<(), EngineError> {
        self.inner.keep()
    }

    fn check(&mut self, model: &Model) -> Vec<Diagnostic> {
        self.inner.check(model)
    }

    fn builder(&self) -> GraphBuilder {
        self.inner.builder()
    }

    fn engine<'e>(&'e mut self, lab: &LabName, token: &str) -> Box<dyn Engine + 'e> {
        Box::new(FailingEngine { inner: self.inner.engine(lab, token), at: self.at, done: &self.done })
    }
}

struct FailingEngine<'e> {
    inner: Box<dyn Engine + 'e>,
    at: usize,
    done: &'e Cell<usize>,
}

impl Engine for FailingEngine<'_> {
    fn prepare(&mut self, plan: &Plan) -> Result<Capabilities, EngineError> {
        self.inner.prepare(plan)
    }

    fn perform(&mut self, place: &Place, steps: &[&Step]) -> Vec<StepResult> {
        let done = self.done.get();
        let Some(good) = self.at.checked_sub(done + 1).filter(|good| *good < steps.len()) else {
            self.done.set(done + steps.len());
            return self.inner.perform(place, steps);
        };
        let mut results = if good > 0 { self.inner.perform(place, &steps[..good]) } else { Vec::new() };
        self.done.set(self.at);
        results.push(StepResult::Failed(EngineError::refused(place.to_string(), "a step", Errno::EIO)));
        results.resize(steps.len(), StepResult::NotTried);
        results
    }

    fn first_values(&mut self) -> Vec<Sysctl> {
        self.inner.first_values()
    }

    fn observe(&mut self, scope: &Scope) -> Result<Observed, EngineError> {
        self.inner.observe(scope)
    }

    fn wait(&mut self, span: Duration) {
        self.inner.wait(span);
    }

    fn now(&mut self) -> Duration {
        self.inner.now()
    }

    fn probe(&mut self, echoes: &[Echo]) -> Result<Vec<EchoResult>, EngineError> {
        self.inner.probe(echoes)
    }

    fn end_processes(&mut self, places: &[Place], ending: &Ending) -> Result<(), EngineError> {
        self.inner.end_processes(places, ending)
    }

    fn ruleset(&mut self, present: Option<u16>) -> Result<Option<u16>, EngineError> {
        self.inner.ruleset(present)
    }

    fn execute(
        &mut self,
        place: &Place,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, NotRun> {
        self.inner.execute(place, command, until, output)
    }

    fn start_on(
        &mut self,
        place: &Place,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, NotRun> {
        self.inner.start_on(place, command, terminal)
    }
}
