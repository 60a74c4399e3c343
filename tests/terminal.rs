//! Terminals: a simulated shell under a real one, and passing on between a user's terminal and a program's.
//! On Linux, where setsid(1) gives a program a controlling terminal.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

mod common;

use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use cellblock::terminal::{Over, Pty, Raw, User, relay};
use common::Sandbox;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

const WIRE: &str = r#"version: 1
name: wire
topology:
  nodes: { a: { kind: host }, b: { kind: host }, n: { kind: switch } }
  links:
    - { endpoints: [ "a:eth0", "b:eth0" ], ipv4: [ 10.0.0.1/24, 10.0.0.2/24 ] }
    - { endpoints: [ "a:eth1", n ] }
"#;

fn wire() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("wire.yaml", WIRE);
    sandbox.run(&["up", "-q", "wire.yaml"]).expect(0);
    sandbox
}

/// Signals are the process's: the tests that catch them take turns.
static TURN: Mutex<()> = Mutex::new(());

/// What a person sees and types at a terminal.
struct Screen {
    fd: OwnedFd,
    seen: String,
}

impl Screen {
    fn new(fd: OwnedFd) -> Self {
        Self { fd, seen: String::new() }
    }

    fn type_in(&self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match rustix::io::write(&self.fd, rest) {
                Ok(written) => rest = &rest[written..],
                Err(rustix::io::Errno::AGAIN) => {
                    poll(&mut [PollFd::new(&self.fd, PollFlags::OUT)], None).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until the text is there, after what was waited for before; everything up to its end.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
            let mut polled = [PollFd::new(&self.fd, PollFlags::IN)];
            assert_ne!(poll(&mut polled, Some(&patience)).unwrap(), 0, "no {text:?} in {:?}", self.seen);
            let mut buffer = [0; 4096];
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::IO) => panic!("the end came before {text:?}: {:?}", self.seen),
                Ok(length) => self.seen.push_str(&String::from_utf8_lossy(&buffer[..length])),
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A terminal and its two sides; the size is what is given.
fn terminal(rows: u16, columns: u16) -> (Screen, OwnedFd) {
    let pty = Pty::open(std::io::stdin().as_fd()).unwrap();
    let programs = pty.program_side().try_clone_to_owned().unwrap();
    let ours = pty.into_ours();
    resize(&ours, rows, columns);
    (Screen::new(ours), programs)
}

fn resize(terminal: &OwnedFd, rows: u16, columns: u16) {
    tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

#[test]
fn a_simulated_shell_prompts_runs_programs_and_ends_as_told() {
    let sandbox = wire();
    let (mut screen, side) = terminal(24, 80);
    let stdio = || Stdio::from(side.try_clone().unwrap());
    let mut child =
        sandbox.command(&["shell", "a@wire"]).stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
    screen.wait_for("a# ");
    screen.type_in("ifconfig -l\n");
    screen.wait_for("eth0 eth1");
    screen.wait_for("a# ");
    screen.type_in("ping -c 1 10.0.0.2\n");
    screen.wait_for("64 bytes from 10.0.0.2");
    screen.wait_for("a# ");
    screen.type_in("vi notes\n");
    screen.wait_for("vi: not found; `help` lists what there is");
    screen.type_in("help\n");
    screen.wait_for("traceroute");
    screen.type_in("exit 3\n");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_simulated_shell_takes_its_lines_from_anywhere() {
    let sandbox = wire();
    let run = |node: &str, lines: &str| {
        let mut command = sandbox.command(&["shell", node]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, out) = run("a@wire", "# what is here\n\nifconfig -l\n");
    assert_eq!(
        (code, out.contains("eth0"), out.contains("a# ")),
        (0, true, false),
        "no prompt where nobody types: {out}"
    );
    assert_eq!(run("a@wire", "ping -c 1 10.0.0.99\n").0, 2, "the status of the last program");
    assert_eq!(run("a@wire", "nope").0, 127);
    assert_eq!(run("a@wire", "ping 'x").0, 2);
    assert_eq!(run("a@wire", "nope\nexit 0\nnope\n").0, 0);
    assert_eq!(run("a@wire", "").0, 0);
    assert_eq!(run("n@wire", "").0, 66, "a switch has no stack");
    assert_eq!(run("nobody@wire", "").0, 66);
    sandbox.run(&["shell", "a@wire", "ifconfig", "-l"]).expect(0);
    sandbox.run(&["shell", "a@wire", "nope"]).expect(127);
}

/// A program on a terminal of its own, as an engine would start it: setsid(1) makes the terminal its controlling one.
fn program(pty: &Pty, script: &str) -> Option<(std::process::Child, OwnedFd)> {
    // Whoever began the tests may ignore the signal, which a program would take over; one that is caught is the default for it.
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::default()).unwrap();
    let stdio = || Stdio::from(pty.program_side().try_clone_to_owned().unwrap());
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", "sh", "-c", script]).stdin(stdio()).stdout(stdio()).stderr(stdio());
    let child = command.spawn().ok()?;
    let pid = rustix::process::Pid::from_child(&child);
    Some((child, rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?))
}

/// Runs `script` on a terminal of its own behind the user's, and `play` at the user's; what relay said, the exit code.
fn behind_a_terminal(script: &str, play: impl FnOnce(&mut Screen, BorrowedFd<'_>)) -> Option<(Over, Option<i32>)> {
    let (mut screen, side) = terminal(33, 99);
    let pty = Pty::open(side.as_fd()).unwrap();
    let Some((mut child, ended)) = program(&pty, script) else {
        println!("skipped: no setsid(1) of util-linux here to give a program a controlling terminal");
        return None;
    };
    let ours = pty.into_ours();
    let before = tcgetattr(&side).unwrap().local_modes;
    let over = std::thread::scope(|scope| {
        let relaying = scope.spawn(|| {
            let raw = Raw::enter(side.as_fd()).unwrap();
            assert!(raw.is_some());
            let user = User { input: side.as_fd(), output: side.as_fd() };
            relay(user, ours.as_fd(), ended.as_fd())
        });
        play(&mut screen, side.as_fd());
        relaying.join().unwrap().unwrap()
    });
    assert_eq!(tcgetattr(&side).unwrap().local_modes, before, "the terminal is as before");
    drop(ours);
    Some((over, child.wait().unwrap().code()))
}

#[test]
fn keys_and_answers_go_through_and_the_status_comes_back() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let result = behind_a_terminal("stty size; read line; echo got:$line; exit 7", |screen, side| {
        screen.wait_for("33 99");
        let raw = tcgetattr(side).unwrap().local_modes;
        assert!(
            !raw.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG),
            "every key is the program's"
        );
        screen.type_in("hello\r");
        screen.wait_for("got:hello");
    });
    if let Some(result) = result {
        assert_eq!(result, (Over::Ended, Some(7)));
    }
}

#[test]
fn a_key_that_interrupts_interrupts_the_program_and_not_us() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let script = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do read line; done";
    let result = behind_a_terminal(script, |screen, _| {
        screen.wait_for("ready");
        screen.type_in("\x03");
        screen.wait_for("interrupted");
    });
    if let Some(result) = result {
        assert_eq!(result, (Over::Ended, Some(9)));
    }
}

#[test]
fn a_change_of_size_reaches_the_program() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do read line; done";
    let result = behind_a_terminal(script, |screen, _| {
        screen.wait_for("ready");
        resize(&screen.fd, 50, 132);
        // The kernel tells the session of the user's terminal, which this test is not in.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::WINCH).unwrap();
        screen.wait_for("50 132");
    });
    if let Some(result) = result {
        assert_eq!(result, (Over::Ended, Some(0)));
    }
}

#[test]
fn much_output_and_many_keys_at_one_time_do_not_block_each_other() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let script = "stty raw -echo; echo ready; seq 1 20000; head -c 100000 >/dev/null; echo all; exit 0";
    let result = behind_a_terminal(script, |screen, _| {
        screen.wait_for("ready");
        // Nobody reads the keys before everything was written, and we read nothing before all keys are typed.
        std::thread::scope(|scope| {
            let keys = Screen::new(screen.fd.try_clone().unwrap());
            scope.spawn(move || keys.type_in(&"k".repeat(100_000)));
            screen.wait_for("20000");
            screen.wait_for("all");
        });
    });
    if let Some(result) = result {
        assert_eq!(result, (Over::Ended, Some(0)));
    }
}

#[test]
fn a_program_that_never_reads_does_not_keep_us_when_we_are_told_to_end() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let result = behind_a_terminal("echo ready; exec sleep 600", |screen, _| {
        screen.wait_for("ready");
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
    });
    if let Some((over, code)) = result {
        assert_eq!(over, Over::HungUp);
        assert_ne!(code, Some(0), "the program was hung up");
    }
}
