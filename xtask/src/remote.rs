//! The same work on a machine that is reached by ssh: one connection carries the bundle in and the results out.

use std::fs::{self, File};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::{Work, bundle, quoted, results};

/// Runs the work on `host`.
///
/// # Errors
/// ssh does not get there, or the work does not end.
pub fn run(host: &str, become_root: Option<&str>, work: &Work) -> Result<ExitCode> {
    ensure!(!host.starts_with('-'), "`{host}` is no host");
    fs::create_dir_all(&work.results).with_context(|| work.results.display().to_string())?;
    let bundle = bundle::provide(work, &work.results.join("bundle.tar"))?;
    let packed = work.results.join("results.tar");
    let mut child = Command::new("ssh")
        .args([host, &script(become_root, work)])
        .stdin(File::open(&bundle)?)
        .stdout(Stdio::from(File::create(&packed)?))
        .spawn()
        .context("ssh cannot be run")?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > work.limit() {
            let _ = child.kill();
            bail!("not done after {} minutes", work.limit);
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    let code = status.code().unwrap_or(255);
    ensure!(code != 255, "ssh did not reach {host}");
    let files = results::unpack(File::open(&packed)?, &work.results);
    let _ = fs::remove_file(&packed);
    results::tell(&results::read(&files?)?, &work.results, code)
}

/// What the other machine's shell does. Words go to stderr, because stdout carries the results.
fn script(become_root: Option<&str>, work: &Work) -> String {
    let arguments: Vec<String> = work.arguments().iter().map(|word| quoted(word)).collect();
    let guest = match become_root {
        Some(command) => format!("{command} ./guest"),
        None => "./guest".to_owned(),
    };
    let sweep = become_root.map_or_else(|| "rm".to_owned(), |command| format!("{command} rm"));
    format!(
        "exec /bin/sh -c {}",
        quoted(&format!(
            "t=$(mktemp -d /tmp/cellblock.XXXXXX) && cd $t && tar xf - && {{ {guest} {} >&2; r=$?; tar cf - results; cd /; {sweep} -rf $t; exit $r; }}",
            arguments.join(" ")
        ))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arguments, Chore};
    use clap::Parser as _;

    #[test]
    fn the_script_keeps_words_and_results_apart_and_sweeps() {
        let given = ["xtask", "remote", "there", "--filter", "two hosts"];
        let Chore::Remote(given) = Arguments::try_parse_from(given).unwrap().chore else { panic!("not remote") };
        let text = script(Some("doas"), &given.work);
        assert!(text.starts_with("exec /bin/sh -c '"), "whatever the login shell is: {text}");
        assert!(text.contains("doas ./guest") && text.contains(">&2") && text.contains("doas rm -rf $t"), "{text}");
        assert!(text.contains(r"'\''two hosts'\''"), "{text}");
    }
}
