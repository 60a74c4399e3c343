//! The usual ways: a shell script of `ip` commands, `ip -batch`, and Mininet.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{fs, io, thread};

use super::settle::Settling;
use super::shape::{Shape, ring_address, star_address, star_gateway};
use super::{Figures, STANDS};

/// One command of ip(8), and the namespace it is run in.
struct Line {
    namespace: Option<u32>,
    words: String,
}

fn outside(words: String) -> Line {
    Line { namespace: None, words }
}

fn inside(node: u32, words: String) -> Line {
    Line { namespace: Some(node), words }
}

/// What a person writes: a pair is made, its ends are moved and named, then set up.
fn by_hand(shape: Shape, nodes: u32) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    if shape == Shape::Star {
        lines.push(outside("link add br0 type bridge".into()));
        lines.push(outside("link set br0 up".into()));
    }
    for node in 0..nodes {
        lines.push(outside(format!("netns add n{node}")));
        lines.push(inside(node, "link set lo up".into()));
    }
    for node in 0..nodes {
        lines.push(outside(format!("link add p{node} type veth peer name q{node}")));
        let move_in = |lines: &mut Vec<Line>, end: &str, place: u32, name: &str| {
            lines.push(outside(format!("link set {end}{node} netns n{place}")));
            lines.push(inside(place, format!("link set {end}{node} name {name}")));
            lines.push(inside(place, format!("link set {name} up")));
        };
        match shape {
            Shape::Star => {
                lines.push(outside(format!("link set p{node} master br0")));
                lines.push(outside(format!("link set p{node} up")));
                move_in(&mut lines, "q", node, "eth0");
                lines.push(inside(node, format!("addr add {}/16 dev eth0", star_address(node))));
                lines.push(inside(node, format!("route add default via {}", star_gateway())));
            }
            Shape::Ring => {
                let next = (node + 1) % nodes;
                move_in(&mut lines, "p", node, "eth1");
                move_in(&mut lines, "q", next, "eth0");
                lines.push(inside(node, format!("addr add {}/31 dev eth1", ring_address(node, 0))));
                lines.push(inside(next, format!("addr add {}/31 dev eth0", ring_address(node, 1))));
                lines.push(inside(node, format!("route add default via {}", ring_address(node, 1))));
            }
        }
    }
    lines
}

/// As few programs and messages as ip(8) allows: ends made in place, one run for each namespace.
fn in_batches(shape: Shape, nodes: u32) -> Vec<Line> {
    let mut lines: Vec<Line> = (0..nodes).map(|node| outside(format!("netns add n{node}"))).collect();
    if shape == Shape::Star {
        lines.push(outside("link add br0 type bridge".into()));
    }
    for node in 0..nodes {
        lines.push(outside(match shape {
            Shape::Star => format!("link add p{node} up master br0 type veth peer name eth0 netns n{node}"),
            Shape::Ring => {
                format!("link add eth1 netns n{node} type veth peer name eth0 netns n{}", (node + 1) % nodes)
            }
        }));
    }
    if shape == Shape::Star {
        lines.push(outside("link set br0 up".into()));
    }
    for node in 0..nodes {
        let before = (node + nodes - 1) % nodes;
        let own = match shape {
            Shape::Star => vec![
                "link set eth0 up".to_owned(),
                format!("addr add {}/16 dev eth0", star_address(node)),
                format!("route add default via {}", star_gateway()),
            ],
            Shape::Ring => vec![
                "link set eth0 up".to_owned(),
                "link set eth1 up".to_owned(),
                format!("addr add {}/31 dev eth1", ring_address(node, 0)),
                format!("addr add {}/31 dev eth0", ring_address(before, 1)),
                format!("route add default via {}", ring_address(node, 1)),
            ],
        };
        lines.push(inside(node, "link set lo up".into()));
        lines.extend(own.into_iter().map(|words| inside(node, words)));
    }
    lines
}

fn removal(shape: Shape, nodes: u32) -> Vec<Line> {
    let bridge = (shape == Shape::Star).then(|| outside("link del br0".into()));
    bridge.into_iter().chain((0..nodes).map(|node| outside(format!("netns del n{node}")))).collect()
}

fn script_of_single(lines: &[Line]) -> String {
    let mut text = String::from("set -e\n");
    for line in lines {
        let _ = match line.namespace {
            Some(node) => writeln!(text, "ip -n n{node} {}", line.words),
            None => writeln!(text, "ip {}", line.words),
        };
    }
    text
}

/// A run of lines of one namespace is one `ip -batch`.
fn script_of_batches(lines: &[Line]) -> String {
    let mut text = String::from("set -e\n");
    for run in lines.chunk_by(|a, b| a.namespace == b.namespace) {
        let within = run.first().and_then(|line| line.namespace);
        let _ = match within {
            Some(node) => writeln!(text, "ip -n n{node} -batch - <<X"),
            None => writeln!(text, "ip -batch - <<X"),
        };
        run.iter().for_each(|line| {
            let _ = writeln!(text, "{}", line.words);
        });
        text.push_str("X\n");
    }
    text
}

pub fn scripts(shape: Shape, nodes: u32, batches: bool) -> io::Result<Figures> {
    let way_back = removal(shape, nodes);
    let (up, down) = if batches {
        (script_of_batches(&in_batches(shape, nodes)), script_of_batches(&way_back))
    } else {
        (script_of_single(&by_hand(shape, nodes)), script_of_single(&way_back))
    };
    fs::write("/run/up.sh", up)?;
    fs::write("/run/down.sh", down)?;
    let settling = Settling::prepare(&fs::File::open("/proc/thread-self/ns/net")?)?;
    let began = Instant::now();
    succeeded(Command::new("sh").arg("/run/up.sh"))?;
    let create = began.elapsed();
    thread::sleep(STANDS);
    let began = Instant::now();
    succeeded(Command::new("sh").arg("/run/down.sh"))?;
    let returned = began.elapsed();
    settling.wait()?;
    Ok(Figures {
        create,
        worked: None,
        up: None,
        returned,
        settled: Some(began.elapsed()),
        processor: None,
        frames: None,
    })
}

/// A program that must succeed: what it wrote.
pub fn succeeded(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{command:?}: {}: {}", output.status, said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Mininet as Debian has it, with Linux bridges and no controller. It says itself how long it took, without its start.
pub fn mininet(nodes: u32) -> io::Result<Figures> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/linux/mininet-star.py");
    let settling = Settling::prepare(&fs::File::open("/proc/thread-self/ns/net")?)?;
    let stands = STANDS.as_secs_f64().to_string();
    let said = succeeded(Command::new("/usr/bin/python3").arg(script).arg(nodes.to_string()).arg(stands))?;
    let began = Instant::now();
    settling.wait()?;
    let after = began.elapsed();
    let mut seconds =
        said.split_whitespace().filter_map(|word| word.parse().ok()).map(std::time::Duration::from_secs_f64);
    let (Some(create), Some(returned)) = (seconds.next(), seconds.next()) else {
        return Err(io::Error::other(format!("mininet-star.py said: {said}")));
    };
    Ok(Figures {
        create,
        worked: None,
        up: None,
        returned,
        settled: Some(returned + after),
        processor: None,
        frames: None,
    })
}
