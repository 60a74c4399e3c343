//! Words to choose from: kinds, drivers and the like.

use serde_json::{Value, json};

use super::leaf::Written;
use crate::diagnostic::suggest;
use crate::model::{FamilyChoice, Routing, Wire};

/// `kind:` of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A jail that does not forward.
    Host,
    /// A jail that forwards.
    Router,
    /// A learning switch.
    Switch,
    /// A repeater.
    Hub,
    /// The host itself.
    SelfHost,
}

impl Kind {
    /// Every kind with its word.
    pub const ALL: [(&'static str, Self); 5] = [
        ("host", Self::Host),
        ("router", Self::Router),
        ("switch", Self::Switch),
        ("hub", Self::Hub),
        ("self", Self::SelfHost),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// `driver:` of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// ng_bridge.
    Netgraph,
    /// if_bridge.
    IfBridge,
}

/// Things that later versions will know: naming one is not a typing error.
const LATER_CHOICES: [&str; 10] = ["phys", "tap", "external", "netgraph", "nat", "wlan", "vxlan", "gif", "gre", "vlan"];

/// The text of messages about things that later versions will know.
pub const NOT_YET: &str = "is not supported yet";

/// A choice between words.
pub fn choose<T: Copy>(text: &str, what: &str, choices: &[(&'static str, T)]) -> Result<T, String> {
    if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*choice);
    }
    if LATER_CHOICES.contains(&text) {
        return Err(format!("the {what} `{text}` {NOT_YET}"));
    }
    let words = choices.iter().map(|(word, _)| *word);
    let help = suggest::help(text, words).unwrap_or_default();
    Err(format!("`{text}` is not a {what}; {help}"))
}

macro_rules! choices {
    ($($type:ty: $what:literal, $words:expr;)*) => {$(
        impl Written for $type {
            const WANTED: &'static str = concat!("a ", $what);

            fn read(text: &str) -> Result<Self, String> {
                choose(text, $what, &$words)
            }

            fn schema() -> Value {
                let words: Vec<_> = $words.iter().map(|(word, _)| *word).collect();
                json!({ "type": "string", "enum": words })
            }
        }
    )*};
}

choices! {
    Kind: "kind of node", Kind::ALL;
    Driver: "driver of a switch", [("netgraph", Driver::Netgraph), ("if_bridge", Driver::IfBridge)];
    Routing: "way of routing", [("none", Routing::None), ("default", Routing::Default), ("auto", Routing::Auto)];
    Wire: "type of link", [("netgraph", Wire::Netgraph), ("epair", Wire::Epair)];
    FamilyChoice: "family", [("any", FamilyChoice::Any), ("v4", FamilyChoice::V4), ("v6", FamilyChoice::V6)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_known_near_later_or_unknown() {
        assert_eq!(Kind::read("self"), Ok(Kind::SelfHost));
        assert_eq!(Kind::SelfHost.word(), "self");
        assert_eq!(Kind::read("ruter").unwrap_err(), "`ruter` is not a kind of node; did you mean `router`?");
        assert_eq!(Kind::read("phys").unwrap_err(), "the kind of node `phys` is not supported yet");
        assert_eq!(Wire::read("cable").unwrap_err(), "`cable` is not a type of link; there are `netgraph` and `epair`");
    }
}
