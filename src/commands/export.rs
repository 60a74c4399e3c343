//! `export`: a lab in the words of another tool.

use super::context::Context;
use super::target::{self, Target};
use super::{site, topology};
use crate::cli::{ExportArgs, ExportForm, Format};
use crate::export;
use crate::lab::Access;
use crate::output::{Failure, Status};

/// Where the port installs us: hooks are run without a search path that we know.
const PROGRAM: &str = "/usr/local/bin/cellblock";

pub(super) fn run(context: &mut Context<'_>, args: &ExportArgs) -> Result<Status, Failure> {
    context.format(&[Format::Table])?;
    let model = match target::resolve(context, &args.target)? {
        Target::File(_) => topology::load_target(context, &args.target)?.model,
        Target::Lab(lab) => site::open(context, Some(&lab), Access::Look)?.model(&lab).map_err(site::failure)?,
    };
    let mut program = vec![PROGRAM.to_owned()];
    if let Some(dir) = &context.global.state_dir {
        let whole = std::path::absolute(dir)
            .map_err(|error| Failure::new(Status::NotFound, format!("no such place as {}: {error}", dir.display())))?;
        let text = whole
            .to_str()
            .ok_or_else(|| Failure::usage(format!("{} is no text that jail.conf(5) could hold", whole.display())))?;
        program.extend(["--state-dir".to_owned(), text.to_owned()]);
    }
    let text = match args.form {
        ExportForm::JailConf => export::jail_conf(&model, &program),
    };
    let text = text.map_err(|error| Failure::new(Status::Bug, format!("cannot write the lab: {error}")))?;
    context.printer.result(text);
    Ok(Status::Done)
}
