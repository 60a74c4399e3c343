//! Starts a machine, talks with it until its work is over, and reads its results.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::dialogue::{Action, Dialogue};
use crate::machine::Machine;
use crate::{Work, bundle, quoted, results};

/// Room for what the guest brings back.
const RESULTS: u64 = 256 << 20;
/// A line that is silent so long may hide a prompt.
const QUIET: Duration = Duration::from_secs(10);
/// A guest whose work is over has so long to shut down.
const SHUTDOWN: Duration = Duration::from_secs(120);

/// Runs the work in a machine.
///
/// # Errors
/// No machine was given, it does not come up, it does not end.
pub fn run(machine: &Machine, work: &Work) -> Result<ExitCode> {
    if machine.disk().is_err() && machine.image.is_none() && machine.kernel.is_none() && machine.root.is_none() {
        eprintln!("xtask: {}", crate::machine::HOW);
        return Ok(ExitCode::from(69));
    }
    machine.disk()?;
    fs::create_dir_all(&work.results).with_context(|| work.results.display().to_string())?;
    let bundle = bundle::provide(work, &work.results.join("bundle.tar"))?;
    let disk = work.results.join("results.img");
    File::create(&disk)?.set_len(RESULTS)?;
    let kvm = !machine.emulate && File::options().read(true).write(true).open("/dev/kvm").is_ok();
    let arguments = machine.command(&whole_blocks(&bundle)?, &disk, kvm)?;
    let command = format!("{} {}", machine.qemu.display(), arguments.join(" "));
    fs::write(work.results.join("qemu.txt"), command)?;
    eprintln!("xtask: starting the machine, {}", if kvm { "by kvm" } else { "emulated, which takes its time" });
    let mut child = Command::new(&machine.qemu)
        .args(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| machine.qemu.display().to_string())?;
    let outcome = converse(&mut child, work);
    // Whatever happened, the machine ends with us.
    let _ = child.kill();
    let _ = child.wait();
    let unpacked = File::open(&disk).map_err(Into::into).and_then(|disk| results::unpack(disk, &work.results));
    let _ = fs::remove_file(&disk);
    let code = match (outcome, &unpacked) {
        (Ok(code), _) => code,
        // What it wrote before it stopped is worth telling.
        (Err(error), Ok(_)) => {
            eprintln!("xtask: {error:#}");
            70
        }
        (Err(error), Err(_)) => return Err(error),
    };
    results::tell(&results::read(&unpacked?)?, &work.results, code)
}

/// A disk has whole blocks, a tar archive may not end with one.
fn whole_blocks(bundle: &Path) -> Result<std::path::PathBuf> {
    let file = File::options().write(true).open(bundle).with_context(|| bundle.display().to_string())?;
    let length = file.metadata()?.len();
    file.set_len(length.next_multiple_of(64 << 10))?;
    Ok(fs::canonicalize(bundle)?)
}

/// The line that fetches the bundle, does the work and stores what it found.
fn line(work: &Work) -> String {
    let arguments: Vec<String> = work.arguments().iter().map(|word| quoted(word)).collect();
    let arguments = arguments.join(" ");
    format!(
        "cd /tmp && mkdir cb && cd cb && tar xf /dev/vtbd1 && {{ ./guest {arguments}; r=$?; tar cf /dev/vtbd2 results; (exit $r); }}"
    )
}

fn converse(child: &mut Child, work: &Work) -> Result<i32> {
    let (mut stdin, stdout) = match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => (stdin, stdout),
        _ => bail!("the machine has no serial line"),
    };
    let said = listen(stdout);
    let mut log = File::create(work.results.join("console.log"))?;
    let started = Instant::now();
    let mut dialogue = Dialogue::new(&line(work));
    let mut lines = Lines::default();
    loop {
        let Some(left) = work.limit().checked_sub(started.elapsed()) else {
            bail!("not done after {} minutes; the console is in {}", work.limit, work.results.display());
        };
        let action = match said.recv_timeout(QUIET.min(left)) {
            Ok(bytes) => {
                log.write_all(&bytes)?;
                lines.show(&bytes, dialogue.is_working());
                dialogue.hear(&bytes)
            }
            Err(RecvTimeoutError::Timeout) => dialogue.quiet(),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the machine ended before its work; the console is in {}", work.results.display())
            }
        };
        match action {
            None => {}
            Some(Action::Send(text)) => {
                stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).context("the serial line broke")?;
            }
            Some(Action::Over(code)) => {
                drain(&said, &mut log)?;
                return Ok(code);
            }
            Some(Action::Failed(why)) => {
                // The rest of what it has to say, such as a backtrace.
                while let Ok(bytes) = said.recv_timeout(QUIET) {
                    log.write_all(&bytes)?;
                }
                bail!("{why}; the console is in {}", work.results.display());
            }
        }
    }
}

/// Reads the serial line in a thread, because a pipe has no time limit.
fn listen(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer.get(..length).unwrap_or_default().to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Hears the machine out until it is off.
fn drain(said: &Receiver<Vec<u8>>, log: &mut File) -> Result<()> {
    let over = Instant::now();
    while let Some(left) = SHUTDOWN.checked_sub(over.elapsed()) {
        match said.recv_timeout(left) {
            Ok(bytes) => log.write_all(&bytes)?,
            Err(_) => break,
        }
    }
    Ok(())
}

/// Shows what the work says, line by line.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn show(&mut self, bytes: &[u8], show: bool) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    let text = String::from_utf8_lossy(&self.0);
                    if show && !text.trim().is_empty() {
                        eprintln!("| {}", text.trim_end());
                    }
                    self.0.clear();
                }
                _ if self.0.len() < 1000 => self.0.push(*byte),
                _ => {}
            }
        }
    }
}
