//! A floor program that somebody else wrote, where CELLBLOCK_SHARED says that there is one: does ours tell the truth?

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, io};

use super::shape::Shape;
use super::{Figures, STANDS, others};

/// The options with which it makes what our floor makes, in the best order.
const OPTIONS: &[&str] =
    &["hold=tree", "hub=own", "brup=last", "destroy=brdown", "up=later", "queues=1", "ip6=addrgen", "snoop=0"];

/// Where it is, if it is.
pub fn source() -> Option<PathBuf> {
    let source = Path::new(&env::var_os("CELLBLOCK_SHARED")?).join("bench/linux/floor.c");
    source.exists().then_some(source)
}

/// Compiles it to a file.
pub fn compile(to: &Path) -> io::Result<()> {
    let source = source().ok_or_else(|| io::Error::other("CELLBLOCK_SHARED names no such program"))?;
    others::succeeded(Command::new("cc").args(["-O2", "-pthread", "-o"]).arg(to).arg(source)).map(drop)
}

pub fn run(program: &Path, shape: Shape, nodes: u32) -> io::Result<Figures> {
    File::open(program)?;
    let pause = format!("pause={}", STANDS.as_secs_f64());
    let mut command = Command::new(program);
    let said = others::succeeded(command.arg(shape.word()).arg(nodes.to_string()).args(OPTIONS).arg(pause))?;
    let value = |name: &str| {
        let rest = said.split(&format!("\"{name}\":")).nth(1)?;
        let number = rest.split([',', '}']).next()?;
        number.trim().parse::<f64>().ok().map(|milliseconds| Duration::from_secs_f64(milliseconds / 1e3))
    };
    let (Some(create), Some(returned)) = (value("create"), value("destroy")) else {
        return Err(io::Error::other(format!("it said: {said}")));
    };
    Ok(Figures { create, worked: None, up: None, returned, settled: value("settled"), processor: None, frames: None })
}
