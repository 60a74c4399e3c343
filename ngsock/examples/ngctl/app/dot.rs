//! `dot`: the graph for Graphviz.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use ngsock::NodeId;
use ngsock::generic::{HookList, LinkInfo, ListHooks, ListNodes, NodeInfo};

use super::commands::Words;
use super::getopt::{Getopt, Opt};
use super::session::{Outcome, Session, address};
use super::show::wrong;
use super::{io_text, path};

pub fn dot(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let mut is_compact = false;
    let mut getopt = Getopt::new(words.get(1..).unwrap_or_default(), "c");
    while let Some(option) = getopt.next() {
        match option {
            Opt::Flag(_) => is_compact = true,
            option => return wrong(session, option),
        }
    }
    let file = match getopt.rest() {
        [] => None,
        [name] => match File::create(path(name)) {
            Ok(file) => Some(file),
            Err(error) => {
                let name = String::from_utf8_lossy(name);
                return session.fail(format_args!("Could not open {name} for writing: {}", io_text(&error)));
            }
        },
        _ => return Ok(Outcome::Usage),
    };
    // What was drawn before a failure is written too.
    let mut drawn = Vec::new();
    let outcome = draw(session, is_compact, &mut drawn)?;
    match file {
        None => session.out.write_all(&drawn)?,
        Some(file) => {
            let mut file = BufWriter::new(file);
            file.write_all(&drawn)?;
            file.flush()?;
        }
    }
    Ok(outcome)
}

fn draw(session: &mut Session<'_>, is_compact: bool, out: &mut Vec<u8>) -> io::Result<Outcome> {
    let nodes = match session.call(b".", &ListNodes) {
        Ok(nodes) => nodes.0,
        Err(failure) => return told(session, "listnodes", &failure.to_string()),
    };
    if is_compact {
        writeln!(out, "digraph netgraph {{\n\tedge [ dir = \"none\", fontsize = 10 ];")?;
    } else {
        writeln!(out, "graph netgraph {{\n\tedge [ weight = 1.0 ];")?;
    }
    writeln!(out, "\tnode [ shape = record, fontsize = 12 ] {{")?;
    for node in &nodes {
        write_node(out, node)?;
    }
    writeln!(out, "\t}};\n\tsubgraph cluster_disconnected {{\n\t\tbgcolor = pink;")?;
    for node in nodes.iter().filter(|node| node.hooks == 0) {
        writeln!(out, "\t\t\"{:x}\";", node.id.0)?;
    }
    writeln!(out, "\t}};")?;
    for node in &nodes {
        let HookList { links, .. } = match session.call(&address(node.id), &ListHooks) {
            Ok(list) => list,
            Err(failure) => return told(session, "listhooks", &failure.to_string()),
        };
        if links.is_empty() {
            continue;
        }
        if !is_compact {
            write_hooks(out, node.id, &links)?;
        }
        // Of the two directions, one.
        for link in links.iter().filter(|link| link.peer.id <= node.id) {
            write_edge(out, node.id, link, is_compact)?;
        }
    }
    writeln!(out, "}}")?;
    Ok(Outcome::Done)
}

/// As the other commands, but this one says which message it was.
fn told(session: &mut Session<'_>, which: &str, failure: &str) -> io::Result<Outcome> {
    session.fail(format_args!("{}", failure.replacen(" msg:", &format!(" {which} msg:"), 1)))
}

fn write_node(out: &mut Vec<u8>, node: &NodeInfo) -> io::Result<()> {
    let id = node.id.0;
    write!(out, "\t\t\"{id:x}\" [ label = \"{{")?;
    out.write_all(if node.name.is_empty() { br"\<unnamed\>" } else { node.name.as_bytes() })?;
    write!(out, ":|{{")?;
    out.write_all(node.kind.as_bytes())?;
    writeln!(out, "|[{id:x}]:}}}}\" ];")
}

fn write_hooks(out: &mut Vec<u8>, NodeId(id): NodeId, links: &[LinkInfo]) -> io::Result<()> {
    writeln!(out, "\tnode [ shape = octagon, fontsize = 10 ] {{")?;
    for link in links {
        let hook = link.our_hook.as_bytes();
        write!(out, "\t\t\"{id:x}.")?;
        out.write_all(hook)?;
        write!(out, "\" [ label = \"")?;
        out.write_all(hook)?;
        writeln!(out, "\" ];")?;
    }
    writeln!(out, "\t}};\n\t{{\n\t\tedge [ weight = 2.0, style = bold ];")?;
    for link in links {
        write!(out, "\t\t\"{id:x}\" -- \"{id:x}.")?;
        out.write_all(link.our_hook.as_bytes())?;
        writeln!(out, "\";")?;
    }
    writeln!(out, "\t}};")
}

fn write_edge(out: &mut Vec<u8>, NodeId(id): NodeId, link: &LinkInfo, is_compact: bool) -> io::Result<()> {
    let (ours, theirs, peer) = (link.our_hook.as_bytes(), link.peer_hook.as_bytes(), link.peer.id.0);
    if is_compact {
        write!(out, "\t\"{peer:x}\" -> \"{id:x}\" [ headlabel = \"")?;
        out.write_all(ours)?;
        write!(out, "\", taillabel = \"")?;
        out.write_all(theirs)?;
        writeln!(out, "\" ] ;")
    } else {
        write!(out, "\t\"{id:x}.")?;
        out.write_all(ours)?;
        write!(out, "\" -- \"{peer:x}.")?;
        out.write_all(theirs)?;
        writeln!(out, "\";")
    }
}
