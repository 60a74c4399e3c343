//! Things that go wrong on purpose: the one call that is refused, or the last one that our process makes, counted over all the doors
//! that share a [`Faults`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::files::StateFiles;
use crate::abi::Errno;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// That call alone is refused and not carried out.
    Refuse(Errno),
    /// That call and every later one are refused and not carried out: our process is dead.
    Die,
}

/// Counts calls, from 1, and fails at one.
#[derive(Clone, Debug)]
pub struct Faults {
    calls: Arc<AtomicU64>,
    at: Option<(u64, Fault)>,
}

impl Faults {
    /// Fails at the `call`-th call; `None` only counts.
    #[must_use]
    pub fn at(at: Option<(u64, Fault)>) -> Self {
        Self { calls: Arc::default(), at }
    }

    /// How many calls there were that could have failed.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether the fault has happened.
    #[must_use]
    pub fn has_struck(&self) -> bool {
        self.at.is_some_and(|(call, _)| self.calls() >= call)
    }

    /// Whether our process is still there to close, to end and to wait.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.at, Some((call, Fault::Die)) if self.calls() >= call)
    }

    /// Counts a call.
    ///
    /// # Errors
    /// The one it is to fail with.
    pub fn step(&self) -> Result<(), Errno> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match self.at {
            Some((call, Fault::Refuse(errno))) if calls == call => Err(errno),
            Some((call, Fault::Die)) if calls >= call => Err(Errno::EIO),
            _ => Ok(()),
        }
    }
}

/// Files that fail on purpose. Of a write at which the process dies, half is done.
#[derive(Debug)]
pub struct FaultyFiles<F> {
    inner: F,
    faults: Faults,
    calls: Mutex<Vec<u64>>,
}

impl<F> FaultyFiles<F> {
    /// Files that share what counts their calls.
    pub const fn new(inner: F, faults: Faults) -> Self {
        Self { inner, faults, calls: Mutex::new(Vec::new()) }
    }

    /// Which of the calls counted so far were to these files.
    pub fn calls(&self) -> Vec<u64> {
        self.calls.lock().map(|calls| calls.clone()).unwrap_or_default()
    }

    fn step(&self) -> io::Result<()> {
        let outcome = self.faults.step();
        if let Ok(mut calls) = self.calls.lock() {
            calls.push(self.faults.calls());
        }
        outcome.map_err(refused)
    }

    fn half_at_death(&self, octets: &[u8], write: impl Fn(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let was_alive = self.faults.is_alive();
        match self.step() {
            Ok(()) => write(octets),
            Err(error) => {
                if was_alive && !self.faults.is_alive() {
                    write(octets.get(..octets.len() / 2).unwrap_or_default())?;
                }
                Err(error)
            }
        }
    }
}

fn refused(errno: Errno) -> io::Error {
    io::Error::other(errno.to_string())
}

impl<F: StateFiles> StateFiles for FaultyFiles<F> {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.step()?;
        self.inner.read(path, most)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.step()?;
        self.inner.list(directory)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.make_directory(path)
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.half_at_death(octets, |octets| self.inner.write(path, octets))
    }

    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.half_at_death(octets, |octets| self.inner.append(path, octets))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.sync(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.remove(path)
    }

    fn room(&self, directory: &Path) -> io::Result<u64> {
        self.step()?;
        self.inner.room(directory)
    }
}
