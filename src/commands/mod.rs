//! One file per verb: what was typed becomes calls of the layers below, and what they say becomes output.

mod apply;
mod attach;
mod completions;
mod context;
mod doctor;
mod down;
mod exec;
mod explain;
mod export;
mod gc;
mod graph;
mod inspect;
mod life;
mod plan;
mod schema;
mod shell;
mod sight;
mod site;
mod target;
mod test;
mod topology;
mod up;
mod validate;

pub use context::Environment;

use crate::cli::{Cli, Verb};
use crate::output::{Failure, Printer, Status};
use context::Context;

/// Carries out what was typed.
///
/// # Errors
/// Why it could not be done; the caller prints it and exits with its status.
pub fn run(cli: &Cli, environment: &mut Environment, printer: &mut Printer) -> Result<Status, Failure> {
    let mut context = Context::new(&cli.global, environment, printer);
    match &cli.verb {
        Verb::Validate(args) => validate::run(&mut context, args),
        Verb::Plan(args) => plan::run(&mut context, args),
        Verb::Up(args) => up::run(&mut context, args),
        Verb::Apply(args) => apply::run(&mut context, args),
        Verb::Down(args) => down::run(&mut context, args),
        Verb::Inspect(args) => inspect::run(&mut context, args),
        Verb::Start(args) => life::start(&mut context, args),
        Verb::Stop(args) => life::stop(&mut context, args),
        Verb::Restart(args) => life::restart(&mut context, args),
        Verb::Exec(args) => exec::run(&mut context, args),
        Verb::Shell(args) => shell::run(&mut context, args),
        Verb::Test(args) => test::run(&mut context, args),
        Verb::Graph(args) => graph::run(&mut context, args),
        Verb::Explain(args) => explain::run(&mut context, args),
        Verb::Attach(args) => attach::run(&mut context, args, attach::Direction::Out),
        Verb::Detach(args) => attach::run(&mut context, args, attach::Direction::Back),
        Verb::Export(args) => export::run(&mut context, args),
        Verb::Gc(args) => gc::run(&mut context, args),
        Verb::Schema => schema::run(&mut context),
        Verb::Doctor => doctor::run(&mut context),
        Verb::Completions(args) => completions::run(&mut context, args),
    }
}
