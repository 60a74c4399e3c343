//! The example ngctl: transcripts of every command, and what it sends and says where a real kernel was recorded.
//!
//! A transcript in `tests/ngctl/` has commands after `$`, what is typed after `<` (`<eof` and nothing more: an empty
//! input), then what is printed on both streams, and the exit status after `=` where it is not 0. `$ ngctl@tty` is
//! used by a person. `DIR` stands for a folder that all commands of a transcript share. With `UPDATE_TRANSCRIPTS=1`
//! the files are written anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../examples/ngctl/app/mod.rs"]
mod app;
#[path = "../examples/kernel/mod.rs"]
mod kernel;
#[path = "ngctl/recorded.rs"]
mod recorded;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cellblock::abi::JailParam;
use cellblock::engine::freebsd::doors::{JAIL_CREATE, JailDoor as _};
use cellblock::sim::{Kernel as Memory, SimDoors, netgraph, persist};

/// Both streams, as they meet on a terminal.
#[derive(Clone, Default)]
struct Screen(Rc<RefCell<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is printed, and the exit status.
fn run(arguments: &[String], input: &str, is_terminal: bool) -> (String, u8) {
    let arguments: Vec<Vec<u8>> = arguments.iter().map(|word| word.clone().into_bytes()).collect();
    let screen = Screen::default();
    let mut streams =
        app::Streams { input: &mut input.as_bytes(), out: &mut screen.clone(), err: &mut screen.clone(), is_terminal };
    let status = app::run(&arguments, &mut streams);
    (screen.text(), status)
}

/// A folder with a kernel that has a jail `lab` with a network stack and a bridge of its own.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut doors = SimDoors::new(Memory::boot(7));
    netgraph::load_module(&mut doors.kernel, "ng_bridge").unwrap();
    let vnet = JailParam::int("vnet", cellblock::abi::jail::JAIL_SYS_NEW);
    let jail = [JailParam::string("name", "lab"), vnet, JailParam::boolean("persist", true)];
    doors.jail_set(&jail, JAIL_CREATE).unwrap();
    persist::save(&doors.into_kernel(), &folder.path().join("lab.kernel")).unwrap();
    fs::write(folder.path().join("frame"), b"a frame of a file").unwrap();
    fs::write(folder.path().join("empty"), b"").unwrap();
    fs::write(folder.path().join("script"), b"# a comment\n\nlist -n\nnosuch\nlist\n").unwrap();
    folder
}

/// Plays a transcript; gives what it should have been.
fn play(transcript: &str) -> String {
    let folder = folder();
    let place = folder.path().to_str().unwrap();
    let mut lines = transcript.lines().peekable();
    let mut played = String::new();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ ngctl") else {
            if line.starts_with('#') {
                writeln!(played, "{line}").unwrap();
            }
            continue;
        };
        writeln!(played, "{line}").unwrap();
        let mut input = String::new();
        while let Some(typed) = lines.next_if(|line| line.starts_with('<')) {
            writeln!(played, "{typed}").unwrap();
            match typed {
                "<eof" => {}
                typed => writeln!(input, "{}", typed[1..].trim_start()).unwrap(),
            }
        }
        let is_terminal = command.starts_with("@tty");
        let words = command.trim_start_matches("@tty").replace("DIR", place);
        let arguments: Vec<String> = words.split_whitespace().map(|word| word.replace('\u{b7}', " ")).collect();
        let (printed, status) = run(&arguments, &input.replace("DIR", place), is_terminal);
        played.push_str(&printed.replace(place, "DIR"));
        if !played.ends_with('\n') {
            played.push_str("~\n");
        }
        if status != 0 {
            writeln!(played, "= {status}").unwrap();
        }
    }
    played
}

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ngctl");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|ending| ending == "txt")).collect();
    files.sort();
    files
}

#[test]
fn transcripts_are_as_written() {
    let files = transcripts();
    assert!(files.len() >= 6, "there are transcripts: {files:?}");
    for file in files {
        let written = fs::read_to_string(&file).unwrap();
        let played = play(&written);
        if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
            fs::write(&file, &played).unwrap();
            continue;
        }
        assert!(played == written, "{}: what was played is\n{played}", file.display());
    }
}

#[test]
fn every_command_is_in_the_transcripts_of_each_mode() {
    let all = [
        "config", "connect", "debug", "dot", "help", "list", "mkpeer", "msg", "name", "quit", "read", "rmhook", "show",
        "shutdown", "status", "types", "write",
    ];
    for (mode, begins) in [("single", "$ ngctl "), ("script", "<"), ("interactive", "<")] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ngctl/{mode}.txt"));
        let text = fs::read_to_string(&file).unwrap();
        for command in all {
            let is_used = |line: &str| line.split(' ').any(|word| word == command);
            assert!(text.lines().any(|line| line.starts_with(begins) && is_used(line)), "{command} in {mode}");
        }
    }
}

#[test]
fn a_closed_reader_is_no_failure() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let arguments = ["--sim", "list"].map(|word| word.as_bytes().to_vec());
    let mut streams =
        app::Streams { input: &mut io::empty(), out: &mut Closed, err: &mut io::sink(), is_terminal: false };
    assert_eq!(app::run(&arguments, &mut streams), 0);
}

#[test]
fn a_kernel_in_a_file_keeps_what_was_changed_and_only_that() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sim.kernel");
    let sim = format!("--sim={}", folder.path().display());
    let ngctl = |words: &[&str]| {
        let words: Vec<String> = [sim.as_str()].iter().chain(words).map(|word| (*word).to_owned()).collect();
        run(&words, "", false)
    };
    assert_eq!(ngctl(&["-n", "me", "list"]).1, 0);
    assert!(!file.exists(), "looking makes no kernel");
    assert_eq!(ngctl(&["mkpeer", "eiface", "e", "ether"]), (String::new(), 0));
    let before = fs::read(&file).unwrap();
    let (listed, _) = ngctl(&["list", "-n"]);
    assert!(listed.contains("  Name: ngeth0          Type: eiface          ID: 00000002   Num hooks: 0\n"), "{listed}");
    assert_eq!(fs::read(&file).unwrap(), before, "looking changes nothing");
    fs::write(&file, b"something else").unwrap();
    let (said, status) = ngctl(&["list"]);
    assert!(said.ends_with("sim.kernel: not a simulated kernel\n") && status == 74, "{said}");
}
