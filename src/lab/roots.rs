//! Mounts that are there before us.

use std::sync::Arc;

use super::error::{LabError, LabErrorKind};
use crate::graph::life::{ROOTS, is_within};
use crate::graph::{Graph, Object};

/// A mount at a place of ours, of which no record of this boot knows: in the directory of a node that exists without us it is somebody
/// else's, and `down` would take it away.
pub(super) fn refuse_taken(wanted: &[Arc<Graph>], seen: &Graph, roots: Option<&str>) -> Result<(), LabError> {
    let ours = roots.unwrap_or(ROOTS);
    for object in wanted.iter().flat_map(|graph| graph.objects()) {
        let Object::Mount(mount) = object else { continue };
        if !is_within(&mount.at, ours) && seen.get(&object.id()).is_some() {
            let message = format!("something is mounted at `{}` already", mount.at);
            return Err(LabError::new(LabErrorKind::BadState, message).hint(format!(
                "unmount it, or leave `mount.devfs` of node `{}` out to use what is there",
                mount.node
            )));
        }
    }
    Ok(())
}
