//! Prints all netgraph nodes of this vnet, as `ngctl list` does. Runs on FreeBSD, as root.

#[cfg(target_os = "freebsd")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write as _;

    let mut socket = ngsock::sys::ControlSocket::open()?;
    socket.set_receive_buffer(1 << 20)?;
    let nodes = ngsock::Client::new(socket).list_nodes()?.0;
    let mut out = std::io::stdout().lock();
    writeln!(out, "There are {} total nodes:", nodes.len())?;
    for node in nodes {
        let name = if node.name.is_empty() { "<unnamed>".to_owned() } else { node.name.to_string() };
        let kind = node.kind.to_string();
        writeln!(out, "  Name: {name:<15} Type: {kind:<15} ID: {:08x}   Num hooks: {}", node.id.0, node.hooks)?;
    }
    Ok(())
}

#[cfg(not(target_os = "freebsd"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    Err("there is no netgraph on this system".into())
}
