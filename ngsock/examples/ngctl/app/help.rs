//! `help`.

use std::io::{self, Write};

use super::commands::{COMMANDS, Words, find};
use super::session::{Outcome, Session};

/// The widest line of a description.
const COLUMNS: usize = 63;

pub fn help(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    match words.get(1) {
        None => summary(session.out)?,
        Some(word) => match find(word) {
            Ok(command) => {
                writeln!(session.out, "usage:    {}", command.usage)?;
                if !command.aliases.is_empty() {
                    writeln!(session.out, "Aliases:  {}", command.aliases.join(", "))?;
                }
                writeln!(session.out, "Summary:  {}", command.summary)?;
                if let Some(description) = command.description {
                    writeln!(session.out, "Description:")?;
                    wrap(session.out, description)?;
                }
            }
            Err(why) => session.complain(format_args!("\"{}\": {why}", String::from_utf8_lossy(word)))?,
        },
    }
    Ok(Outcome::Done)
}

/// All commands, a line each.
pub fn summary(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Available commands:")?;
    for command in &COMMANDS {
        writeln!(out, "  {:<10} {}", command.name(), command.summary)?;
    }
    Ok(())
}

/// Breaks a text at its spaces.
fn wrap(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        // The texts are ASCII, and none has a word as long as a line.
        let end = match rest.get(..=COLUMNS) {
            None => rest.len(),
            Some(line) => line.rfind(' ').unwrap_or(COLUMNS),
        };
        let (line, after) = rest.split_at(end);
        writeln!(out, "  {line}")?;
        rest = after.trim_start();
    }
    Ok(())
}
