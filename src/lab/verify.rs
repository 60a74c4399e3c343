//! After a plan was carried out: whether the kernel holds what it was told to, and bringing back what was there where it does not.

use std::time::Duration;

use super::error::{LabError, LabErrorKind};
use super::known::Known;
use super::labs::Labs;
use super::types::{ApplyOptions, Progress};
use super::{sysctls, words};
use crate::engine::{Bounds, EngineError, Stop, Wish, run_forward};
use crate::model::LabName;
use crate::plan::{self, Observed, Plan};

/// How often and how long at a time to wait for addresses that are being probed for.
const SETTLING_ROUNDS: usize = 8;
/// The same for ports that a spanning tree keeps waiting: in all, twice its forward delay of 15 s and a margin.
const SPANNING_ROUNDS: usize = 14;
const SPANNING_PAUSE: Duration = Duration::from_secs(3);
/// How often to try to bring back what was there: taking one thing away may take others with it.
const RESTORING_ROUNDS: usize = 2;
const SETTLING_PAUSE: Duration = Duration::from_millis(1050);
/// How long a wait may be deaf to who wants it to end.
const ATTENTION: Duration = Duration::from_millis(150);

impl Labs<'_> {
    /// Reads back and compares. Addresses that the kernel still probes for get their time, and spanning trees theirs:
    /// a lab is up when frames pass. Gives what should be said of ports that took longer.
    pub(super) fn verify(
        &mut self,
        plan: &Plan,
        known: &Known,
        looked: Result<Observed, EngineError>,
        bounds: (&ApplyOptions, Option<Duration>),
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<String>, LabError> {
        let (mut wrong, mut pause) = (Vec::new(), SETTLING_PAUSE);
        let mut first = Some(looked);
        for round in 0..SPANNING_ROUNDS {
            if round > 0
                && let Some(error) = self.wait(plan, known, bounds, pause)
            {
                progress(Progress::Undoing { why: error.to_string() });
                return Err(match bounds.0.stop.wish() {
                    Wish::Leave => words::abandoned(error, &plan.lab),
                    Wish::GoOn | Wish::Undo => self.restore(plan, known, &bounds.0.stop, error),
                });
            }
            let looked = match first.take() {
                Some(looked) => looked.map_err(words::unreadable).and_then(|observed| known.seen(observed)),
                None => self.observe_known(&plan.lab, known),
            };
            let (observed, seen) = match looked {
                Ok(looked) => looked,
                Err(error) => return Err(self.restore(plan, known, &bounds.0.stop, error)),
            };
            let rest = plan::build(plan.desired.clone(), seen);
            wrong = rest.changes.iter().map(words::of_change).collect();
            if !wrong.is_empty() {
                break;
            }
            wrong = words::unusable(&observed);
            let last = round + 1 == SPANNING_ROUNDS;
            if wrong.is_empty() && (last || observed.discarding.is_empty()) {
                return Ok(words::discarding(&observed));
            }
            if !wrong.is_empty() && round + 1 >= SETTLING_ROUNDS {
                break;
            }
            pause = if wrong.is_empty() { SPANNING_PAUSE } else { SETTLING_PAUSE };
        }
        let error = LabError::new(
            LabErrorKind::Refused,
            format!("the kernel does not hold what it was told to: {}", words::some_of(&wrong)),
        );
        progress(Progress::Undoing { why: error.to_string() });
        Err(self.restore(plan, known, &bounds.0.stop, error))
    }

    /// Lets time pass, unless somebody wants it to end or the time is up: then why.
    fn wait(
        &mut self,
        plan: &Plan,
        known: &Known,
        (options, deadline): (&ApplyOptions, Option<Duration>),
        span: Duration,
    ) -> Option<LabError> {
        let mut engine = self.engine(&plan.lab, known);
        let mut rest = span;
        while !rest.is_zero() {
            let slice = rest.min(ATTENTION);
            engine.wait(slice);
            rest -= slice;
            if options.stop.wish() != Wish::GoOn {
                return Some(LabError::new(LabErrorKind::Refused, "interrupted"));
            }
            if deadline.is_some_and(|deadline| engine.now() > deadline) {
                return Some(LabError::new(LabErrorKind::Refused, "the time is up"));
            }
        }
        None
    }

    /// Makes sure that what was there before is there again, and says what is not. Whoever asked for an end and cannot wait for that
    /// is heeded.
    pub(super) fn restore(&mut self, plan: &Plan, known: &Known, stop: &Stop, error: LabError) -> LabError {
        let bounds = Bounds { stop: stop.after_the_first(), ..Bounds::default() };
        let (mut left, mut unseen) = (Vec::new(), None);
        for round in 0..=RESTORING_ROUNDS {
            match self.observe_known(&plan.lab, known) {
                Ok((_, seen)) => {
                    let mut back = plan::build(plan.before.clone(), seen);
                    sysctls::restore(&mut back, known.record.as_ref());
                    left = back.changes.iter().map(words::of_change).collect();
                    // What is told to be left was looked at after everything was tried.
                    if left.is_empty() || round == RESTORING_ROUNDS || bounds.stop.wish() != Wish::GoOn {
                        break;
                    }
                    run_forward(&mut *self.engine(&plan.lab, known), &back, &bounds, &mut |_| {});
                }
                Err(unreadable) => {
                    left = vec![format!("it cannot be seen what is left: {unreadable}")];
                    unseen = unreadable.hint;
                }
            }
        }
        if left.is_empty() {
            return match self.forget_attempt(&plan.lab, known) {
                Ok(()) => LabError { kind: words::kind_of_refusal(&error), ..error },
                Err(unwritten) => unwritten,
            };
        }
        let usual = || format!("`cellblock down {}` takes away what is left; `up` tries again", plan.lab);
        let hint = unseen.unwrap_or_else(usual);
        LabError { kind: LabErrorKind::NotUndone, left, hint: Some(hint), ..error }
    }

    pub(super) fn forget_attempt(&mut self, lab: &LabName, known: &Known) -> Result<(), LabError> {
        if known.record.is_none() {
            self.backend.forget(lab, &known.token).map_err(words::unreadable)?;
        }
        Ok(self.records.forget(lab, known.intents.as_ref())?)
    }
}
