//! Fates of objects as steps in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::changes::{changes, notes};
use super::diff::{self, Fate, Fates};
use super::{Change, Plan, Planned, Step, linux};
use crate::graph::{
    Eiface, Epair, Graph, Hooks, IfBridge, Member, NetgraphKind, Nic, Numbering, Object, ObjectId, PipeSettings, Place,
    Table,
};

/// What must happen for a kernel that holds `observed` to hold `desired`.
#[must_use]
pub fn build(desired: Arc<Graph>, before: Arc<Graph>) -> Plan {
    build_since(desired, before, None)
}

/// The same, and of each change whether the file has changed since `applied`, or the kernel.
#[must_use]
pub fn build_since(desired: Arc<Graph>, before: Arc<Graph>, applied: Option<&Graph>) -> Plan {
    let (wanted, observed) = (&*desired, &*before);
    let fates = diff::fates(wanted, observed);
    if fates.is_empty() {
        return plan_of(desired, before, Vec::new(), Vec::new(), Vec::new());
    }
    let mut builder = Builder {
        desired: wanted,
        observed,
        fates: &fates,
        joined: Table::default(),
        ends: Table::default(),
        passed_on: Table::default(),
        floor: 0,
        steps: Vec::new(),
    };
    builder.destroy();
    builder.create();
    let steps = builder.steps;
    let lab_goes = fates.get(&ObjectId::Jail(Place::Lab)) == Some(&Fate::Destroy);
    let steps = if lab_goes { whole_teardown(steps) } else { without_gaps(files_last(steps, &fates)) };
    let (changes, notes) = (changes(wanted, observed, applied, &fates), notes(observed, &fates));
    plan_of(desired, before, changes, steps, notes)
}

fn plan_of(
    desired: Arc<Graph>,
    before: Arc<Graph>,
    changes: Vec<Change>,
    steps: Vec<Planned>,
    notes: Vec<String>,
) -> Plan {
    Plan {
        lab: desired.lab.clone(),
        changes,
        steps,
        notes,
        numbering: Numbering::default(),
        desired,
        before,
        strict: false,
        partial: false,
        is_written_down: false,
        renames: Vec::new(),
        stopped: Vec::new(),
        made: Vec::new(),
    }
}

struct Builder<'p> {
    desired: &'p Graph,
    observed: &'p Graph,
    fates: &'p Fates,
    /// Hook pairs that their node was, or is to be, made with.
    joined: Table<ObjectId, ()>,
    /// In which stage and by whom an object's last step is done, where others have to wait for that.
    ends: Table<ObjectId, (usize, Place)>,
    /// The same of objects to which nothing is done, by what they rest on.
    passed_on: Table<ObjectId, Option<(usize, Place)>>,
    /// The first stage that is free.
    floor: usize,
    steps: Vec<Planned>,
}

