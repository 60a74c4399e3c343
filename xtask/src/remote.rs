//! The same work on a machine that is reached by ssh: one connection carries the bundle in and the results out.

use std::fs::{self, File};
use std::io;
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{Work, bundle, quoted, results};

/// What the shell there does.
const SCRIPT: &str = include_str!("remote.sh");
/// The exit code with which it says that the time was over.
const LATE: i32 = 124;
/// How much longer than the work the way there and back may take; and how long sweeping may, once we have hung up.
const GRACE: Duration = Duration::from_secs(60);

/// Runs the work on `host`.
///
/// # Errors
/// ssh does not get there, or the work does not end.
pub fn run(host: &str, become_root: Option<&str>, work: &Work) -> Result<ExitCode> {
    ensure!(!host.starts_with('-'), "`{host}` is no host");
    fs::create_dir_all(&work.results).with_context(|| work.results.display().to_string())?;
    let bundle = bundle::provide(work, &work.results.join("bundle.tar"))?;
    let packed = work.results.join("results.tar");
    let file = File::open(&bundle).with_context(|| bundle.display().to_string())?;
    let size = file.metadata()?.len();
    let mut child = Command::new("ssh")
        .args([host, &command(size, become_root, work)])
        .stdin(Stdio::piped())
        .stdout(Stdio::from(File::create(&packed)?))
        .spawn()
        .context("ssh cannot be run")?;
    let line = child.stdin.take().context("ssh has no standard input")?;
    let status = talk(&mut child, line, file, work.limit())?;
    let code = status.code().unwrap_or(255);
    ensure!(code != 255, "ssh did not reach {host}, or was cut off: then what was made there is removed there");
    let files = results::unpack(File::open(&packed)?, &work.results);
    let _ = fs::remove_file(&packed);
    ensure!(code != LATE, "not done after {} minutes; what was made there is removed", work.limit);
    results::tell(&results::read(&files?)?, &work.results, code)
}

/// Sends the bundle and waits for the end. The line stays open until then: when it closes, the other end gives up and sweeps.
fn talk(child: &mut Child, line: ChildStdin, bundle: File, limit: Duration) -> Result<ExitStatus> {
    let (hang_up, hung_up) = channel();
    let sender = thread::spawn(move || send(line, bundle, &hung_up));
    let status = wait(child, limit.saturating_add(GRACE));
    // Whether it ended or not: the line closes.
    drop(hang_up);
    let Some(status) = status? else {
        if wait(child, GRACE)?.is_some() {
            bail!("not done in time; what was made there is removed");
        }
        let _ = child.kill();
        let _ = child.wait();
        bail!("not done in time, and ssh does not end: the other machine removes by itself what was made there");
    };
    let _ = sender.join();
    Ok(status)
}

/// The bundle, and then nothing until we hang up.
fn send(mut line: ChildStdin, mut bundle: File, hung_up: &Receiver<()>) {
    // If the other end is gone, the exit code of ssh says why.
    let _ = io::copy(&mut bundle, &mut line);
    let _ = hung_up.recv();
}

/// The status of ssh, once it has ended; `None` after that time.
fn wait(child: &mut Child, at_most: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > at_most {
            return Ok(None);
        }
        // The standard library has no wait with a time limit.
        thread::sleep(Duration::from_millis(100));
    }
}

/// The one word that ssh hands to the login shell there, whichever that is.
fn command(size: u64, become_root: Option<&str>, work: &Work) -> String {
    let fixed = [size.to_string(), work.limit().as_secs().to_string(), become_root.unwrap_or_default().to_owned()];
    let words: Vec<String> = fixed.iter().chain(&work.arguments()).map(|word| quoted(word)).collect();
    format!("exec /bin/sh -c {} sh {}", quoted(SCRIPT), words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arguments, Chore};
    use clap::Parser as _;

    #[test]
    fn the_shell_there_gets_every_word_whole() {
        let given = ["xtask", "remote", "there", "--filter", "two hosts"];
        let Chore::Remote(given) = Arguments::try_parse_from(given).unwrap().chore else { panic!("not remote") };
        let text = command(77, Some("sudo -n"), &given.work);
        assert!(text.starts_with("exec /bin/sh -c '"), "whatever the login shell is: {text}");
        assert!(text.ends_with(" sh 77 3600 'sudo -n' --results results --filter 'two hosts'"), "{text}");
    }
}
