//! The example watch_links: what it prints of traffic whose rates are known.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../examples/kernel/mod.rs"]
#[allow(dead_code, reason = "the test makes its kernels itself")]
mod kernel;
#[path = "../examples/watch_links/traffic.rs"]
mod traffic;
#[path = "../examples/watch_links/watch.rs"]
#[allow(dead_code, reason = "no test watches for ever")]
mod watch;

use std::io;
use std::time::Duration;

use cellblock::sim::Kernel as Memory;
use kernel::{Kernel, Ready, Refusal, Simulated};
use ngsock::node::bridge::{self, ClearStats, LinkHook};
use ngsock::{Client, DataTransport, Errno, HookName, NodeName, NodePath, Transport};
use watch::{Until, Watch};

/// A simulated kernel on whose bridge `br0` frames arrive whenever time passes.
struct Busy {
    simulated: Simulated,
    /// Hook of our node, octets of a frame, how many of them.
    frames: Vec<(&'static str, usize, usize)>,
    /// Before which pause the counters of link 1 are cleared.
    cleared_before: Option<u32>,
    pauses: u32,
}

impl Busy {
    fn new(frames: Vec<(&'static str, usize, usize)>) -> Self {
        let simulated = Simulated::prepared(Memory::boot(3), b"").unwrap();
        let mut client = Client::new(simulated);
        let (here, hook) = (NodePath::here(), |name: &str| HookName::new(name).unwrap());
        client.mkpeer(&here, &bridge::TYPE, &hook("x"), &hook("link1")).unwrap();
        client.name(&NodePath::hook(&hook("x")), &NodeName::new("br0").unwrap()).unwrap();
        client.connect(&here, &"br0:".parse().unwrap(), &hook("y"), &hook("link2")).unwrap();
        client.connect(&here, &"br0:".parse().unwrap(), &hook("z"), &hook("uplink1")).unwrap();
        Self { simulated: client.into_transport(), frames, cleared_before: None, pauses: 0 }
    }
}

impl Transport for Busy {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        self.simulated.send(path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.simulated.receive(buffer)
    }
}

impl DataTransport for Busy {
    fn send_frame(&mut self, hook: &[u8], frame: &[u8]) -> Result<(), Errno> {
        self.simulated.send_frame(hook, frame)
    }

    fn receive_frame(&mut self, frame: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        self.simulated.receive_frame(frame)
    }
}

impl Kernel for Busy {
    fn poll(&mut self, input: bool) -> io::Result<Ready> {
        self.simulated.poll(input)
    }

    fn pause(&mut self, time: Duration) {
        self.pauses += 1;
        if self.cleared_before == Some(self.pauses) {
            let clear = ClearStats(LinkHook::link(1).unwrap());
            Client::new(&mut self.simulated).call(&"br0:".parse().unwrap(), &clear).unwrap();
        }
        for &(hook, octets, count) in &self.frames {
            let host = hook.as_bytes()[0];
            let mut frame = [&[2, 0, 0, 0, 0, 9][..], &[2, 0, 0, 0, 0, host], &[0x88, 0xb5]].concat();
            frame.resize(octets, 0);
            for _ in 0..count {
                self.simulated.send_frame(hook.as_bytes(), &frame).unwrap();
            }
        }
        self.simulated.pause(time);
    }

    fn now(&mut self) -> Duration {
        self.simulated.now()
    }

    fn close(self: Box<Self>) -> Result<(), Refusal> {
        Ok(())
    }
}

fn watched(kernel: &mut dyn Kernel, bridge: Option<&str>, interval: Duration, intervals: u64) -> String {
    let mut out = Vec::new();
    Watch::new(kernel, bridge).unwrap().run(interval, Until::Intervals(intervals), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The words of each line below the head.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn rates_are_those_of_the_traffic() {
    // In each interval of 2 s: 10 frames of 60 octets, 4 of 1000, and 3 too short to be any.
    let mut busy = Busy::new(vec![("x", 60, 10), ("y", 1000, 4), ("z", 13, 3)]);
    let text = watched(&mut busy, Some("br0"), Duration::from_secs(2), 2);
    let link1 = ["5.0", "300.0", "2.0", "2000.0", "0.0"];
    let link2 = ["2.0", "2000.0", "5.0", "300.0", "0.0"];
    let uplink1 = ["0.0", "0.0", "7.0", "2300.0", "1.5"];
    let mut expected = Vec::new();
    for seconds in ["2.000", "4.000"] {
        for (hook, rates) in [("uplink1", uplink1), ("link1", link1), ("link2", link2)] {
            expected.push([&[seconds, "br0", hook, "[1]"][..], &rates].concat());
        }
    }
    assert_eq!(rows(&text), expected, "{text}");
}

#[test]
fn all_bridges_are_found_and_quiet_ones_are_still() {
    let mut busy = Busy::new(Vec::new());
    traffic::begin(&mut busy).unwrap();
    let text = watched(&mut busy, None, Duration::from_millis(500), 1);
    let quiet = ["0.0"; 5];
    let bridges: Vec<_> = rows(&text).iter().map(|row| (row[1].to_owned(), row[4..] == quiet)).collect();
    let of = |name: &str| bridges.iter().filter(|(bridge, _)| bridge == name).map(|(_, quiet)| *quiet).collect();
    let (br0, demo): (Vec<bool>, Vec<bool>) = (of("br0"), of("demo"));
    assert_eq!((br0, demo), (vec![true; 3], vec![false; 3]), "{text}");
}

#[test]
fn cleared_counters_give_no_nonsense() {
    let mut busy = Busy { cleared_before: Some(3), ..Busy::new(vec![("x", 100, 7)]) };
    let text = watched(&mut busy, Some("[2]:"), Duration::from_secs(1), 3);
    let link1: Vec<_> = rows(&text).into_iter().filter(|row| row[2] == "link1").collect();
    assert_eq!(link1.len(), 3, "{text}");
    for row in link1 {
        assert_eq!(row[4..6], ["7.0", "700.0"], "{text}");
    }
}

#[test]
fn simulated_traffic_has_its_rates() {
    let mut simulated = Simulated::fresh(None, b"").unwrap();
    traffic::begin(&mut simulated).unwrap();
    // The sources begin in the middle of a tick; the second interval is a whole one.
    let text = watched(&mut simulated, Some("demo"), Duration::from_secs(1), 2);
    let rows = rows(&text);
    let second: Vec<_> =
        rows.iter().filter(|row| row[0] == "2.000").map(|row| [&row[2..4], &row[4..]].concat()).collect();
    assert_eq!(
        second,
        [
            ["link0", "quick", "4000.0", "240000.0", "1000.0", "1514000.0", "0.0"],
            ["link1", "large", "1000.0", "1514000.0", "4000.0", "240000.0", "0.0"],
            ["link2", "listener", "0.0", "0.0", "5000.0", "1754000.0", "0.0"],
        ],
        "{text}"
    );
}

#[test]
fn what_is_no_bridge_is_refused() {
    let mut busy = Busy::new(Vec::new());
    let refusal = |busy: &mut Busy, bridge: &str| Watch::new(busy, Some(bridge)).err().unwrap().text;
    assert_eq!(refusal(&mut busy, "[1]"), "`[1]:` is of type socket, not a bridge");
    assert!(refusal(&mut busy, "nosuch").starts_with("nodeinfo to `nosuch:`: no such file or directory (ENOENT)"));
    assert!(refusal(&mut busy, "a..b").starts_with("`a..b` is no path: "));
}
