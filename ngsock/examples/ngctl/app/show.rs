//! `list`, `show`, `types`.

use std::io::{self, Write};

use ngsock::generic::{HookList, ListHooks, ListNames, ListNodes, ListTypes, NodeInfo};
use ngsock::name::Name;

use super::commands::Words;
use super::getopt::{Getopt, Opt};
use super::session::{Outcome, Session, address};

pub fn list(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let (mut with_hooks, mut named) = (false, false);
    let mut getopt = Getopt::new(words.get(1..).unwrap_or_default(), "ln");
    while let Some(option) = getopt.next() {
        match option {
            Opt::Flag('l') => with_hooks = true,
            Opt::Flag(_) => named = true,
            option => return wrong(session, option),
        }
    }
    if !getopt.rest().is_empty() {
        return Ok(Outcome::Usage);
    }
    let nodes = if named { session.call(b".", &ListNames) } else { session.call(b".", &ListNodes) };
    let nodes = match nodes {
        Ok(nodes) => nodes.0,
        Err(failure) => return session.fail(format_args!("{failure}")),
    };
    writeln!(session.out, "There are {} total {}nodes:", nodes.len(), if named { "named " } else { "" })?;
    for (index, node) in nodes.iter().enumerate() {
        if !with_hooks {
            info(session.out, node.name, node.kind, node.id.0, node.hooks)?;
            continue;
        }
        if index > 0 {
            writeln!(session.out)?;
        }
        let outcome = show(session, &[b"show".to_vec(), address(node.id)])?;
        if outcome != Outcome::Done {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Done)
}

pub fn show(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let mut with_hooks = true;
    let mut getopt = Getopt::new(words.get(1..).unwrap_or_default(), "n");
    while let Some(option) = getopt.next() {
        match option {
            Opt::Flag(_) => with_hooks = false,
            option => return wrong(session, option),
        }
    }
    let [path] = getopt.rest() else { return Ok(Outcome::Usage) };
    let HookList { name, kind, id, links } = match session.call(path, &ListHooks) {
        Ok(list) => list,
        Err(failure) => return session.fail(format_args!("{failure}")),
    };
    let out = &mut *session.out;
    info(out, name, kind, id.0, u32::try_from(links.len()).unwrap_or(u32::MAX))?;
    if !with_hooks || links.is_empty() {
        return Ok(Outcome::Done);
    }
    row(out, [b"Local hook", b"Peer name", b"Peer type", b"Peer ID", b"Peer hook"])?;
    row(out, [b"----------", b"---------", b"---------", b"-------", b"---------"])?;
    for link in &links {
        let NodeInfo { name, kind, id, .. } = link.peer;
        let id = format!("{:08x}", id.0);
        let hooks = [link.our_hook, link.peer_hook];
        row(out, [hooks[0].as_bytes(), shown(&name), kind.as_bytes(), id.as_bytes(), hooks[1].as_bytes()])?;
    }
    Ok(Outcome::Done)
}

pub fn types(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let [_] = words else { return Ok(Outcome::Usage) };
    let types = match session.call(b".", &ListTypes) {
        Ok(types) => types.0,
        Err(failure) => return session.fail(format_args!("{failure}")),
    };
    let out = &mut *session.out;
    writeln!(out, "There are {} total types:", types.len())?;
    if !types.is_empty() {
        writeln!(out, "      Type name   Number of living nodes")?;
        writeln!(out, "      ---------   ----------------------")?;
    }
    for kind in &types {
        let name = kind.name.as_bytes();
        write!(out, "{:width$}", "", width = 15_usize.saturating_sub(name.len()))?;
        out.write_all(name)?;
        writeln!(out, "   {:5}", kind.nodes)?;
    }
    Ok(Outcome::Done)
}

/// An option that is none.
pub fn wrong(session: &mut Session<'_>, option: Opt<'_>) -> io::Result<Outcome> {
    if let Opt::Wrong(complaint) = option {
        session.complain(format_args!("{complaint}"))?;
    }
    Ok(Outcome::Usage)
}

/// The line of a node.
fn info(out: &mut dyn Write, name: Name, kind: Name, id: u32, hooks: u32) -> io::Result<()> {
    write!(out, "  Name: ")?;
    padded(out, shown(&name), 15)?;
    write!(out, " Type: ")?;
    padded(out, kind.as_bytes(), 15)?;
    writeln!(out, " ID: {id:08x}   Num hooks: {hooks}")
}

fn shown(name: &Name) -> &[u8] {
    if name.is_empty() { b"<unnamed>" } else { name.as_bytes() }
}

fn row(out: &mut dyn Write, columns: [&[u8]; 5]) -> io::Result<()> {
    for (index, (column, width)) in columns.into_iter().zip([15, 15, 12, 15, 15]).enumerate() {
        out.write_all(if index == 0 { b"  " } else { b" " })?;
        padded(out, column, width)?;
    }
    writeln!(out)
}

/// Names may be any bytes, so widths are counted in bytes.
fn padded(out: &mut dyn Write, text: &[u8], width: usize) -> io::Result<()> {
    out.write_all(text)?;
    write!(out, "{:width$}", "", width = width.saturating_sub(text.len()))
}
