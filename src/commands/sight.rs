//! The lab of a node that does not name it.

use super::context::Context;
use super::{site, topology};
use crate::cli::TargetArgs;
use crate::lab::{Access, Site};
use crate::model::LabName;
use crate::output::{Failure, Status};

/// The lab that was named, else the one in sight.
pub(super) fn lab_of(context: &mut Context<'_>, named: Option<LabName>) -> Result<LabName, Failure> {
    match named {
        Some(lab) => Ok(lab),
        None => lab_in_sight(context),
    }
}

/// That of `-t`, `--lab` or the only topology file here; else the only lab
/// there is.
fn lab_in_sight(context: &mut Context<'_>) -> Result<LabName, Failure> {
    let nothing = TargetArgs { target: None };
    let failure = match topology::lab_of_target(context, &nothing) {
        Ok((lab, _)) => return Ok(lab),
        Err(failure) if failure.status == Status::Usage => failure,
        Err(failure) => return Err(failure),
    };
    let site: Site = site::open(context, None, Access::Look)?;
    let labs = site.labs().map_err(site::failure)?;
    match labs.as_slice() {
        [only] => Ok(only.name.clone()),
        _ => Err(failure.hint("say which lab is meant: NODE@LAB")),
    }
}
