//! Programs run in a node: what they write and how they end.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};
use std::{fmt, io};

use super::EngineError;
use super::stop::{Stop, Wish};
use crate::graph::Place;

/// How processes are ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How long they may take after they were told.
    pub grace: Duration,
    /// Places with files of their own, whose `/etc/rc.shutdown` is run first where there is one.
    pub own_files: BTreeSet<Place>,
    /// Who may want it to end: then nothing more is waited for, and nothing is killed.
    pub stop: Stop,
}

impl Ending {
    /// Why not to go on, if somebody wants that.
    pub(super) fn reason(&self) -> Result<(), EngineError> {
        match self.stop.wish() {
            Wish::GoOn => Ok(()),
            Wish::Undo | Wish::Leave => Err(EngineError::strange("processes", "kill", "interrupted")
                .detail("processes were told to end, and not killed")),
        }
    }
}

/// Until when a program may run.
#[derive(Clone, Debug, Default)]
pub struct Until(Option<(Stop, Duration)>);

impl Until {
    /// It ends by itself.
    #[must_use]
    pub const fn its_end() -> Self {
        Self(None)
    }

    /// Until somebody wants it to end: then it is told, and killed when it takes longer than `grace` or they ask again.
    #[must_use]
    pub fn asked(stop: &Stop, grace: Duration) -> Self {
        Self(Some((stop.clone(), grace)))
    }

    /// Begins to look after a program that was started.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch { until: self.clone(), told: None, killed: false }
    }
}

/// Looks after a program while it runs.
#[derive(Debug)]
pub struct Watch {
    until: Until,
    told: Option<Instant>,
    killed: bool,
}

/// What a program is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// SIGTERM.
    End,
    /// SIGKILL.
    Die,
}

impl Watch {
    /// How long one may be deaf to who wants the program to end.
    const ATTENTION: Duration = Duration::from_millis(100);

    /// How long it may take until [`Watch::demand`] is asked again; `None` where nobody ever wants it to end.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        self.until.0.as_ref().map(|_| Self::ATTENTION)
    }

    /// What to send to the program now.
    pub fn demand(&mut self, now: Instant) -> Option<Demand> {
        let (stop, grace) = self.until.0.as_ref()?;
        let wish = stop.wish();
        match self.told {
            _ if wish == Wish::GoOn => None,
            None => {
                self.told = Some(now);
                Some(Demand::End)
            }
            Some(told) if !self.killed && (wish == Wish::Leave || now.duration_since(told) >= *grace) => {
                self.killed = true;
                Some(Demand::Die)
            }
            Some(_) => None,
        }
    }
}

/// Where a program wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Its own exit code.
    Code(u8),
    /// The signal that ended it.
    Signal(u8),
}

/// A program that was started and has to be waited for.
pub trait Running: fmt::Debug {
    /// Becomes readable, or hangs up, when the program has ended.
    fn ended(&self) -> BorrowedFd<'_>;

    /// Waits for its end.
    ///
    /// # Errors
    /// It cannot be waited for.
    fn wait(self: Box<Self>) -> io::Result<Exit>;
}

/// Why a program did not run in a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// No such program there.
    #[error("no such program")]
    NotFound,
    /// It exists and may not be executed.
    #[error("cannot be executed")]
    NotExecutable,
    /// It never got that far.
    #[error("{0}")]
    Refused(EngineError),
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_program_is_told_to_end_and_killed_when_it_does_not() {
        let (asked, now) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        let until = Until::asked(&Stop::counted(asked.clone()), Duration::from_secs(5));
        let (mut patient, mut hasty) = (until.watch(), until.watch());
        assert_eq!(patient.demand(now), None);
        asked.store(1, Ordering::Relaxed);
        let demands = [0, 1, 4, 5, 6].map(|seconds| patient.demand(after(seconds)));
        assert_eq!(demands, [Some(Demand::End), None, None, Some(Demand::Die), None]);
        assert_eq!(hasty.demand(now), Some(Demand::End));
        asked.store(2, Ordering::Relaxed);
        assert_eq!([hasty.demand(now), hasty.demand(now)], [Some(Demand::Die), None]);
        let mut free = Until::its_end().watch();
        assert_eq!((free.demand(after(60)), free.pause()), (None, None));
    }
}
