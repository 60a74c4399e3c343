//! Files in memory that can be photographed, and that lose what was not synced when the power goes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cellblock::engine::files::StateFiles;

/// What a disk may hold after the power is gone: names and contents that nobody synced may be lost, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// What was synced, and nothing else.
    Synced,
    /// Every name, and of each file what was synced.
    Names,
    /// Every name, with files that were written to and not synced cut in the middle of that.
    HalfWritten,
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Arc<[u8]>,
    synced: Option<Arc<[u8]>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    contents: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    synced: BTreeMap<PathBuf, usize>,
}

/// A file system in memory.
#[derive(Debug, Default)]
pub struct MemoryFiles(Mutex<State>);

impl MemoryFiles {
    /// A copy of its own.
    pub fn photograph(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap().clone()))
    }

    /// Whether both hold the same files with the same contents.
    pub fn holds_the_same(&self, other: &Self) -> bool {
        self.all() == other.all()
    }

    fn all(&self) -> BTreeMap<PathBuf, Arc<[u8]>> {
        let state = self.0.lock().unwrap();
        state.names.iter().map(|(name, place)| (name.clone(), state.contents[*place].now.clone())).collect()
    }

    /// What is there when the power comes back.
    pub fn after_power_loss(&self, survives: Survives) -> Self {
        let state = self.0.lock().unwrap();
        let names = if survives == Survives::Synced { &state.synced } else { &state.names };
        let mut after = State::default();
        for (name, place) in names {
            let content = &state.contents[*place];
            let synced = content.synced.clone().unwrap_or_default();
            let left = match survives {
                Survives::HalfWritten => {
                    let common = synced.iter().zip(content.now.iter()).take_while(|(a, b)| a == b).count();
                    content.now[..common + (content.now.len() - common) / 2].into()
                }
                Survives::Synced | Survives::Names => synced,
            };
            after.names.insert(name.clone(), after.contents.len());
            after.contents.push(Content { now: left.clone(), synced: Some(left) });
        }
        after.synced = after.names.clone();
        Self(Mutex::new(after))
    }
}

impl StateFiles for MemoryFiles {
    fn read(&self, path: &Path, _most: u64) -> io::Result<Vec<u8>> {
        self.all().get(path).map(|octets| octets.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.all().into_keys().filter(|name| name.parent() == Some(directory)).collect())
    }

    fn make_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let state = &mut *self.0.lock().unwrap();
        let next = state.contents.len();
        let place = *state.names.entry(path.to_owned()).or_insert(next);
        if place == next {
            state.contents.push(Content::default());
        }
        state.contents[place].now = octets.into();
        Ok(())
    }

    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let state = &mut *self.0.lock().unwrap();
        let place = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let content = &mut state.contents[place];
        content.now = [&content.now, octets].concat().into();
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.0.lock().unwrap();
        match state.names.get(path) {
            Some(place) => state.contents[*place].synced = Some(state.contents[*place].now.clone()),
            None => {
                let is_here = |name: &PathBuf| name.parent() == Some(path);
                state.synced.retain(|name, _| !is_here(name));
                state.synced.extend(state.names.clone().into_iter().filter(|(name, _)| is_here(name)));
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.0.lock().unwrap();
        let place = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), place);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.0.lock().unwrap();
        state.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