impl Builder<'_> {
    /// What goes, in the reverse of the order in which it came.
    fn destroy(&mut self) {
        let going = self.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Destroy | Fate::Replace(_)));
        for object in self.observed.sorted(going.map(|(id, _)| id)).rev() {
            let id = object.id();
            let steps = self.removal(object);
            let start = self.ends.remove(&id).unwrap_or((0, Place::Host));
            let end = self.emit(steps, start);
            for needed in self.observed.needs(&id) {
                let later = self.ends.entry(needed.id()).or_insert_with(|| end.clone());
                if later.0 < end.0 {
                    *later = end.clone();
                }
            }
        }
        self.floor = self.steps.iter().map(|planned| planned.stage + 1).max().unwrap_or(0);
        self.ends.clear();
    }

    /// What comes or changes, in order.
    fn create(&mut self) {
        let (desired, fates) = (self.desired, self.fates);
        for object in desired.sorted(fates.keys()) {
            let id = object.id();
            let steps = match fates.get(&id) {
                Some(Fate::Create | Fate::Replace(_)) => self.creation(object),
                Some(Fate::Change(_)) => self.alteration(object),
                _ => Vec::new(),
            };
            let start = self.end_of_needs(&id).unwrap_or((self.floor, Place::Host));
            let end = self.emit(steps, start);
            if end.0 > self.floor {
                self.ends.insert(id, end);
            }
        }
        self.visit_nodes_once();
    }

    /// When the last of what an object needs is there, where that is not so from the beginning.
    fn end_of_needs(&mut self, id: &ObjectId) -> Option<(usize, Place)> {
        let needed: Vec<ObjectId> = self.desired.needs(id).map(Object::id).collect();
        let ends = needed.into_iter().filter_map(|needed| {
            if self.fates.contains_key(&needed) {
                return self.ends.get(&needed).cloned();
            }
            // What stays as it is may still rest on something that does not.
            if let Some(end) = self.passed_on.get(&needed) {
                return end.clone();
            }
            self.passed_on.insert(needed.clone(), None);
            let end = self.end_of_needs(&needed);
            self.passed_on.insert(needed, end.clone());
            end
        });
        ends.max_by_key(|(stage, _)| *stage)
    }

    /// Nothing outside of a node waits for what is made inside: its steps are put off to the stage of the last of them, so that one
    /// helper does them all.
    fn visit_nodes_once(&mut self) {
        let floor = self.floor;
        let mut last: HashMap<Place, usize> = HashMap::new();
        let inside = |planned: &Planned| matches!(planned.step.lane(), Place::Node(_)) && planned.stage >= floor;
        for planned in self.steps.iter().filter(|planned| inside(planned)) {
            let stage = last.entry(planned.step.lane()).or_default();
            *stage = planned.stage.max(*stage);
        }
        for planned in self.steps.iter_mut().filter(|planned| inside(planned)) {
            planned.stage = last.get(&planned.step.lane()).copied().unwrap_or(planned.stage);
        }
    }

    /// Adds steps after `after`; where they end. A change of hands begins a new stage.
    fn emit(&mut self, steps: Vec<Step>, after: (usize, Place)) -> (usize, Place) {
        let (mut stage, mut lane) = after;
        stage = stage.max(self.floor);
        for step in steps {
            let next = step.lane();
            if next != lane {
                stage += 1;
            }
            lane = next;
            self.steps.push(Planned { step, stage });
        }
        (stage, lane)
    }

    fn removal(&self, object: &Object) -> Vec<Step> {
        let going = |hooks: &&Hooks| {
            let id = Object::Hooks((*hooks).clone()).id();
            matches!(self.fates.get(&id), Some(Fate::Destroy | Fate::Replace(_)))
        };
        match object {
            Object::Jail(jail) => vec![Step::RemoveJail(jail.clone())],
            Object::Linux(object) => linux::removal(object),
            Object::Netgraph(node) => vec![Step::RemoveNetgraph { node: node.clone(), from: None }],
            Object::Eiface(eiface) => vec![Step::RemoveEiface { eiface: eiface.clone(), from: None }],
            Object::Epair(epair) => vec![Step::RemoveEpair(epair.clone())],
            Object::IfBridge(bridge) => vec![Step::RemoveBridge(bridge.clone())],
            Object::Hooks(hooks) => {
                Some(hooks).filter(going).map(|hooks| Step::Part(hooks.clone())).into_iter().collect()
            }
            Object::Shape(shape) => {
                vec![Step::SetPipe { node: shape.pipe.clone(), from: shape.settings, to: PipeSettings::default() }]
            }
            Object::Placement(placement) => {
                let back = Step::Rename {
                    place: placement.place.clone(),
                    from: placement.name.clone(),
                    to: placement.nic.clone(),
                };
                let rename = (placement.name != placement.nic).then_some(back);
                let take = (placement.place != Place::Lab).then(|| Step::TakeBack(placement.clone()));
                rename.into_iter().chain(take).collect()
            }
            Object::Member(member) => vec![Step::RemoveMember(member.clone())],
            // The host's own sysctls get back what they had, which the record knows.
            Object::Sysctl(sysctl) => default_of(&sysctl.name)
                .filter(|value| *value != sysctl.value && sysctl.place != Place::Host)
                .map(|value| Step::SetSysctl {
                    place: sysctl.place.clone(),
                    name: sysctl.name.clone(),
                    from: Some(sysctl.value.clone()),
                    to: value.to_owned(),
                })
                .into_iter()
                .collect(),
            Object::Address(address) => vec![Step::RemoveAddress(address.clone())],
            Object::Up(up) => vec![Step::SetDown(up.clone())],
            Object::Route(route) => vec![Step::RemoveRoute(route.clone())],
            Object::Folder(folder) => vec![Step::RemoveFolder(folder.clone())],
            Object::Clone(clone) => vec![Step::RemoveClone(clone.clone())],
            Object::Ruleset(ruleset) => vec![Step::RemoveRuleset(*ruleset)],
            Object::Mount(mount) => vec![Step::Unmount(mount.clone())],
            Object::Limit(limit) => vec![Step::RemoveLimit(limit.clone())],
            // It goes with its jail.
            Object::Cpus(cpus) => match self.fates.get(&ObjectId::Jail(cpus.place.clone())) {
                Some(Fate::Destroy | Fate::Replace(_)) => Vec::new(),
                _ => vec![Step::SetCpus { place: cpus.place.clone(), from: Some(cpus.set.clone()), to: None }],
            },
        }
    }

    fn creation(&mut self, object: &Object) -> Vec<Step> {
        match object {
            Object::Jail(jail) => vec![Step::CreateJail(jail.clone())],
            Object::Linux(object) => linux::creation(object),
            Object::Netgraph(node) => {
                let from = if node.kind == NetgraphKind::Pipe { self.birth(&node.name) } else { None };
                vec![Step::CreateNetgraph { node: node.clone(), from }]
            }
            Object::Eiface(eiface) => {
                let from = self.birth(&eiface.node);
                vec![Step::CreateEiface { eiface: eiface.clone(), from }]
            }
            Object::Epair(epair) => vec![Step::CreateEpair(epair.clone())],
            Object::IfBridge(bridge) => vec![Step::CreateBridge(bridge.clone())],
            Object::Hooks(hooks) => {
                let made = self.joined.contains_key(&object.id());
                if made { Vec::new() } else { vec![Step::Join(hooks.clone())] }
            }
            Object::Shape(shape) => {
                vec![Step::SetPipe { node: shape.pipe.clone(), from: PipeSettings::default(), to: shape.settings }]
            }
            Object::Placement(placement) => {
                let place = placement.place.clone();
                let mut steps = Vec::new();
                if place != Place::Lab {
                    steps.push(Step::Give(placement.clone()));
                }
                steps.push(Step::Rename {
                    place: place.clone(),
                    from: placement.nic.clone(),
                    to: placement.name.clone(),
                });
                if placement.no_dad {
                    steps.push(Step::SetNoDad { place, interface: placement.name.clone(), off: true });
                }
                steps
            }
            Object::Member(member) => vec![Step::AddMember(member.clone())],
            Object::Sysctl(sysctl) => {
                let from = default_of(&sysctl.name).filter(|_| sysctl.place != Place::Host).map(str::to_owned);
                let (place, name) = (sysctl.place.clone(), sysctl.name.clone());
                vec![Step::SetSysctl { place, name, from, to: sysctl.value.clone() }]
            }
            Object::Address(address) => vec![Step::AddAddress(address.clone())],
            Object::Up(up) => vec![Step::SetUp(up.clone())],
            Object::Route(route) => vec![Step::AddRoute(route.clone())],
            Object::Folder(folder) => vec![Step::MakeFolder(folder.clone())],
            Object::Clone(clone) => vec![Step::MakeClone(clone.clone())],
            Object::Ruleset(ruleset) => vec![Step::AddRuleset(*ruleset)],
            Object::Mount(mount) => vec![Step::Mount(mount.clone())],
            Object::Limit(limit) => vec![Step::AddLimit(limit.clone())],
            Object::Cpus(cpus) => {
                vec![Step::SetCpus { place: cpus.place.clone(), from: None, to: Some(cpus.set.clone()) }]
            }
        }
    }

    /// A hook pair with a node that exists already: the new one can be made from there, in one message.
    fn birth(&mut self, node: &str) -> Option<Hooks> {
        let found = self.desired.hooks_of(node).find(|hooks| {
            let fate = self.fates.get(&Object::Hooks((*hooks).clone()).id());
            let peer = hooks.seen_from(node).map(|(_, peer)| ObjectId::Netgraph(peer.node.clone()));
            let stands = peer.is_some_and(|peer| match self.fates.get(&peer) {
                None | Some(Fate::Change(_)) => self.desired.get(&peer).is_some(),
                _ => self.ends.contains_key(&peer),
            });
            stands && matches!(fate, Some(Fate::Create | Fate::Replace(_)))
        })?;
        self.joined.insert(Object::Hooks(found.clone()).id(), ());
        Some(found.clone())
    }

    fn alteration(&self, object: &Object) -> Vec<Step> {
        let Some(old) = self.observed.get(&object.id()) else { return Vec::new() };
        match (old, object) {
            (Object::Jail(old), Object::Jail(new)) => {
                let differs = |(name, value): &(&String, &String)| old.parameters.get(*name) != Some(*value);
                let to: BTreeMap<_, _> =
                    new.parameters.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect();
                let from =
                    to.keys().filter_map(|name| Some((name.clone(), old.parameters.get(name)?.clone()))).collect();
                vec![Step::SetJail { place: new.place.clone(), from, to }]
            }
            (Object::Shape(old), Object::Shape(new)) => {
                vec![Step::SetPipe { node: new.pipe.clone(), from: old.settings, to: new.settings }]
            }
            (Object::Eiface(Eiface { nic: old, .. }), Object::Eiface(Eiface { nic: new, .. }))
            | (Object::IfBridge(IfBridge { nic: old }), Object::IfBridge(IfBridge { nic: new })) => {
                self.nic_changes(old, new)
            }
            (Object::Epair(Epair { ends: [old_a, old_b] }), Object::Epair(Epair { ends: [new_a, new_b] })) => {
                let mut steps = self.nic_changes(old_a, new_a);
                steps.extend(self.nic_changes(old_b, new_b));
                steps
            }
            (Object::Sysctl(old), Object::Sysctl(new)) => vec![Step::SetSysctl {
                place: new.place.clone(),
                name: new.name.clone(),
                from: Some(old.value.clone()),
                to: new.value.clone(),
            }],
            (Object::Linux(old), Object::Linux(new)) => {
                let mut steps = linux::alteration(old, new);
                for (old, new) in old.nics().iter().zip(new.nics()) {
                    steps.extend(self.nic_changes(old, new));
                }
                steps
            }
            (Object::Placement(old), Object::Placement(new)) => {
                vec![Step::Rename { place: new.place.clone(), from: old.name.clone(), to: new.name.clone() }]
            }
            (Object::Route(old), Object::Route(new)) => {
                vec![Step::ChangeRoute { place: new.place.clone(), to: new.to, from: old.via, via: new.via }]
            }
            (Object::Member(_), Object::Member(Member { bridge, member, stp, .. })) => {
                vec![Step::SetSpanning { bridge: bridge.clone(), member: member.clone(), on: *stp }]
            }
            (Object::Limit(old), Object::Limit(new)) => {
                vec![Step::RemoveLimit(old.clone()), Step::AddLimit(new.clone())]
            }
            (Object::Cpus(old), Object::Cpus(new)) => {
                vec![Step::SetCpus { place: new.place.clone(), from: Some(old.set.clone()), to: Some(new.set.clone()) }]
            }
            _ => Vec::new(),
        }
    }

    fn nic_changes(&self, old: &Nic, new: &Nic) -> Vec<Step> {
        let (place, interface) = diff::whereabouts(new, self.observed, self.fates);
        let mut steps = Vec::new();
        if old.mac != new.mac {
            let (place, interface) = (place.clone(), interface.clone());
            steps.push(Step::SetMac { place, interface, from: old.mac, to: new.mac });
        }
        if old.mtu != new.mtu {
            let (place, interface) = (place.clone(), interface.clone());
            steps.push(Step::SetMtu { place, interface, from: old.mtu, to: new.mtu });
        }
        if old.description != new.description {
            let (from, to) = (old.description.clone(), new.description.clone());
            steps.push(Step::SetDescription { place, interface, from, to });
        }
        steps
    }
}

