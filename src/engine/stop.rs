//! What the user wants of a change that is under way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That it goes on.
    GoOn,
    /// That it ends, with everything as before.
    Undo,
    /// That it ends at once: the journal tells the next command what was meant.
    Leave,
}

/// Says what the user wants, by how often they asked for an end. Clones share it.
#[derive(Clone)]
pub struct Stop(Arc<dyn Fn() -> usize + Send + Sync>);

impl Stop {
    /// Asks `asked` how often somebody wanted it to end; it is called often, and must not wait.
    #[must_use]
    pub fn by(asked: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self(Arc::new(asked))
    }

    /// One that follows a counter.
    #[must_use]
    pub fn counted(asked: Arc<AtomicUsize>) -> Self {
        Self::by(move || asked.load(Ordering::Relaxed))
    }

    /// The same for whoever takes back what somebody has wanted to end: only when they ask again it leaves everything as it is.
    #[must_use]
    pub fn after_the_first(&self) -> Self {
        let asked = self.0.clone();
        Self::by(move || match asked() {
            0 | 1 => 0,
            more => more,
        })
    }

    /// What the user wants now.
    #[must_use]
    pub fn wish(&self) -> Wish {
        match (self.0)() {
            0 => Wish::GoOn,
            1 => Wish::Undo,
            _ => Wish::Leave,
        }
    }
}

impl Default for Stop {
    /// Nobody ever asks.
    fn default() -> Self {
        Self::by(|| 0)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.wish()).finish()
    }
}
