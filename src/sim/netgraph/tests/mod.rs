//! Graphs without interfaces. Here: a kernel with one control socket, from whose node every test begins.

mod filters;
mod frames;
mod hostile;
mod interfaces;
mod life;
mod outside;
mod pipes;
mod sorters;

use ngsock::message::{Message, Payload, Request};
use ngsock::node::{bridge, hole, hub, pipe, tee};

use super::label::Label;
use super::*;
use crate::abi::Errno;
use crate::sim::kernel::Work;
use crate::sim::sockets::{Protocol, SockId, Socket};

/// A kernel with one control socket whose node every test begins at.
struct Lab {
    kernel: Kernel,
    sock: SockId,
    token: u32,
    /// Commands of the messages that were no answers.
    told: Vec<u32>,
}

impl Lab {
    fn new() -> Self {
        let mut kernel = Kernel::boot(1);
        for module in
            ["ng_socket", "ng_hub", "ng_bridge", "ng_pipe", "ng_tee", "ng_hole", "ng_echo", "ng_split", "ng_eiface"]
        {
            load_module(&mut kernel, module).unwrap();
        }
        let sock = open(&mut kernel, VnetId::HOST, None);
        Self { kernel, sock, token: 0, told: Vec::new() }
    }

    fn call<R: Request>(&mut self, path: &str, request: &R) -> Result<R::Reply, Errno> {
        self.token += 1;
        let mut datagram = Vec::new();
        ngsock::message::encode_request(&mut datagram, self.token, request).unwrap();
        send(&mut self.kernel, self.sock, path.as_bytes(), &datagram)?;
        while let Some((_, datagram)) = receive(&mut self.kernel, self.sock) {
            let message = Message::parse(&datagram).unwrap();
            if message.header.is_reply() {
                assert_eq!(message.header.token, self.token);
                return Ok(R::Reply::decode(message.payload).unwrap());
            }
            self.told.push(message.header.command);
        }
        Ok(R::Reply::absent().unwrap())
    }

    fn mkpeer(&mut self, path: &str, kind: &str, ours: &str, theirs: &str) -> Result<(), Errno> {
        let new = ngsock::generic::NewPeer { kind: field(kind), our_hook: field(ours), peer_hook: field(theirs) };
        self.call(path, &ngsock::generic::MkPeer(new))
    }

    fn connect(&mut self, path: &str, to: &str, ours: &str, theirs: &str) -> Result<(), Errno> {
        let path_of_peer = ngsock::name::Text::new(to).unwrap();
        let join = ngsock::generic::Join { path: path_of_peer, our_hook: field(ours), peer_hook: field(theirs) };
        self.call(path, &ngsock::generic::Connect(join))
    }

    fn name(&mut self, path: &str, name: &str) -> Result<(), Errno> {
        self.call(path, &ngsock::generic::SetName(field(name)))
    }

    fn rmhook(&mut self, path: &str, hook: &str) {
        self.call(path, &ngsock::generic::RemoveHook(field(hook))).unwrap();
    }

    fn shutdown(&mut self, path: &str) -> Result<(), Errno> {
        self.call(path, &ngsock::generic::Shutdown)
    }

    fn exists(&mut self, path: &str) -> bool {
        self.call(path, &ngsock::generic::GetNodeInfo).is_ok()
    }

    /// Sends a frame out of a hook of the socket's node, as a data socket would.
    fn emit(&mut self, hook: &str, frame: &[u8]) {
        let nodes = &self.kernel.vnets[&VnetId::HOST].netgraph.nodes;
        let (_, node) = nodes.iter().next().unwrap();
        let peer = node.hooks.find(&Label::new(hook).unwrap()).unwrap().peer.unwrap();
        let (node, hook, frame) = (peer.node, peer.hook, frame.to_vec());
        let work = Work::Data { vnet: VnetId::HOST, node, hook, frame, tags: Tags::default() };
        self.kernel.work.push_back(work);
        self.kernel.settle();
    }

    /// Opens a data socket for the socket's node.
    fn listen(&mut self) {
        data_open(&mut self.kernel, self.sock).unwrap();
    }

    /// What came out of the hooks of the socket's node, by hook.
    fn heard(&mut self) -> Vec<(String, Vec<u8>)> {
        let next = || data_receive(&mut self.kernel, self.sock);
        std::iter::from_fn(next).map(|(hook, frame)| (String::from_utf8(hook).unwrap(), frame)).collect()
    }

    /// Frames that the hole at `path` swallowed by hook `h`.
    fn swallowed(&mut self, path: &str) -> u64 {
        self.call(path, &hole::GetStats(field("h"))).unwrap().frames
    }

    fn pass(&mut self, milliseconds: u64) {
        self.kernel.run(milliseconds * 1_000_000, |_| false);
    }
}

fn open(kernel: &mut Kernel, vnet: VnetId, jail: Option<i32>) -> SockId {
    let sock = SockId(kernel.sockets.next);
    kernel.sockets.next += 1;
    let control = socket_open(kernel, vnet, sock);
    kernel.sockets.open.insert(sock, Socket { vnet, jail, protocol: Protocol::Netgraph(control) });
    sock
}

fn field(text: &str) -> ngsock::name::Name {
    ngsock::name::Name::new(text).unwrap()
}

/// 60 octets from host `from` to host `to`; 255 is everybody.
fn frame(to: u8, from: u8) -> Vec<u8> {
    let address = |host| if host == 255 { [255; 6] } else { [2, 0, 0, 0, 0, host] };
    [&address(to)[..], &address(from), &[0x88, 0xb5], &[0; 46]].concat()
}
