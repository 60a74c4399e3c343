//! Where the interfaces of a lab are now: somebody may have renamed them, or removed the jail they were in.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use super::Observed;
use super::observed::{Interfaces, Kinds};
use crate::graph::{Graph, Name, Nic, Object, Place, Placement, Table};
use crate::model::{Mac, Mtu};

/// Interfaces by their name in the lab jail: where they are and what they are called there.
pub(super) type Located = Table<Name, (Place, Name)>;
/// Interfaces that somebody renamed, by where they are and what they are called there: what they should be called.
pub(super) type Called = Table<(Place, Name), Name>;

/// Finds every interface of `known`. The description, which an interface keeps wherever it goes, tells more than its name. With it
/// what should be the name of those that are called something else.
pub(super) fn locate(
    observed: &Observed,
    seen: &Interfaces<'_>,
    known: &[&Graph],
    kinds: &Kinds<'_>,
) -> (Located, Called) {
    // Nearly always everything is where it belongs, and nobody has to be asked what he is.
    let described = LazyCell::new(|| described(observed));
    let mut located = Located::default();
    let mut called = Called::default();
    let names = observed.interfaces.get(&Place::Lab).into_iter().flat_map(BTreeMap::keys);
    located.extend(names.map(|name| (name.clone(), (Place::Lab, name.clone()))));
    for placement in &kinds.placements {
        if !located.contains_key(&placement.nic)
            && let Some(name) = by_name(seen, known, placement)
        {
            located.insert(placement.nic.clone(), (placement.place.clone(), name));
        }
    }
    for nic in kinds.makers.iter().flat_map(|maker| maker.nics()) {
        if located.contains_key(&nic.name) || known.iter().any(|graph| graph.is_lent(&nic.name)) {
            continue;
        }
        let Some(&(place, name)) = described.get(&*nic.description) else { continue };
        located.insert(nic.name.clone(), (place.clone(), name.clone()));
        let wanted = wanted_name(known, nic, place);
        // Not where something else has that name: there both are what they are called.
        if let Some(wanted) = wanted.filter(|wanted| seen.get(place, wanted).is_none()) {
            called.insert((place.clone(), name.clone()), wanted);
        }
    }
    (located, called)
}

/// The name in the kernel of an interface that shares it with others, which are told apart by their numbers.
pub(super) fn plain(name: &str) -> &str {
    name.split_once(" #").map_or(name, |(plain, _)| plain)
}

/// The end of an epair that cannot be found.
pub(super) fn lost() -> Nic {
    Nic { name: "".into(), mac: Mac([0; 6]), mtu: Mtu::ETHERNET, description: "".into() }
}

/// What a placed interface is called now: the author's name, or still (again) the lab's. Of one that bears a description of another
/// interface the name says nothing.
fn by_name(seen: &Interfaces<'_>, known: &[&Graph], placement: &Placement) -> Option<Name> {
    let own = known.iter().find_map(|graph| graph.nic(&placement.nic)).map(|nic| &*nic.description);
    let another = |text: &str| Some(text) != own && known.iter().any(|graph| has_description(graph, text));
    [&placement.name, &placement.nic]
        .into_iter()
        .find(|name| seen.get(&placement.place, name).is_some_and(|seen| !another(&seen.description)))
        .cloned()
}

fn has_description(graph: &Graph, text: &str) -> bool {
    text.starts_with("cellblock ") && graph.objects().flat_map(Object::nics).any(|nic| &*nic.description == text)
}

/// What an interface should be called in a place, which may not be the one where it should be.
fn wanted_name(known: &[&Graph], nic: &Nic, place: &Place) -> Option<Name> {
    if *place == Place::Lab {
        return Some(nic.name.clone());
    }
    known.iter().flat_map(|graph| graph.objects()).find_map(|object| match object {
        Object::Placement(placement) if placement.nic == nic.name && placement.place == *place => {
            Some(placement.name.clone())
        }
        _ => None,
    })
}

/// Where each description is; of several that are alike the first.
fn described(observed: &Observed) -> Table<&str, (&Place, &Name)> {
    let mut found = Table::default();
    for (place, interfaces) in &observed.interfaces {
        for (name, seen) in interfaces.iter().filter(|(_, seen)| !seen.description.is_empty()) {
            found.entry(seen.description.as_str()).or_insert((place, name));
        }
    }
    found
}
