//! `attach` and `detach`: interfaces of a node that another tool runs, out to the host and home again.

use std::time::Duration;

use super::context::Context;
use super::{site, target};
use crate::cli::{Format, HandArgs};
use crate::lab::Access;
use crate::model::IfName;
use crate::output::{Failure, Status};

/// How long a jail that is about to die may take when `--timeout` says nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the lab to the host.
    Out,
    /// Back into the lab.
    Back,
}

pub(super) fn run(context: &mut Context<'_>, args: &HandArgs, direction: Direction) -> Result<Status, Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let patience = context.timeout()?.unwrap_or(PATIENCE);
    let (node, interface) = split(&args.what)?;
    let target::NodeRef { node, lab } = target::node_ref(&node)?;
    let lab = super::sight::lab_of(context, lab)?;
    let mut site = site::open(context, Some(&lab), Access::Change)?;
    let outcome = match direction {
        Direction::Out => site.attach(&lab, &node, interface.as_ref(), patience),
        Direction::Back => site.detach(&lab, &node, interface.as_ref(), patience),
    };
    let handed = site::close(site, outcome.map_err(site::failure))?;
    if format != Format::Table {
        context.print_value(format, &handed)?;
        return Ok(Status::Done);
    }
    for one in handed {
        match direction {
            Direction::Out => context.printer.result(format!("{}\n", one.name)),
            Direction::Back => context.printer.detail(format!("{} is in the lab as {}", one.interface, one.name)),
        }
    }
    Ok(Status::Done)
}

/// `NODE[:IF][@LAB]` as `NODE[@LAB]` and the interface.
fn split(what: &str) -> Result<(String, Option<IfName>), Failure> {
    let (front, lab) = what.split_once('@').map_or((what, None), |(front, lab)| (front, Some(lab)));
    let (node, interface) = front.split_once(':').map_or((front, None), |(node, interface)| (node, Some(interface)));
    let interface = interface.map(IfName::new).transpose();
    let interface = interface.map_err(|error| Failure::usage(format!("not an interface: {error}")))?;
    let node = lab.map_or_else(|| node.to_owned(), |lab| format!("{node}@{lab}"));
    Ok((node, interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_an_interface_and_a_lab() {
        let parts = |text| split(text).map(|(node, interface)| (node, interface.map(|name| name.to_string()))).ok();
        assert_eq!(parts("pc1"), Some(("pc1".into(), None)));
        assert_eq!(parts("pc1@office"), Some(("pc1@office".into(), None)));
        assert_eq!(parts("pc1:eth0@office"), Some(("pc1@office".into(), Some("eth0".into()))));
        assert_eq!(parts("pc1:@office"), None);
        assert_eq!(parts("pc1:epair0b"), None);
    }
}
