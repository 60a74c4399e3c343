//! `gc`: what is left of labs that nobody has any more.

use serde_json::json;

use super::context::Context;
use super::site;
use crate::cli::{Format, GcArgs};
use crate::lab::{self, Access, StrayKind};
use crate::output::{Failure, Status, amount};

pub(super) fn run(context: &mut Context<'_>, args: &GcArgs) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let engine = match site::asked(context) {
        Some(engine) => engine,
        None => {
            let (engine, why) = lab::choose_engine();
            context.printer.progress(why);
            engine
        }
    };
    let access = if args.yes { Access::Change } else { Access::Look };
    let mut site = site::open_as(context, engine, access)?;
    let strays = site.strays().map_err(site::failure)?;
    let mut outcome = Ok(());
    let mut removed = 0;
    if args.yes {
        for stray in strays.iter().filter(|stray| stray.kind != StrayKind::Unreadable) {
            match site.remove_stray(stray, &mut |_| {}) {
                Ok(()) => removed += 1,
                // One that does not go must not keep the others.
                Err(error) => outcome = outcome.and(Err(site::failure(error))),
            }
        }
    }
    if format == Format::Table {
        let mut text = String::new();
        for stray in &strays {
            text.push_str(&format!("lab {}: {}\n", stray.lab, stray.why));
            stray.objects.iter().for_each(|object| text.push_str(&format!("  - {object}\n")));
        }
        text.push_str(&match (strays.len(), args.yes) {
            (0, _) => "nothing is left of any lab\n".to_owned(),
            (found, false) => format!("{} left; `cellblock gc --yes` removes what can be\n", amount(found, "lab")),
            (_, true) => format!("{} removed\n", amount(removed, "lab")),
        });
        context.printer.result(text);
    } else {
        context.print_value(format, &json!({ "strays": strays, "removed": removed }))?;
    }
    site::close(site, outcome.map(|()| Status::Done))
}
