//! A lab without privilege: one process per lab holds its user, network and mount namespace, and every command enters through it. Its
//! number and the time it started are in a file beside the records, so that another process with its number is never taken for it.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, thread};

use super::{call, folder, fork, strays};
use crate::model::LabName;

/// The directory of the files about holders, in the state directory.
const HOLDERS: &str = "holders";
/// The first line of such a file.
const MAGIC: &str = "cellblock holder 1";
/// What the file system over /run is called in a holder's mount namespace.
const RUN: &str = "cellblock-run";
/// How long a process may take to end, and a thread that was joined to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that holds a lab's namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    boot: String,
    process: i32,
    /// Ticks since boot, as /proc/PID/stat has it.
    started: u64,
    /// Whose it is.
    pub(super) user: u32,
    /// The lab's token: the mount that bears it proves which processes were in the lab.
    token: String,
}

/// The file about a lab's holder.
pub(super) fn file(state_dir: &Path, lab: &str) -> PathBuf {
    state_dir.join(HOLDERS).join(lab)
}

/// What becomes that file once it is whole.
fn beside(file: &Path) -> PathBuf {
    file.with_added_extension("new")
}

/// Takes the file about a holder that is gone away, and what did not become one because who wrote it was killed.
pub(super) fn forget(file: &Path) -> io::Result<()> {
    for file in [file, &beside(file)] {
        match fs::remove_file(file) {
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {}
            other => other?,
        }
    }
    // Other labs' files keep it.
    let _ = fs::remove_dir(file.parent().unwrap_or(file));
    Ok(())
}

/// Every file about a holder that says something, with its lab.
pub(super) fn all(state_dir: &Path) -> io::Result<Vec<(LabName, Holder)>> {
    let entries = match fs::read_dir(state_dir.join(HOLDERS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry?.path();
        let lab = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        found.extend(lab.zip(Holder::read(&file)?));
    }
    Ok(found)
}

/// When a process started; `None` if there is none of that number, or it is dead and only not waited for.
fn started(process: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    fields.nth(18)?.parse().ok().filter(|_| !["Z", "X"].contains(&state))
}

impl Holder {
    /// What the file says; nothing if there is none or it was not written to its end.
    pub(super) fn read(file: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(file) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let magic = lines.next()?;
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        let holder = Self {
            boot: field("boot")?,
            process: field("pid")?.parse().ok()?,
            started: field("started")?.parse().ok()?,
            user: field("uid")?.parse().ok()?,
            token: field("token")?,
        };
        (magic == MAGIC && text.ends_with('\n') && !holder.token.is_empty()).then_some(holder)
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        let Self { boot, process, started, user, token } = self;
        let text = format!("{MAGIC}\nboot {boot}\npid {process}\nstarted {started}\nuid {user}\ntoken {token}\n");
        let beside = beside(file);
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
        fs::write(&beside, text)?;
        fs::rename(&beside, file)
    }

    /// What the lab's file system bears.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Its number.
    pub(super) const fn process(&self) -> i32 {
        self.process
    }

    /// Whether it is still there.
    pub(super) fn lives(&self, boot: &str) -> bool {
        self.boot == boot && started(self.process) == Some(self.started)
    }

    /// Starts one and writes down which, before it holds anything: when we die meanwhile, it ends.
    pub(super) fn start(file: &Path, boot: &str, token: &str) -> io::Result<Self> {
        let (mut hear, ready) = io::pipe()?;
        let (go, mut tell) = io::pipe()?;
        let process = fork::fork_holder(ready.as_fd(), go.as_fd(), &[hear.as_fd(), tell.as_fd()])?;
        drop((ready, go));
        let mut said = [0; size_of::<i32>()];
        let heard = hear.read_exact(&mut said).and_then(|()| match i32::from_ne_bytes(said) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number)),
        });
        let written = heard.and_then(|()| {
            let started = started(process).ok_or(io::ErrorKind::NotFound)?;
            let holder = Self { boot: boot.to_owned(), process, started, user: call::user(), token: token.to_owned() };
            holder.write(file)?;
            tell.write_all(&[1])?;
            Ok(holder)
        });
        if written.is_err() {
            drop(tell);
            let _ = call::wait(process);
        }
        written
    }

    /// Puts this process into its namespaces. Linux takes processes of one thread only.
    pub(super) fn enter(&self, boot: &str) -> io::Result<()> {
        let folder = env::current_dir();
        let open = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", self.process));
        let (user, mount, net) = (open("user")?, open("mnt")?, open("net")?);
        // The number may have become another process's before they were opened, not after.
        if !self.lives(boot) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        alone_at_last()?;
        call::setns(user.as_fd(), libc::CLONE_NEWUSER)?;
        call::setns(mount.as_fd(), libc::CLONE_NEWNS)?;
        call::setns(net.as_fd(), libc::CLONE_NEWNET)?;
        // Another view of the files begins at its root.
        folder.and_then(env::set_current_dir)
    }

    /// Ends it and everything that was in the lab, and forgets it.
    pub(super) fn end(&self, file: &Path, boot: &str) -> io::Result<()> {
        if self.lives(boot) {
            match call::open_process(self.process) {
                Ok(process) if self.lives(boot) => kill(process.as_fd())?,
                Err(error) if call::number(&error) != libc::ESRCH => return Err(error),
                _ => {}
            }
            call::reap(self.process);
        }
        if self.boot == boot {
            self.end_strays()?;
        }
        forget(file)
    }

    /// Ends processes that see the lab's own file system: they were started in it.
    fn end_strays(&self) -> io::Result<()> {
        let own = std::process::id().to_string();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(process) = name.to_str().filter(|name| *name != own).and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Opened before it is looked at: afterwards the number cannot become another's.
            let Ok(stray) = call::open_process(process) else { continue };
            let table = fs::read_to_string(format!("/proc/{process}/mountinfo"));
            let sees = table.is_ok_and(|table| folder::bears(&table, &self.token));
            if sees || strays::lab_of(process).is_some_and(|(_, token)| token == self.token) {
                kill(stray.as_fd())?;
            }
        }
        Ok(())
    }
}

