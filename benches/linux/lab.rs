//! Cellblock itself, by its program: what a user waits for, from its start to its end.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::settle::Settling;
use super::shape::Shape;
use super::{Figures, others};

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
    let settling = Settling::prepare(&File::open("/proc/thread-self/ns/net")?)?;
    let began = Instant::now();
    let mut up = program().args(["-v", "up", "/run/lab.yaml"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let stderr = up.stderr.take().ok_or_else(|| io::Error::other("no pipe"))?;
    let (mut create, mut said) = (None, String::new());
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        if line.contains(READING_BACK) {
            create = Some(began.elapsed());
        }
        said.push_str(&line);
        said.push('\n');
    }
    let status = up.wait()?;
    let read_back = began.elapsed();
    let create =
        create.filter(|_| status.success()).ok_or_else(|| io::Error::other(format!("up: {status}: {said}")))?;

    let began = Instant::now();
    if waits {
        others::succeeded(program().args(["down", "--wait", "bench"]))?;
        let settled = began.elapsed();
        settling.wait()?;
        return Ok(Figures { create, up: Some(read_back), returned: settled, settled: Some(settled) });
    }
    others::succeeded(program().args(["down", "bench"]))?;
    let returned = began.elapsed();
    settling.wait()?;
    Ok(Figures { create, up: Some(read_back), returned, settled: Some(began.elapsed()) })
}