/// Stages numbered from 0, none of them empty.
fn without_gaps(mut steps: Vec<Planned>) -> Vec<Planned> {
    let used: BTreeSet<usize> = steps.iter().map(|planned| planned.stage).collect();
    let numbers: BTreeMap<usize, usize> = used.into_iter().enumerate().map(|(number, stage)| (stage, number)).collect();
    for planned in &mut steps {
        planned.stage = numbers.get(&planned.stage).copied().unwrap_or(0);
    }
    steps
}

/// What a node wrote into its own files cannot be brought back: they go when everything else has been done.
fn files_last(steps: Vec<Planned>, fates: &Fates) -> Vec<Planned> {
    let is_lost = |step: &Step| {
        let id = match step {
            Step::RemoveFolder(folder) => ObjectId::Folder(folder.path.clone()),
            Step::RemoveClone(clone) => ObjectId::Clone(clone.dataset.clone()),
            _ => return false,
        };
        fates.get(&id) == Some(&Fate::Destroy)
    };
    let (lost, mut steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(|planned| is_lost(&planned.step));
    let last = steps.iter().map(|planned| planned.stage + 1).max().unwrap_or(0);
    steps.extend(lost.into_iter().map(|planned| Planned { stage: last, ..planned }));
    steps
}

/// The lab jail takes everything inside with it: only what is outside of it has to be undone by itself.
fn whole_teardown(steps: Vec<Planned>) -> Vec<Planned> {
    let outside = |step: &Step| match step {
        Step::RemoveJail(jail) => jail.place == Place::Lab,
        Step::Linux(step) => step.outlives_the_lab(),
        Step::CreateJail(_) | Step::SetJail { .. } => false,
        other => other.lane() == Place::Host,
    };
    let mut kept: Vec<Planned> = steps.into_iter().filter(|planned| outside(&planned.step)).collect();
    // The roots of nodes can only go when no jail is in them any more.
    kept.sort_by_key(|planned| planned.step.is_of_root());
    for planned in &mut kept {
        planned.stage = 0;
    }
    kept
}

/// What a sysctl has in a new network stack, where we know it.
#[must_use]
pub fn default_of(name: &str) -> Option<&'static str> {
    match name {
        "net.inet.ip.forwarding" | "net.inet6.ip6.forwarding" => Some("0"),
        "net.ipv4.ip_forward" | "net.ipv6.conf.all.forwarding" => Some("0"),
        crate::graph::DAD_COUNT => Some("1"),
        _ => None,
    }
}