/// Ends a process, and waits until it has ended.
pub(super) fn kill(process: BorrowedFd<'_>) -> io::Result<()> {
    match call::signal(process, libc::SIGKILL) {
        Err(error) if call::number(&error) == libc::ESRCH => return Ok(()),
        other => other?,
    }
    // Its descriptor is readable when it has ended.
    call::wait_readable(&[process], PATIENCE);
    Ok(())
}

/// A thread that was joined is still listed for a moment.
fn alone_at_last() -> io::Result<()> {
    let began = Instant::now();
    while fs::read_dir("/proc/self/task")?.count() > 1 && began.elapsed() < PATIENCE {
        thread::yield_now();
    }
    Ok(())
}

/// Makes /run writable in the namespace of a holder that this process has entered: a file system of our own with everything in it that
/// was there. Done again from the start when it was not done to its end.
pub(super) fn furnish() -> io::Result<()> {
    let run = Path::new("/run");
    let labs = Path::new(folder::LABS);
    if folder::source_of(run)?.as_deref() == Some(RUN) {
        if labs.exists() {
            return Ok(());
        }
        call::unmount(&folder::path(run)?, libc::MNT_DETACH)?;
    }
    let entries: Vec<fs::DirEntry> = fs::read_dir(run)?.collect::<Result<_, _>>()?;
    let below = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(run)?;
    let under = PathBuf::from(format!("/proc/self/fd/{}", below.as_raw_fd()));
    let name = CString::new(RUN)?;
    call::mount(&name, &folder::path(run)?, c"tmpfs", libc::MS_NOSUID | libc::MS_NODEV, Some(c"mode=755"))?;
    for entry in entries {
        let name = entry.file_name();
        let to = run.join(&name);
        if to != labs && to != Path::new(folder::NAMES) {
            // What a user may not reach is not reached in the lab either.
            let _ = show(&under.join(&name), &to, entry.file_type()?);
        }
    }
    fs::create_dir(labs)
}

fn show(from: &Path, to: &Path, kind: fs::FileType) -> io::Result<()> {
    if kind.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if kind.is_dir() {
        fs::create_dir(to)?;
    } else {
        File::create_new(to)?;
    }
    call::mount(&folder::path(from)?, &folder::path(to)?, c"none", libc::MS_BIND | libc::MS_REC, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(process: i32) -> Holder {
        let started = started(process).unwrap_or(1);
        Holder { boot: "b".to_owned(), process, started, user: 1000, token: "t".to_owned() }
    }

    #[test]
    fn a_number_alone_is_no_process() {
        let own = holder(i32::try_from(std::process::id()).unwrap());
        assert!(own.lives("b") && !own.lives("another boot"));
        let later = Holder { started: own.started + 1, ..own.clone() };
        assert!(!later.lives("b"), "the number is another process's now");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = holder(i32::try_from(child.id()).unwrap());
        child.wait().unwrap();
        assert!(!dead.lives("b"));
    }

    #[test]
    fn a_file_that_was_not_written_to_its_end_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "office");
        assert_eq!(Holder::read(&path).unwrap(), None);
        let whole = holder(1);
        whole.write(&path).unwrap();
        assert_eq!(Holder::read(&path).unwrap(), Some(whole));
        let text = fs::read_to_string(&path).unwrap();
        for length in 0..text.len() {
            assert_eq!(Holder::parse(&text[..length]), None, "{length}");
        }
    }
}
