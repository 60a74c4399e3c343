//! How many echoes are under way at once: as many as the kernel carries.
//!
//! A kernel drops what is too much for it without a word: netgraph has room for 4,096 packets that wait
//! (`net.graph.maxdata`), a transmit queue for 50, and each first echo to a neighbour is a question that its switch repeats to
//! every port. So it begins with a few, and goes by what is answered, as TCP does.

use std::time::Duration;

/// So many at first.
const START: usize = 32;
/// Never less: they fit any queue.
const LEAST: usize = 4;
/// Never more.
const MOST: usize = 512;
/// Up to here every answer makes room for one more; above it a whole round of them does.
const EAGER: usize = 128;
/// An answer that overtakes an older echo by so many says that the older one may be lost.
pub(super) const OVERTAKEN: u64 = 32;
/// An echo that is not answered after this much is taken to be dropped, or still to take its time; before the first
/// answer, and at least.
const UNKNOWN: Duration = Duration::from_millis(50);
const SHORTEST: Duration = Duration::from_millis(20);

/// What is known of the kernel so far.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    /// What went well the last time that something was lost.
    proven: usize,
    /// Answers that did not make the window larger yet.
    credit: usize,
    /// How long an answer takes, the last ones counting most; none has come yet.
    trip: Option<Duration>,
    /// When the window was made smaller: what was sent earlier is lost for the same reason.
    shrunk: Option<Duration>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { window: START, proven: EAGER, credit: 0, trip: None, shrunk: None }
    }

    /// How many may be under way at once when one is sent that had so many tries: what was lost before is not risked for
    /// finding out how many, each time less.
    pub(super) fn window(&self, tries: u16) -> usize {
        match tries {
            0 => self.window,
            _ => (self.window.min(self.proven) >> tries.min(8)).max(LEAST),
        }
    }

    /// After how long an echo takes no room any more, though its answer is still waited for.
    pub(super) fn settles(&self) -> Duration {
        self.trip.map_or(UNKNOWN, |trip| trip.saturating_mul(4).max(SHORTEST))
    }

    /// How long a try is waited for: longer where answers take long, at most three times as long as was asked for.
    pub(super) fn patience(&self, asked: Duration) -> Duration {
        self.trip.map_or(asked, |trip| trip.saturating_mul(4).clamp(asked, asked.saturating_mul(3)))
    }

    /// An answer came; `calm` says that it has overtaken no other by far.
    pub(super) fn answered(&mut self, took: Duration, calm: bool) {
        self.trip = Some(self.trip.map_or(took, |trip| (trip * 7 + took) / 8));
        if !calm {
            return;
        }
        self.credit += 1;
        if self.window < self.proven || self.credit >= self.window {
            self.credit = 0;
            self.window = (self.window + 1).min(MOST);
        }
    }

    /// What was sent at `sent` was dropped, for all we know. Where nothing was ever answered it says nothing: whoever is
    /// asked is silent.
    pub(super) fn lost(&mut self, sent: Duration, now: Duration) {
        if self.trip.is_some() {
            self.shrink(sent, now);
        }
    }

    /// The kernel had no room.
    pub(super) fn full(&mut self, now: Duration) {
        self.shrink(now, now);
    }

    fn shrink(&mut self, sent: Duration, now: Duration) {
        if self.shrunk.is_none_or(|shrunk| sent > shrunk) {
            self.window = (self.window / 2).max(LEAST);
            self.proven = self.window;
            self.credit = 0;
            self.shrunk = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_grows_with_the_answers_and_is_halved_once_for_what_was_lost_together() {
        let mut pace = Pace::new();
        (0..10_000).for_each(|_| pace.answered(SOON, true));
        let large = pace.window(0);
        assert!(large > EAGER && large <= MOST, "{large}");
        (0..100).for_each(|_| pace.lost(SOON, SECOND));
        assert_eq!(pace.window(0), large / 2);
        pace.lost(SECOND + SOON, SECOND * 2);
        assert_eq!(pace.window(0), large / 4);
        (2..40).for_each(|second| pace.lost(SECOND * second + SOON, SECOND * (second + 1)));
        assert_eq!(pace.window(0), LEAST);
    }

    #[test]
    fn what_was_lost_before_is_sent_with_what_went_well() {
        let mut pace = Pace::new();
        pace.answered(SOON, true);
        pace.lost(SOON, SECOND);
        let proven = pace.window(0);
        (0..1_000).for_each(|_| pace.answered(SOON, true));
        assert!(pace.window(0) > proven);
        assert_eq!([1, 2, u16::MAX].map(|tries| pace.window(tries)), [proven / 2, LEAST, LEAST]);
    }

    #[test]
    fn silence_alone_is_no_loss_and_what_is_overtaken_stops_the_growth() {
        let mut pace = Pace::new();
        pace.lost(SOON, SECOND);
        assert_eq!(pace.window(0), START);
        (0..1_000).for_each(|_| pace.answered(SOON, false));
        assert_eq!(pace.window(0), START);
    }

    #[test]
    fn patience_grows_with_the_trips_and_is_bounded() {
        let mut pace = Pace::new();
        assert_eq!(pace.patience(SECOND), SECOND);
        pace.answered(SECOND / 2, true);
        assert_eq!(pace.patience(SECOND), SECOND * 2);
        (0..100).for_each(|_| pace.answered(SECOND * 9, true));
        assert_eq!(pace.patience(SECOND), SECOND * 3);
    }
}
