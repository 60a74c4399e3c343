//! What a verb works with: the options, the surroundings, the printer.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::{Format, Global, RouteDoor};
use crate::lab::{ApplyOptions, EngineKind, RouteDoorKind, Stop};
use crate::model::Delay;
use crate::output::{Failure, Printer, Status, json, yaml};
use crate::terminal::Interrupts;
use crate::topology::LoadOptions;

/// Looks up a variable of the environment.
pub type Variables = Box<dyn Fn(&str) -> Option<OsString>>;

/// Sixteen bytes nobody can guess, or why there are none.
pub type Entropy = Box<dyn Fn() -> Result<[u8; 16], String>>;

/// What a command may know of the world around it.
pub struct Environment {
    /// A variable of the environment.
    pub variable: Variables,
    /// Standard input.
    pub stdin: Box<dyn Read>,
    /// Time since some fixed point.
    pub now: Box<dyn Fn() -> Duration>,
    /// Fresh randomness.
    pub entropy: Entropy,
    /// Whether we are root.
    pub is_root: bool,
    /// `freebsd`, `linux`, …
    pub system: &'static str,
    /// Our process.
    pub process_id: u32,
    /// How we were called: verb and what it is about, for others who wait for our lock.
    pub invocation: String,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("system", &self.system).finish_non_exhaustive()
    }
}

/// What a verb works with.
pub(super) struct Context<'a> {
    pub(super) global: &'a Global,
    pub(super) environment: &'a mut Environment,
    pub(super) printer: &'a mut Printer,
    began: Duration,
}

impl<'a> Context<'a> {
    pub(super) fn new(global: &'a Global, environment: &'a mut Environment, printer: &'a mut Printer) -> Self {
        let began = (environment.now)();
        Self { global, environment, printer, began }
    }

    /// Seconds since the command began, as they are printed.
    pub(super) fn seconds(&self) -> f64 {
        (self.environment.now)().saturating_sub(self.began).as_secs_f64()
    }

    /// The format asked for, the first of `offered` if none was. A flag that the verb has no such format for is an
    /// error; CELLBLOCK_FORMAT is meant for many verbs and only counts where it can.
    pub(super) fn format(&self, offered: &[Format]) -> Result<Format, Failure> {
        let default = offered.first().copied().unwrap_or(Format::Table);
        if let Some(asked) = self.global.format {
            return if offered.contains(&asked) { Ok(asked) } else { Err(wrong_format(asked, offered)) };
        }
        let Some(asked) = (self.environment.variable)("CELLBLOCK_FORMAT").filter(|text| !text.is_empty()) else {
            return Ok(default);
        };
        let text = asked.to_string_lossy();
        let asked = Format::from_str(&text, false)
            .map_err(|_| Failure::usage(format!("CELLBLOCK_FORMAT names no format: `{text}`")))?;
        Ok(if offered.contains(&asked) { asked } else { default })
    }

    /// `--timeout`.
    pub(super) fn timeout(&self) -> Result<Option<Duration>, Failure> {
        self.global.timeout.as_deref().map(|text| duration("--timeout", text)).transpose()
    }

    /// How a lab is changed: `--timeout`, `--jobs`, and Ctrl-C for as long as what it comes with is kept.
    pub(super) fn apply_options(&self) -> Result<(ApplyOptions, Interrupts), Failure> {
        let interrupts = Interrupts::catch()
            .map_err(|error| Failure::new(Status::BadState, format!("cannot listen for signals: {error}")))?;
        let stop = Stop::by(interrupts.counter());
        Ok((ApplyOptions { timeout: self.timeout()?, jobs: self.global.jobs, stop }, interrupts))
    }

    /// `--route-door`.
    pub(super) fn route_door(&self) -> RouteDoorKind {
        match self.global.route_door {
            None | Some(RouteDoor::Netlink) => RouteDoorKind::Netlink,
            Some(RouteDoor::Rtsock) => RouteDoorKind::Rtsock,
        }
    }

    /// `-s` and `--name`.
    pub(super) fn load_options(&self) -> Result<LoadOptions, Failure> {
        let split = |text: &String| match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Failure::usage(format!("-s wants KEY=VALUE, not `{text}`"))),
        };
        let overrides = self.global.set.iter().map(split).collect::<Result<_, _>>()?;
        Ok(LoadOptions { overrides, name: self.global.name.clone() })
    }

    /// Where the labs of an engine are remembered: the option, else the system's place for root's real labs, else the
    /// user's own.
    pub(super) fn state_dir(&self, engine: EngineKind) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.global.state_dir {
            return Ok(dir.clone());
        }
        if engine != EngineKind::Sim && self.environment.is_root {
            let system = if self.environment.system == "freebsd" { "/var/db/cellblock" } else { "/var/lib/cellblock" };
            return Ok(PathBuf::from(system));
        }
        // The XDG rules: a relative path is to be ignored.
        let place = |name: &str| (self.environment.variable)(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let base = place("XDG_STATE_HOME").or_else(|| place("HOME").map(|home| home.join(".local/state")));
        base.map(|base| base.join("cellblock")).ok_or_else(|| {
            Failure::new(Status::BadState, "no place to remember labs: neither XDG_STATE_HOME nor HOME is set")
                .hint("name a directory with --state-dir")
        })
    }

    /// Writes a result for programs.
    pub(super) fn print_value(&mut self, format: Format, value: &impl Serialize) -> Result<(), Failure> {
        let text = if format == Format::Yaml { yaml::render(value) } else { json::render(value) };
        self.printer
            .result(text.map_err(|error| Failure::new(Status::Bug, format!("cannot write the result: {error}")))?);
        Ok(())
    }
}

