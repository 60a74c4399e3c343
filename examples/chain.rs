//! A topology built by a program instead of a file: two hosts with a chain of routers between them.
//!
//! `cargo run --example chain -- 5` prints what five routers come to: every address and how many routes there are.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;

use cellblock::diagnostic::{At, Origin};
use cellblock::model::draft::{Draft, DraftEnd, DraftLink, DraftNode, DraftPool};
use cellblock::model::{self, IfName, LabName, NodeKind, NodeName, Routing};

fn main() -> Result<(), Box<dyn Error>> {
    let routers: usize = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let draft = chain(routers)?;
    let (model, _) = model::resolve(draft).map_err(|findings| format!("{findings:#?}"))?;
    for node in &model.nodes {
        for (name, interface) in &node.interfaces {
            let addresses: Vec<_> = interface.addresses.iter().map(|address| address.net.to_string()).collect();
            println!("{}:{name} {}", node.name.value, addresses.join(" "));
        }
    }
    let routes: usize = model.nodes.iter().map(|node| node.routes.len()).sum();
    println!("{} nodes, {} links, {routes} routes", model.nodes.len(), model.links.len());
    Ok(())
}

fn chain(routers: usize) -> Result<Draft, Box<dyn Error>> {
    let mut draft = Draft::new(LabName::new("chain")?);
    draft.routing = At::nowhere(Routing::Auto);
    let wire = (At::nowhere("10.0.0.0/8".parse()?), At::nowhere(31));
    draft.pools.insert("wire".into(), DraftPool { origin: Origin::NOWHERE, ipv4: Some(wire), ipv6: None });

    let names: Vec<String> = (1..=routers).map(|n| format!("r{n}")).collect();
    let names = [vec!["left".to_owned()], names, vec!["right".to_owned()]].concat();
    for (place, name) in names.iter().enumerate() {
        let kind = if place == 0 || place > routers { NodeKind::Host } else { NodeKind::Router };
        draft.nodes.push(DraftNode::new(NodeName::new(name)?, kind));
    }
    for pair in names.windows(2) {
        let mut link = DraftLink::new(end(&pair[0], "east")?, end(&pair[1], "west")?);
        link.pool = Some(At::nowhere("wire".to_owned()));
        draft.links.push(link);
    }
    Ok(draft)
}

fn end(node: &str, interface: &str) -> Result<DraftEnd, Box<dyn Error>> {
    Ok(DraftEnd::new(NodeName::new(node)?, Some(IfName::new(interface)?)))
}
