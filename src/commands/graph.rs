//! `graph`: the topology, or the kernel objects it becomes, as a picture in words.

use super::context::Context;
use super::topology;
use crate::cli::{Format, GraphArgs};
use crate::graph::dot;
use crate::output::{Failure, Status};

pub(super) fn run(context: &mut Context<'_>, args: &GraphArgs) -> Result<Status, Failure> {
    let offered: &[Format] = if args.objects { &[Format::Dot] } else { &[Format::Dot, Format::Mermaid] };
    let format = context.format(offered)?;
    let model = topology::load_target(context, &args.target)?.model;
    context.printer.result(match (args.objects, format) {
        (true, _) => dot::objects_dot(&model),
        (false, Format::Mermaid) => dot::topology_mermaid(&model),
        (false, _) => dot::topology_dot(&model),
    });
    Ok(Status::Done)
}
