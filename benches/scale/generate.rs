//! Labs of any size, the same for the same numbers: a tenth routers in a random connected graph, the rest hosts, each
//! with one link, and the links that remain between routers.

use std::fmt::Write as _;

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Routers and hosts together; at least 20.
    pub nodes: usize,
    /// All of them routers instead of a tenth.
    pub only_routers: bool,
    /// In all; at least one less than nodes.
    pub links: usize,
    /// `routing:`.
    pub routing: &'static str,
    /// IPv6 besides IPv4.
    pub dual_stack: bool,
    /// `checks:` from every node to every node.
    pub all_pairs: bool,
}

/// The topology file.
pub fn topology(recipe: &Recipe) -> String {
    let routers = if recipe.only_routers { recipe.nodes } else { (recipe.nodes / 10).max(2) };
    let hosts = recipe.nodes - routers;
    let mut text = String::from("version: 1\nname: scale\n");
    let v6 = if recipe.dual_stack { ", ipv6: \"fd00::/64\", prefix6: 127" } else { "" };
    let _ = writeln!(text, "addressing: {{ wire: {{ ipv4: 10.0.0.0/8, prefix: 31{v6} }} }}");
    let _ = writeln!(text, "routing: {}\ntopology:\n  nodes:", recipe.routing);
    for n in 0..routers {
        let _ = writeln!(text, "    r{n}: {{ kind: router }}");
    }
    for n in 0..hosts {
        let _ = writeln!(text, "    h{n}: {{ kind: host }}");
    }
    text.push_str("  links:\n");
    let mut wiring = Wiring { text, ports: vec![0; routers], random: Random(0x5eed) };
    for n in 0..hosts {
        let router = wiring.random.below(routers);
        let port = wiring.port(router);
        let _ = writeln!(wiring.text, "    - {{ endpoints: [ \"h{n}:eth0\", \"{port}\" ], pool: wire }}");
    }
    // A tree first, so that everything hangs together; then chords.
    for n in 1..routers {
        let parent = wiring.random.below(n);
        wiring.join(n, parent);
    }
    for _ in hosts + routers - 1..recipe.links {
        let a = wiring.random.below(routers);
        let b = (a + 1 + wiring.random.below(routers - 1)) % routers;
        wiring.join(a, b);
    }
    let mut text = wiring.text;
    if recipe.all_pairs {
        text.push_str("checks: [ { reach: { from: \"*\", to: \"*\" } } ]\n");
    }
    text
}

struct Wiring {
    text: String,
    ports: Vec<usize>,
    random: Random,
}

impl Wiring {
    /// The next free interface of a router.
    fn port(&mut self, router: usize) -> String {
        let port = self.ports[router];
        self.ports[router] += 1;
        format!("r{router}:p{port}")
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.port(a), self.port(b));
        let _ = writeln!(self.text, "    - {{ endpoints: [ \"{a}\", \"{b}\" ], pool: wire }}");
    }
}

/// splitmix64: repetition is its purpose.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The remainder is smaller than `limit`, which is a usize.
        usize::try_from(z % u64::try_from(limit).unwrap_or(u64::MAX)).unwrap_or(0)
    }
}
