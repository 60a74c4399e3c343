//! Running the program the way a user does: as a process, in a directory of its own, with a state directory of its own.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A place without any labs.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    directory: PathBuf,
    variables: Vec<(String, String)>,
}

/// What a process said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Fails with everything that was said unless it ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

impl Sandbox {
    /// An empty current directory.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("here");
        std::fs::create_dir(&directory).unwrap();
        Self { folder, directory, variables: Vec::new() }
    }

    /// The repository as current directory.
    pub fn in_repository() -> Self {
        Self { directory: root().to_owned(), ..Self::new() }
    }

    /// Sets a variable of the environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The current directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Where state goes by default.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state/cellblock")
    }

    /// Writes a file into the current directory.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.join(name), text).unwrap();
    }

    /// The program with these arguments, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cellblock"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CELLBLOCK_") || name.starts_with("CLI"))
        {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(&self.directory).env_remove("NO_COLOR").stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.folder.path().join("state")).env("CELLBLOCK_ENGINE", "sim");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs the program with both streams in one, as on a terminal.
    pub fn run_merged(&self, arguments: &[&str]) -> String {
        let mut both: File = tempfile::tempfile().unwrap();
        let mut command = self.command(arguments);
        command.stdout(both.try_clone().unwrap()).stderr(both.try_clone().unwrap());
        command.status().unwrap();
        both.rewind().unwrap();
        let mut text = String::new();
        both.read_to_string(&mut text).unwrap();
        text
    }
}
