//! The journal's share of an `up`: what is written, synced and renamed on a disk before, while and after the steps are done, and what it
//! takes to encode that; and the same `up` with files that are in memory only.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cellblock::engine::files::{Disk, StateFiles};
use cellblock::engine::{Phase, Record, linux};
use cellblock::lab::ApplyOptions;
use cellblock::model::Model;

use super::linux::Ready;
use super::shape::Shape;
use super::subject::{self, model_of};
use super::{Outcome, aim, load, median, timed};

/// Percent of an `up` that may be the journal's.
const MOST: f64 = 5.0;

pub fn run(ready: &Ready, sizes: &[u32], rounds: usize) -> Outcome {
    println!("journal and record of an `up` of N nodes, Linux, on a disk; milliseconds and percent, {}", load());
    println!(
        "{:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "", "up", "in memory", "files", "of that", "encoding", "share"
    );
    println!("{:>10} {:>9} {:>9} {:>9} {:>9}", "", "", "", "", "syncs");
    for shape in [Shape::Star, Shape::Ring] {
        for &nodes in sizes {
            let model = model_of(&shape.file(nodes))?;
            let (mut ups, mut in_memory) = (Vec::new(), Vec::new());
            let (mut files, mut syncs, mut encodings) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..rounds {
                let disk = Arc::new(Watched::over(Disk));
                ups.push(life(ready, &model, disk.clone())?.up);
                let (all, synced) = disk.spent();
                files.push(all);
                syncs.push(synced);
                let life = life(ready, &model, Arc::new(Memory::default()))?;
                in_memory.push(life.up);
                encodings.push(life.encoding);
            }
            let [up, in_memory, files, syncs, encoding] =
                [&ups, &in_memory, &files, &syncs, &encodings].map(|spans| median(spans.iter().copied()));
            let share = (files + encoding) / up * 100.0;
            println!(
                "{:>10} {up:>9.1} {in_memory:>9.1} {files:>9.2} {syncs:>9.2} {encoding:>9.2} {share:>7.1}%   {}",
                format!("{} {nodes}", shape.word()),
                aim(share, MOST, "%")
            );
        }
    }
    println!();
    Ok(())
}

struct Life {
    /// By the wall: a sync takes no processor.
    up: Duration,
    encoding: Duration,
}

/// A lab from nothing to nothing: what `up` took, and what the encoding of its journal and record takes by itself.
fn life(ready: &Ready, model: &Model, files: Arc<dyn StateFiles>) -> Outcome<Life> {
    let mut backend = linux::sys::open(ready.state.path()).map_err(|unusable| unusable.message)?;
    let records = subject::records(ready.state.path(), files.clone());
    let mut labs = subject::labs(&mut *backend, &records, "linux");
    let (plan, up) = timed(|| {
        let plan = labs.plan(model)?;
        labs.apply(&plan, model, &ApplyOptions::default(), &mut |_| {})?;
        Ok(plan)
    })?;
    let record = records.read(&model.lab)?.ok_or("no record")?;
    let (applying, settled) = [Phase::Applying, Phase::Up].map(|phase| Record { phase, ..record.clone() }).into();
    let other = subject::records(ready.state.path(), Arc::new(Memory::default()));
    let ((), encoding) = timed(|| {
        other.begin(&model.lab, &applying, &plan)?;
        Ok(other.write(&model.lab, &settled)?)
    })?;
    let settling = backend.settling(&model.lab)?;
    subject::labs(&mut *backend, &records, "linux").down(&model.lab, &mut |_| {})?;
    if let Some(settling) = settling {
        settling.wait(Duration::from_secs(60))?;
    }
    Ok(Life { up: up.wall, encoding: encoding.wall })
}

/// Files, and how long they took until the record of a lab that is up was written.
#[derive(Debug)]
struct Watched<F> {
    files: F,
    spent: Mutex<Times>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    all: Duration,
    syncs: Duration,
    is_over: bool,
}

impl<F: StateFiles> Watched<F> {
    fn over(files: F) -> Self {
        Self { files, spent: Mutex::default() }
    }

    fn spent(&self) -> (Duration, Duration) {
        let times = *self.spent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        (times.all, times.syncs)
    }

    fn note<T>(&self, is_sync: bool, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let value = work();
        let mut times = self.spent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !times.is_over {
            times.all += began.elapsed();
            times.syncs += if is_sync { began.elapsed() } else { Duration::ZERO };
        }
        value
    }
}

impl<F: StateFiles> StateFiles for Watched<F> {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.note(false, || self.files.read(path, most))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.note(false, || self.files.list(directory))
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.note(false, || self.files.make_directory(path))
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.note(false, || self.files.write(path, octets))
    }

    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.note(false, || self.files.append(path, octets))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.note(true, || self.files.sync(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(false, || self.files.rename(from, to))
    }

    /// The journal is removed when its change is over: what comes after it is another command's.
    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = self.note(false, || self.files.remove(path));
        self.spent.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).is_over = true;
        removed
    }
}

/// Files that are in memory only.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<PathBuf, Vec<u8>>>);

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<PathBuf, Vec<u8>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl StateFiles for Memory {
    fn read(&self, path: &Path, _most: u64) -> io::Result<Vec<u8>> {
        self.with(|files| files.get(path).cloned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.with(|files| files.keys().filter(|path| path.parent() == Some(directory)).cloned().collect()))
    }

    fn make_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.with(|files| drop(files.insert(path.to_owned(), octets.to_vec())));
        Ok(())
    }

    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.with(|files| files.entry(path.to_owned()).or_default().extend(octets));
        Ok(())
    }

    fn sync(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|files| {
            let octets = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
            files.insert(to.to_owned(), octets);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(|files| files.remove(path)).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
