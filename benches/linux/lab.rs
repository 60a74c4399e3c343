//! Cellblock itself, by its program: what a user waits for, from its start to its end.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use super::settle::Settling;
use super::shape::Shape;
use super::{Figures, STANDS, others, sys};

/// What `up -v` says when all steps are done and it begins to read back.
const READING_BACK: &str = "reading back";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cellblock"));
    command.args(["--engine", "linux", "--state-dir", "/run/state"]);
    command
}

/// `up`, then `down`, or `down --wait`.
pub fn run(shape: Shape, nodes: u32, waits: bool) -> io::Result<Figures> {
    fs::write("/run/lab.yaml", shape.file(nodes))?;
    sys::adopt()?;
    let settling = Settling::prepare(&File::open("/proc/thread-self/ns/net")?)?;
    let began = Instant::now();
    let mut up = program().args(["-v", "up", "/run/lab.yaml"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let stderr = up.stderr.take().ok_or_else(|| io::Error::other("no pipe"))?;
    let (mut create, mut worked, mut said) = (None, None, String::new());
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        if line.contains(READING_BACK) {
            create = Some(began.elapsed());
            worked = sys::time_taken_by(up.id()).ok();
        }
        said.push_str(&line);
        said.push('\n');
    }
    let status = up.wait()?;
    let read_back = began.elapsed();
    let create =
        create.filter(|_| status.success()).ok_or_else(|| io::Error::other(format!("up: {status}: {said}")))?;

    let before = frames()?;
    thread::sleep(STANDS);
    let frames = (shape == Shape::Star).then_some(frames()?.saturating_sub(before));
    let (began, before) = (Instant::now(), sys::processor_time(libc::RUSAGE_CHILDREN)?);
    let words: &[&str] = if waits { &["down", "--wait", "bench"] } else { &["down", "bench"] };
    others::succeeded(program().args(words))?;
    let returned = began.elapsed();
    let processor = Some(sys::processor_time(libc::RUSAGE_CHILDREN)?.saturating_sub(before));
    // What `down` has left behind to end by itself is part of it.
    sys::wait_for_all()?;
    settling.wait()?;
    let settled = if waits { returned } else { began.elapsed() };
    Ok(Figures { create, worked, up: Some(read_back), returned, settled: Some(settled), processor, frames })
}

/// Frames that the switch of a lab has got so far.
fn frames() -> io::Result<u64> {
    let home = File::open("/proc/thread-self/ns/net")?;
    sys::enter(File::open("/run/netns/bench")?.as_fd())?;
    let text = fs::read_to_string("/proc/thread-self/net/dev");
    sys::enter(home.as_fd())?;
    // Two lines of headings; octets and frames received come first.
    let received = |line: &str| line.split_once(':')?.1.split_whitespace().nth(1)?.parse::<u64>().ok();
    Ok(text?.lines().skip(2).filter_map(received).sum())
}
