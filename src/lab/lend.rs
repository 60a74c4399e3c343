//! Interfaces of nodes that other tools run: out to the host, and home again.

use std::time::Duration;

use super::error::{LabError, LabErrorKind};
use super::known::Known;
use super::labs::Labs;
use super::types::Handed;
use super::words;
use crate::engine::{NotHanded, Phase};
use crate::graph::{self, Graph, Nic};
use crate::model::{IfName, LabName, Node, NodeName};

impl Labs<'_> {
    /// Brings interfaces of a node that another tool runs into the host's stack.
    ///
    /// # Errors
    /// As [`super::Site::attach`].
    pub fn attach(
        &mut self,
        lab: &LabName,
        node: &NodeName,
        interface: Option<&IfName>,
        patience: Duration,
    ) -> Result<Vec<Handed>, LabError> {
        let known = self.up(lab)?;
        let (graph, nics) = chosen(lab, &known, node, interface)?;
        let nics = of(&graph, &nics);
        self.engine(lab, &known).lend(&nics, patience).map_err(|error| not_handed(lab, error))?;
        Ok(handed(&nics))
    }

    /// Takes them back into the lab.
    ///
    /// # Errors
    /// As [`super::Site::detach`].
    pub fn detach(
        &mut self,
        lab: &LabName,
        node: &NodeName,
        interface: Option<&IfName>,
        patience: Duration,
    ) -> Result<Vec<Handed>, LabError> {
        let known = self.up(lab)?;
        let (graph, nics) = chosen(lab, &known, node, interface)?;
        let nics = of(&graph, &nics);
        self.engine(lab, &known).reclaim(&nics, patience).map_err(|error| not_handed(lab, error))?;
        Ok(handed(&nics))
    }

    /// Before a lab goes: what lies on the host goes with it. What a jail has goes with its netgraph node or its other end, wherever
    /// it is, and what cannot be taken back now is found out by the look at what is left.
    pub(super) fn call_home(&mut self, lab: &LabName, known: &Known) {
        let lent: Vec<Nic> = known.graphs.iter().flat_map(|graph| graph.lent()).cloned().collect();
        let lent: Vec<&Nic> = lent.iter().collect();
        if !lent.is_empty() {
            let _ = self.engine(lab, known).reclaim(&lent, Duration::ZERO);
        }
    }

    /// What is known of a lab that is up.
    fn up(&mut self, lab: &LabName) -> Result<Known, LabError> {
        let known = self.known_lab(lab)?;
        let missing = |message: String| LabError::new(LabErrorKind::NoSuchLab, message);
        match known.record.as_ref().map(|record| record.phase) {
            Some(Phase::Up) => Ok(known),
            Some(Phase::Applying | Phase::Removing) => {
                Err(missing(format!("lab `{lab}` is not up: a command was interrupted"))
                    .hint("`cellblock up` with its file, or `cellblock down`, finishes it"))
            }
            None => Err(missing(format!("lab `{lab}` is not up: the system was started anew since it was"))
                .hint("`cellblock up` with its file makes it again")),
        }
    }
}

/// The interfaces that are meant, by their names in the lab jail.
fn chosen(
    lab: &LabName,
    known: &Known,
    name: &NodeName,
    interface: Option<&IfName>,
) -> Result<(std::sync::Arc<Graph>, Vec<graph::Name>), LabError> {
    let missing = |what: String| LabError::new(LabErrorKind::NoSuchLab, what);
    let (Some(record), Some(graph)) = (&known.record, known.graphs.first()) else {
        return Err(words::no_such_lab(lab));
    };
    let model = &record.model;
    let node = model.find(name.as_str()).map(|id| model.node(id));
    let node = node.ok_or_else(|| missing(format!("there is no node `{name}` in lab `{lab}`")))?;
    if !node.is_run_elsewhere() {
        return Err(not_ours_to_hand(node));
    }
    let wanted: Vec<&IfName> =
        node.interfaces.keys().filter(|known| interface.is_none_or(|wanted| wanted == *known)).collect();
    if let (Some(interface), true) = (interface, wanted.is_empty()) {
        return Err(missing(format!("there is no interface `{interface}` at node `{name}`")));
    }
    let nics = wanted.iter().map(|interface| graph::names::in_lab(lab, name.as_str(), interface.as_str())).collect();
    Ok((graph.clone(), nics))
}

fn not_ours_to_hand(node: &Node) -> LabError {
    let name = &node.name.value;
    let message = if node.kind.is_layer2() {
        format!("node `{name}` is a {}: it has no interfaces to hand over", node.kind)
    } else {
        format!("node `{name}` is run by the lab itself, which has its interfaces in use")
    };
    LabError::new(LabErrorKind::File, message)
        .hint("`jail: { persist: false }` on a node of kind host or router has another tool run it")
}

fn of<'g>(graph: &'g Graph, names: &[graph::Name]) -> Vec<&'g Nic> {
    names.iter().filter_map(|name| graph.nic(name)).collect()
}

fn handed(nics: &[&Nic]) -> Vec<Handed> {
    nics.iter().map(|nic| Handed { interface: nic.of().to_owned(), name: nic.name.to_string() }).collect()
}

fn not_handed(lab: &LabName, error: NotHanded) -> LabError {
    match error {
        NotHanded::NoLab => words::no_such_lab(lab),
        NotHanded::InJail(interface) => {
            LabError::new(LabErrorKind::Refused, format!("interface `{interface}` is in a jail that another tool runs"))
                .hint("it comes home when that jail is gone: stop the jail, or wait longer with `--timeout`")
        }
        NotHanded::Refused(error) => words::unreadable(error),
    }
}
