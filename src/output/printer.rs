//! Where everything that is said goes through: the result to standard output, the rest to standard error.

use std::fmt::Display;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use super::diagnostic;
use super::status::{Failure, Findings};

/// How much is said besides the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: errors only.
    Quiet,
    /// One line per step and a summary.
    #[default]
    Normal,
    /// `-v`: also what was found on the way.
    Verbose,
}

/// Bold red.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Bold yellow.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Bold cyan.
pub const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// What is new or well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is going or not well.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What changes.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();

/// A text in a style; the styles disappear where the stream has no colour.
#[must_use]
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The two streams. A reader that went away is no error: what it did not want to read is dropped. Any other failure
/// to write the result is kept for [`Printer::finish`].
pub struct Printer {
    out: AutoStream<Box<dyn Write + Send>>,
    err: AutoStream<Box<dyn Write + Send>>,
    verbosity: Verbosity,
    lost: Option<io::Error>,
    gone: bool,
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer").field("verbosity", &self.verbosity).finish_non_exhaustive()
    }
}

impl Printer {
    /// The process's own streams, coloured where NO_COLOR, CLICOLOR and the terminal allow.
    #[must_use]
    pub fn for_process(verbosity: Verbosity) -> Self {
        let (out, err) = (AutoStream::choice(&io::stdout()), AutoStream::choice(&io::stderr()));
        Self::new((Box::new(io::BufWriter::new(io::stdout())), out), (Box::new(io::stderr()), err), verbosity)
    }

    /// Any two streams, without colour.
    #[must_use]
    pub fn plain(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, verbosity: Verbosity) -> Self {
        Self::new((out, ColorChoice::Never), (err, ColorChoice::Never), verbosity)
    }

    fn new(
        out: (Box<dyn Write + Send>, ColorChoice),
        err: (Box<dyn Write + Send>, ColorChoice),
        verbosity: Verbosity,
    ) -> Self {
        let (out, err) = (AutoStream::new(out.0, out.1), AutoStream::new(err.0, err.1));
        Self { out, err, verbosity, lost: None, gone: false }
    }

    /// A part of the result, with its own line ends.
    pub fn result(&mut self, text: impl AsRef<str>) {
        self.result_bytes(text.as_ref().as_bytes());
    }

    /// A part of the result that may be no text, such as what a program in a node wrote.
    pub fn result_bytes(&mut self, bytes: &[u8]) {
        if self.gone || self.lost.is_some() {
            return;
        }
        if let Err(error) = self.out.write_all(bytes) {
            self.note_failure(error);
        }
    }

    /// Hands buffered results on at once.
    pub fn flush(&mut self) {
        if !self.gone
            && let Err(error) = self.out.flush()
        {
            self.note_failure(error);
        }
    }

    fn note_failure(&mut self, error: io::Error) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.gone = true;
        } else {
            self.lost.get_or_insert(error);
        }
    }

    /// Bytes for standard error that belong to a program in a node.
    pub fn error_bytes(&mut self, bytes: &[u8]) {
        self.flush();
        // Nobody can be told that standard error is gone.
        let _ = self.err.write_all(bytes);
    }

    fn say(&mut self, line: impl Display) {
        self.error_bytes(format!("{line}\n").as_bytes());
    }

    /// A line about the work on standard error, unless `-q`.
    pub fn progress(&mut self, line: impl Display) {
        if self.verbosity > Verbosity::Quiet {
            self.say(line);
        }
    }

    /// A line on standard error that only `-v` asks for.
    pub fn detail(&mut self, line: impl Display) {
        if self.verbosity >= Verbosity::Verbose {
            self.say(line);
        }
    }

    /// `warning: …` on standard error, unless `-q`.
    pub fn warning(&mut self, text: impl Display) {
        self.progress(format!("{}: {text}", styled(WARNING, "warning")));
    }

    /// Findings with their excerpts on standard error; with `-q` only those that are errors.
    pub fn findings(&mut self, findings: &Findings) {
        for finding in &findings.diagnostics {
            if finding.is_error() || self.verbosity > Verbosity::Quiet {
                let text = diagnostic::render(finding, &findings.sources, diagnostic::Style::Colour);
                self.say(text.trim_end_matches('\n').to_owned() + "\n");
            }
        }
    }

    /// Its findings, then `error[…]: …` with its lines and its hint.
    pub fn failure(&mut self, failure: &Failure) {
        if let Some(findings) = &failure.findings {
            self.findings(findings);
        }
        let code = failure.code.map(|code| format!("[{code}]")).unwrap_or_default();
        self.say(format!("{}: {}", styled(ERROR, format!("error{code}")), failure.message));
        for line in &failure.details {
            self.say(format!("  {line}"));
        }
        if let Some(hint) = &failure.hint {
            self.say(format!("{}: {hint}", styled(HINT, "hint")));
        }
    }

    /// How much is to be said.
    #[must_use]
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first failure to write the result, unless its reader had simply gone.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush();
        self.lost.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A stream that can be read afterwards.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A stream that refuses everything.
    struct Refusing(io::ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn kept(verbosity: Verbosity) -> (Printer, Kept, Kept) {
        let (out, err) = (Kept::default(), Kept::default());
        (Printer::plain(Box::new(out.clone()), Box::new(err.clone()), verbosity), out, err)
    }

    #[test]
    fn the_result_and_the_rest_keep_apart() {
        let (mut printer, out, err) = kept(Verbosity::Normal);
        printer.result("1\n");
        printer.progress("on the way");
        printer.detail("too much");
        printer.finish().unwrap();
        assert_eq!((out.text(), err.text()), ("1\n".to_owned(), "on the way\n".to_owned()));
    }

    #[test]
    fn quiet_still_tells_errors_with_code_lines_and_hint() {
        let (mut printer, _, err) = kept(Verbosity::Quiet);
        printer.progress("on the way");
        let mut failure = Failure::new(super::super::Status::Refused, "cannot move `epair3b`: no such interface")
            .detail("step 14 of 37, SIOCSIFVNET on the host")
            .hint("run `inspect` to see what is left");
        failure.code = Some("N031");
        printer.failure(&failure);
        assert_eq!(
            err.text(),
            "error[N031]: cannot move `epair3b`: no such interface\n  step 14 of 37, SIOCSIFVNET on the host\n\
             hint: run `inspect` to see what is left\n"
        );
    }

    #[test]
    fn a_reader_that_went_away_is_no_error_and_a_full_disk_is() {
        for (kind, fine) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)] {
            let mut printer = Printer::plain(Box::new(Refusing(kind)), Box::new(Kept::default()), Verbosity::Normal);
            printer.result("lost");
            assert_eq!(printer.finish().is_ok(), fine, "{kind:?}");
        }
    }
}
