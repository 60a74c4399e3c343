//! A user of this machine, who runs the program without privilege.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Who runs the program where the test is root: nobody whom a machine knows, another one for each test. What one test leaves would be
/// the other's to find.
fn somebody() -> u32 {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    64_901 + std::process::id().wrapping_mul(16).wrapping_add(TESTS.fetch_add(1, Ordering::Relaxed)) % 600
}

/// A user with a home and the program.
pub struct User {
    pub home: TempDir,
    pub uid: Option<u32>,
}

/// What a command said and how it ended.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

impl User {
    /// A user, if users can make namespaces here.
    pub fn new() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let is_root = fs::metadata("/proc/self").map(|about| std::os::unix::fs::MetadataExt::uid(&about)).unwrap() == 0;
        let user = Self { uid: is_root.then(somebody), home };
        if let Some(uid) = user.uid {
            chown(user.home.path(), Some(uid), Some(uid)).unwrap();
        }
        let program = user.home.path().join("cellblock");
        // Another process writes it: what this one forks meanwhile would have it open, and what is written to is not executed.
        let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_cellblock").as_ref(), program.as_os_str()]).status();
        assert!(copied.unwrap().success());
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        match user.as_user("unshare").args(["-r", "-n", "-m", "mount", "-t", "tmpfs", "none", "/run"]).output() {
            Ok(output) if output.status.success() => Some(user),
            Ok(output) => {
                println!(
                    "skipped: users may not make namespaces here: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                println!("skipped: unshare(1) cannot be run: {error}");
                None
            }
        }
    }

    pub fn as_user(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::null());
        let ours = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("CELLBLOCK_"));
        for name in ours {
            command.env_remove(name);
        }
        if let Some(uid) = self.uid {
            command.gid(uid).uid(uid);
        }
        command
    }

    pub fn cellblock(&self, arguments: &[&str]) -> Command {
        let mut command = self.as_user(self.home.path().join("cellblock"));
        command.args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        let output = self.cellblock(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.home.path().join(name), text).unwrap();
    }

    pub fn state(&self) -> PathBuf {
        self.home.path().join(".local/state/cellblock")
    }

    pub fn record(&self, lab: &str) -> PathBuf {
        self.state().join("labs").join(format!("{lab}.lab"))
    }

    pub fn holder_file(&self, lab: &str) -> PathBuf {
        self.state().join("holders").join(lab)
    }

    /// The process that holds a lab.
    pub fn holder(&self, lab: &str) -> u32 {
        let text = fs::read_to_string(self.holder_file(lab)).unwrap();
        text.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().parse().unwrap()
    }

    pub fn kill_holder(&self, lab: &str) {
        let process = self.holder(lab);
        assert!(lives(process));
        assert!(Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success());
        wait_until(|| !lives(process));
    }

    #[track_caller]
    pub fn nothing_is_left(&self, lab: &str) {
        assert!(!self.record(lab).exists() && !self.holder_file(lab).exists());
    }
}

/// Whether a process is there and not only waited for.
pub fn lives(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[track_caller]
pub fn wait_until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::yield_now();
    }
}
