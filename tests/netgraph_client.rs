//! The client of `ngsock` over the simulated kernel, whose sockets are as small as a real one's.

#![allow(clippy::unwrap_used, reason = "a simulated kernel that does not answer is a failed test")]

use cellblock::sim::kernel::{Kernel, VnetId};
use cellblock::sim::netgraph;
use cellblock::sim::sockets::{Protocol, SockId, Socket};
use ngsock::generic::{GetNodeInfo, ListHooks};
use ngsock::node::{bridge, hub};
use ngsock::{Client, DataTransport, Errno, HookName, NodeId, NodePath, Transport, TypeName};

/// A control socket of a simulated kernel, and its data socket.
struct Simulated {
    kernel: Kernel,
    sock: SockId,
}

impl Simulated {
    fn new() -> Self {
        let mut kernel = Kernel::boot(1);
        let sock = SockId(kernel.sockets.next);
        kernel.sockets.next += 1;
        let control = netgraph::socket_open(&mut kernel, VnetId::HOST, sock);
        let socket = Socket { vnet: VnetId::HOST, jail: None, protocol: Protocol::Netgraph(control) };
        kernel.sockets.open.insert(sock, socket);
        Self { kernel, sock }
    }
}

impl Transport for Simulated {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        netgraph::send(&mut self.kernel, self.sock, path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        let received = netgraph::receive(&mut self.kernel, self.sock);
        Ok(received.map(|(from, datagram)| {
            *buffer = datagram;
            from
        }))
    }
}

impl DataTransport for Simulated {
    fn send_frame(&mut self, hook: &[u8], frame: &[u8]) -> Result<(), Errno> {
        netgraph::data_send(&mut self.kernel, self.sock, hook, frame.to_vec())?;
        self.kernel.settle();
        Ok(())
    }

    fn receive_frame(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        let received = netgraph::data_receive(&mut self.kernel, self.sock);
        Ok(received.map(|(hook, frame)| {
            *buffer = frame;
            hook
        }))
    }
}

fn hook(name: &str) -> HookName {
    HookName::new(name).unwrap()
}

/// A bridge with hubs on so many links.
fn star(client: &mut Client<Simulated>, links: u32) -> NodePath {
    client.mkpeer(&NodePath::here(), &bridge::TYPE, &hook("b"), &hook("link0")).unwrap();
    let path = NodePath::id(client.node_id(&NodePath::hook(&hook("b"))).unwrap());
    for link in 1..=links {
        client.mkpeer(&path, &hub::TYPE, &hook(&format!("link{link}")), &hook("a")).unwrap();
    }
    path
}

#[test]
fn a_pipeline_looks_at_more_nodes_than_a_socket_has_room_for() {
    let mut client = Client::new(Simulated::new());
    let path = star(&mut client, 140);
    let hooks = client.list_hooks(&path).unwrap();
    let ids: Vec<NodeId> = hooks.links.iter().map(|link| link.peer.id).collect();
    for window in [1, 50, 100_000] {
        let mut pipeline = client.pipeline(window);
        let tickets: Vec<_> = ids.iter().map(|id| pipeline.send(&NodePath::id(*id), &GetNodeInfo)).collect();
        // One that fails, and one whose reply alone is larger than the room that is left.
        let missing = pipeline.send(&NodePath::id(NodeId(0xffff)), &GetNodeInfo);
        let list = pipeline.send(&path, &ListHooks);
        for (id, ticket) in ids.iter().zip(tickets) {
            assert_eq!(pipeline.collect(ticket).unwrap().id, *id);
        }
        assert_eq!(pipeline.collect(missing).unwrap_err().errno(), Some(Errno::ENOENT));
        assert_eq!(pipeline.collect(list).unwrap(), hooks);
    }
    assert_eq!(client.unsolicited(), Ok(None));
}

#[test]
fn a_reply_larger_than_the_buffer_is_an_error_that_says_so() {
    let mut client = Client::new(Simulated::new());
    let path = star(&mut client, 160);
    let error = client.list_hooks(&path).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOBUFS));
    assert!(error.to_string().contains("raise SO_RCVBUF"), "{error}");
    client.node_info(&path).unwrap();
}

#[test]
fn frames_go_out_of_a_hook_and_come_back() {
    let mut client = Client::new(Simulated::new());
    let echo = TypeName::new("echo").unwrap();
    client.mkpeer(&NodePath::here(), &echo, &hook("e"), &hook("x")).unwrap();
    let transport = client.transport();
    netgraph::data_open(&mut transport.kernel, transport.sock).unwrap();
    transport.send_frame(b"e", b"hello").unwrap();
    let mut buffer = Vec::new();
    assert_eq!(transport.receive_frame(&mut buffer), Ok(Some(b"e".to_vec())));
    assert_eq!(buffer, b"hello");
    assert_eq!(transport.receive_frame(&mut buffer), Ok(None));
    assert_eq!(transport.send_frame(b"nohook", b"hello"), Err(Errno::EHOSTUNREACH));
}
