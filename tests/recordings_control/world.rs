//! A simulated kernel as the recorder's machine was: pf in it, modules loaded, sockets by where they were opened.

use std::collections::BTreeMap;

use cellblock::abi::jail::{JAIL_CREATE, JailParam};
use cellblock::abi::{Errno, IoctlArgument};
use cellblock::sim::control::{self, Caller, NetlinkSocket, RouteSocket};
use cellblock::sim::jail;
use cellblock::sim::kernel::{Kernel, VnetId};
use cellblock::sim::sockets::{Protocol, SockId, Socket};
use cellblock::sim::{ifnet, netgraph};

/// The kernel, its jails by name and the sockets that are held open.
pub struct World {
    pub kernel: Kernel,
    pub jails: BTreeMap<String, i32>,
    inet: BTreeMap<(i32, bool), SockId>,
}

impl World {
    pub fn boot() -> Self {
        let mut kernel = Kernel::boot(1);
        kernel.modules.extend(["if_epair", "if_bridge"].map(str::to_owned));
        netgraph::load_module(&mut kernel, "ng_ether").expect("ng_ether exists");
        netgraph::load_module(&mut kernel, "ng_socket").expect("ng_socket exists");
        ifnet::enable_pf(&mut kernel);
        kernel.interfaces.lenient_moves = true;
        let mut world = Self { kernel, jails: BTreeMap::new(), inet: BTreeMap::new() };
        world.shell("ifconfig lo0 inet 127.0.0.1/8 up");
        world
    }

    /// Makes a jail as the recorder did before its first line.
    pub fn make_jail(&mut self, name: &str, vnet: bool) -> i32 {
        let mut params = vec![JailParam::string("name", name), JailParam::boolean("persist", true)];
        if vnet {
            params.push(JailParam::int("vnet", 1));
        }
        let jid = jail::set(&mut self.kernel, jail::HOST, &params, JAIL_CREATE).expect("a jail can be made");
        self.jails.insert(name.to_owned(), jid);
        jid
    }

    pub fn vnet(&self, jid: i32) -> VnetId {
        jail::vnet_of(&self.kernel, jid).expect("the jail is there")
    }

    /// Opens a socket in a jail, 0 for the host; it holds the jail.
    pub fn open(&mut self, jid: i32, protocol: impl FnOnce(&mut Kernel, VnetId, SockId) -> Protocol) -> SockId {
        let vnet = self.vnet(jid);
        if jid != 0 {
            jail::hold(&mut self.kernel, jid).expect("the jail is there");
        }
        let id = SockId(self.kernel.sockets.next);
        let protocol = protocol(&mut self.kernel, vnet, id);
        self.kernel.sockets.next += 1;
        let jail = (jid != 0).then_some(jid);
        self.kernel.sockets.open.insert(id, Socket { vnet, jail, protocol });
        id
    }

    pub fn close(&mut self, sock: SockId) {
        let Some(socket) = self.kernel.sockets.open.remove(&sock) else { return };
        if let Protocol::Netgraph(control) = socket.protocol {
            netgraph::socket_close(&mut self.kernel, socket.vnet, control);
        }
        if let Some(jid) = socket.jail {
            jail::release(&mut self.kernel, jid);
        }
    }

    /// The datagram socket of a jail that stays open until [`World::close_all`].
    pub fn inet(&mut self, jid: i32, v6: bool) -> SockId {
        if let Some(&sock) = self.inet.get(&(jid, v6)) {
            return sock;
        }
        let sock = self.open(jid, |_, _, _| if v6 { Protocol::Inet6 } else { Protocol::Inet });
        self.inet.insert((jid, v6), sock);
        sock
    }

    /// Closes the datagram sockets of a jail.
    pub fn close_all(&mut self, jid: i32) {
        for v6 in [false, true] {
            if let Some(sock) = self.inet.remove(&(jid, v6)) {
                self.close(sock);
            }
        }
    }

    /// An ioctl by somebody inside the jail, on a socket of its own.
    pub fn inside(&mut self, jid: i32, v6: bool, request: u32, argument: &mut IoctlArgument) -> Result<(), Errno> {
        let caller = Caller { vnet: self.vnet(jid), jail: jid };
        let sock = self.open(jid, |_, _, _| if v6 { Protocol::Inet6 } else { Protocol::Inet });
        let answer = control::ioctl::ioctl(&mut self.kernel, caller, sock, request, argument);
        self.close(sock);
        answer
    }

    pub fn netlink(&mut self, jid: i32) -> SockId {
        self.open(jid, |_, _, _| Protocol::Netlink(NetlinkSocket::default()))
    }

    pub fn route(&mut self, jid: i32) -> SockId {
        self.open(jid, |_, _, _| Protocol::Route(RouteSocket::default()))
    }

    pub fn netgraph(&mut self, jid: i32) -> SockId {
        self.open(jid, |kernel, vnet, id| Protocol::Netgraph(netgraph::socket_open(kernel, vnet, id)))
    }
}