/// The time that an option says.
pub(super) fn duration(option: &str, text: &str) -> Result<Duration, Failure> {
    let Delay(nanoseconds) = text.parse().map_err(|error| {
        Failure::usage(format!("{option}: {error}")).hint("write a number and a unit, such as 30s or 500ms")
    })?;
    Ok(Duration::from_nanos(nanoseconds))
}

fn wrong_format(asked: Format, offered: &[Format]) -> Failure {
    let name = |format: Format| format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let offered: Vec<String> = offered.iter().copied().map(name).collect();
    Failure::usage(format!("this verb cannot write {}", name(asked))).hint(format!("it writes {}", offered.join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::output::Verbosity;

    /// What `ask` says of a command line in an environment of `variables`, as root or not, on a system.
    fn with<T>(
        arguments: &[&str],
        variables: &'static [(&'static str, &'static str)],
        (is_root, system): (bool, &'static str),
        ask: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let cli = Cli::try_parse_from([&["cellblock"], arguments, &["doctor"]].concat()).unwrap();
        let find = move |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        let mut environment = Environment {
            variable: Box::new(find),
            stdin: Box::new(std::io::empty()),
            now: Box::new(|| Duration::ZERO),
            entropy: Box::new(|| Ok([0; 16])),
            is_root,
            system,
            process_id: 1,
            invocation: "doctor".into(),
        };
        let mut printer = Printer::plain(Box::new(std::io::sink()), Box::new(std::io::sink()), Verbosity::Normal);
        ask(&Context::new(&cli.global, &mut environment, &mut printer))
    }

    #[test]
    fn labs_are_remembered_where_the_engine_and_the_user_say() {
        let place = |arguments: &[&str], variables, who, engine| {
            with(arguments, variables, who, |context| context.state_dir(engine).map(|dir| dir.display().to_string()))
        };
        let (home, xdg): (&[_], &[_]) = (&[("HOME", "/home/ada")], &[("HOME", "/home/ada"), ("XDG_STATE_HOME", "/s")]);
        for (variables, who, engine, expected) in [
            (home, (true, "freebsd"), EngineKind::FreeBsd, "/var/db/cellblock"),
            (home, (true, "linux"), EngineKind::Linux, "/var/lib/cellblock"),
            (home, (true, "freebsd"), EngineKind::Sim, "/home/ada/.local/state/cellblock"),
            (home, (false, "linux"), EngineKind::Linux, "/home/ada/.local/state/cellblock"),
            (xdg, (false, "linux"), EngineKind::Sim, "/s/cellblock"),
            (
                &[("HOME", "/h"), ("XDG_STATE_HOME", "relative")],
                (false, "linux"),
                EngineKind::Sim,
                "/h/.local/state/cellblock",
            ),
        ] {
            assert_eq!(place(&[], variables, who, engine).unwrap(), expected);
        }
        let given = place(&["--state-dir", "here"], home, (true, "freebsd"), EngineKind::FreeBsd);
        assert_eq!(given.unwrap(), "here");
        assert_eq!(place(&[], &[], (false, "linux"), EngineKind::Sim).unwrap_err().status, Status::BadState);
    }

    #[test]
    fn a_format_is_what_the_flag_says_or_the_environment_where_it_can() {
        let offered = [Format::Table, Format::Json];
        let format = |arguments: &[&str], variables| {
            with(arguments, variables, (false, "linux"), |context| context.format(&offered).map_err(|f| f.status))
        };
        assert_eq!(format(&[], &[]), Ok(Format::Table));
        assert_eq!(format(&["--format", "json"], &[]), Ok(Format::Json));
        assert_eq!(format(&["--format", "dot"], &[]), Err(Status::Usage));
        assert_eq!(format(&[], &[("CELLBLOCK_FORMAT", "json")]), Ok(Format::Json));
        assert_eq!(format(&[], &[("CELLBLOCK_FORMAT", "junit")]), Ok(Format::Table));
        assert_eq!(format(&[], &[("CELLBLOCK_FORMAT", "pdf")]), Err(Status::Usage));
        assert_eq!(format(&["--format", "table"], &[("CELLBLOCK_FORMAT", "json")]), Ok(Format::Table));
    }
}
