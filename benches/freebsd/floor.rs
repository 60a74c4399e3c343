//! The floor: what the kernel itself takes. One bridge; for each host a jail, an eiface on the bridge, its move and an
//! address; and the way back. Nothing is named, read back, recorded or made safe.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use cellblock::abi::InterfaceName;
use cellblock::abi::ioctl::{address, interface};
use ngsock::node::{bridge, eiface};
use ngsock::sys::ControlSocket;
use ngsock::{Client, HookName, NodePath};

use super::contender::Measured;
use super::sys;

/// Up and down of a star; what each took.
pub fn run(nodes: u32) -> Result<[Measured; 2], String> {
    let mut star = Star::default();
    let (made, up) = measured(|| star.up(nodes));
    let (gone, down) = measured(|| star.down());
    made.and(gone)?;
    Ok([up, down])
}

fn measured<T>(work: impl FnOnce() -> T) -> (T, Measured) {
    let used = || {
        let (own, children) = (sys::usage(libc::RUSAGE_SELF), sys::usage(libc::RUSAGE_CHILDREN));
        (own.0 + children.0, own.1 + children.1)
    };
    let (before, started) = (used(), Instant::now());
    let done = work();
    let (wall, after) = (started.elapsed(), used());
    let (user, kernel) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    (done, Measured { wall, user, kernel })
}

#[derive(Default)]
struct Star {
    netgraph: Option<Client<ControlSocket>>,
    jails: Vec<i32>,
    links: Vec<NodePath>,
}

fn told(what: impl std::fmt::Display) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what}: {error}")
}

impl Star {
    fn up(&mut self, nodes: u32) -> Result<(), String> {
        let say = |error: &dyn std::fmt::Display| error.to_string();
        let hook = |name: &str| HookName::new(name).map_err(|error| say(&error));
        let client = self.netgraph.insert(Client::new(ControlSocket::open().map_err(|errno| errno.to_string())?));
        let centre = NodePath::hook(&hook("b")?);
        client.mkpeer(&NodePath::here(), &bridge::TYPE, &hook("b")?, &hook("link0")?).map_err(|error| say(&error))?;
        let socket = sys::inet_socket().map_err(told("socket"))?;
        for number in 1..=nodes {
            let jid = sys::make_jail(&format!("floor{number}")).map_err(told("jail_set"))?;
            self.jails.push(jid);
            let ours = hook(&format!("link{number}"))?;
            let link = centre.join(&ours).map_err(|error| say(&error))?;
            client.mkpeer(&centre, &eiface::TYPE, &ours, &eiface::HOOK_ETHER).map_err(|error| say(&error))?;
            self.links.push(link.clone());
            let name = client.call(&link, &eiface::GetInterfaceName).map_err(|error| say(&error))?;
            let name = InterfaceName::new(name.as_str().unwrap_or_default()).map_err(|errno| errno.to_string())?;
            give(&socket, name, jid)?;
            let address = Ipv4Addr::from(0x0a00_0000 + number);
            // It brings the interface up as well.
            let call = address::add4(name, address, 16, None);
            sys::ioctl_in_jail(jid, call.request, &call.argument.bytes).map_err(told(format!("address of {name}")))?;
        }
        Ok(())
    }

    /// Whatever was made goes, also after a failure.
    fn down(&mut self) -> Result<(), String> {
        let mut outcome = Ok(());
        let Some(client) = &mut self.netgraph else { return outcome };
        for link in self.links.drain(..) {
            outcome = outcome.and(client.shutdown(&link).map_err(|error| error.to_string()));
        }
        for jid in self.jails.drain(..) {
            outcome = outcome.and(sys::remove_jail(jid).map_err(told("jail_remove")));
        }
        // The bridge goes with its last hook, which is the socket's.
        self.netgraph = None;
        outcome
    }
}

fn give(socket: &OwnedFd, name: InterfaceName, jid: i32) -> Result<(), String> {
    let mut call = interface::give_to_jail(name, jid);
    sys::ioctl(socket.as_fd(), call.request, &mut call.argument.bytes).map_err(told(format!("move of {name}")))
}
