//! What `doctor` finds on hosts that lack something: a simulated kernel whose answers are bent in one place at a time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use cellblock::abi::{Errno, sysctl};
use cellblock::engine::freebsd::doors::{Actor, HostDoor, Sock, SocketDoor, SocketKind};
use cellblock::engine::freebsd::{Settings, survey};
use cellblock::engine::linux::features::Feature;
use cellblock::engine::{Fact, Standing, linux};
use cellblock::model;
use cellblock::sim::{Kernel, SimDoors};
use cellblock::topology::{self, DiskReader, Input, LoadOptions};
use common::Sandbox;

/// A kernel that answers otherwise: numbers by name, `None` for a name that it does not know.
struct Bent {
    inner: SimDoors,
    numbers: BTreeMap<&'static str, Option<i32>>,
    root: bool,
    netlink: bool,
}

impl Bent {
    fn host() -> Self {
        let inner = SimDoors::new(Kernel::boot(1));
        Self { inner, numbers: BTreeMap::new(), root: true, netlink: true }
    }

    fn with(mut self, name: &'static str, value: impl Into<Option<i32>>) -> Self {
        self.numbers.insert(name, value.into());
        self
    }

    fn facts(&mut self) -> BTreeMap<&'static str, Fact> {
        survey(self, Settings::default()).into_iter().map(|fact| (fact.what, fact)).collect()
    }
}

impl SocketDoor for Bent {
    fn open(&mut self, actor: Actor, kind: SocketKind) -> Result<Sock, Errno> {
        if self.netlink { self.inner.open(actor, kind) } else { Err(Errno::EAFNOSUPPORT) }
    }

    fn close(&mut self, sock: Sock) {
        self.inner.close(sock);
    }
}

impl HostDoor for Bent {
    fn sysctl_get(&mut self, actor: Actor, name: &str) -> Result<Vec<u8>, Errno> {
        match self.numbers.get(name) {
            Some(Some(number)) => Ok(sysctl::int(*number)),
            Some(None) => Err(Errno::ENOENT),
            None => self.inner.sysctl_get(actor, name),
        }
    }

    fn sysctl_set(&mut self, actor: Actor, name: &str, value: &[u8]) -> Result<(), Errno> {
        self.inner.sysctl_set(actor, name, value)
    }

    fn is_root(&mut self) -> bool {
        self.root
    }

    fn load_module(&mut self, _name: &str) -> Result<(), Errno> {
        panic!("a look changes nothing")
    }

    fn has_module(&mut self, name: &str) -> bool {
        self.inner.has_module(name)
    }

    fn boot_identity(&mut self) -> String {
        self.inner.boot_identity()
    }

    fn now(&mut self) -> Duration {
        self.inner.now()
    }

    fn wait(&mut self, at_most: Duration, wake: &[Sock]) {
        self.inner.wait(at_most, wake);
    }
}

#[test]
fn a_good_host_lacks_nothing() {
    let mut host = Bent::host().with("kern.racct.enable", 1);
    for module in ["ng_socket", "ng_eiface", "ng_bridge", "ng_hub", "ng_pipe", "if_bridge", "if_epair", "nullfs"] {
        host.inner.load_module(module).unwrap();
    }
    host.inner.kernel.modules.insert("zfs".to_owned());
    for (what, fact) in host.facts() {
        assert_eq!((fact.standing, fact.hint), (Standing::Fine, None), "{what}: {}", fact.found);
    }
}

#[test]
fn each_lack_is_told_with_what_to_do() {
    use Standing::{Limited, Missing};
    let jailed = || Bent::host().with("security.jail.jailed", 1).with("security.jail.vnet", 1);
    let (mut user, mut silent) = (Bent::host(), Bent::host());
    user.root = false;
    silent.netlink = false;
    for (mut host, what, standing, found, hint) in [
        (Bent::host().with("kern.features.vimage", None), "VIMAGE", Missing, "network stacks", "options VIMAGE"),
        (user, "root", Missing, "we are not", "--engine sim"),
        (jailed().with("security.jail.vnet", 0), "jails", Missing, "without a network stack", "`vnet`"),
        (
            jailed().with("security.jail.children.max", 4).with("security.jail.children.cur", 4),
            "jails",
            Missing,
            "may have 4 jails below it and has 4",
            "children.max",
        ),
        (jailed().with("security.jail.children.max", 9), "jails", Limited, "may have 9", "one for each host"),
        (Bent::host().with("kern.securelevel", 2), "securelevel", Limited, "cannot be loaded", "kld_list"),
        (Bent::host().with("kern.osreldate", 1_302_001), "release", Limited, "FreeBSD", "14 and 15"),
        (Bent::host().with("kern.racct.enable", 0), "racct", Limited, "off", "kern.racct.enable=1"),
        (Bent::host().with("kern.racct.enable", None), "racct", Limited, "has none", "options RACCT"),
        (Bent::host().with("kern.hz", 100), "kern.hz", Limited, "steps of 10 ms", "kern.hz=1000"),
        (silent, "netlink", Limited, "no netlink(4)", "--route-door rtsock"),
        (Bent::host(), "modules", Limited, "ng_eiface (links)", "sysrc kld_list+="),
    ] {
        let fact = host.facts().remove(what).unwrap();
        assert_eq!(fact.standing, standing, "{what}: {}", fact.found);
        assert!(fact.found.contains(found), "{what}: {}", fact.found);
        assert!(fact.hint.as_ref().is_some_and(|text| text.contains(hint)), "{what}: {:?}", fact.hint);
    }
}

#[test]
fn the_program_tells_of_every_engine_and_of_the_kernel_that_is_meant() {
    let sandbox = Sandbox::new();
    let said = sandbox.run(&["doctor", "--engine", "sim"]).expect(0);
    assert!(said.out.contains("kernel of engine sim:") && said.out.contains("FreeBSD 15.1-RELEASE"), "{}", said.out);
    let json = sandbox.run(&["doctor", "--engine", "sim", "--format", "json"]).expect(0);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value.as_array().unwrap().len(), 3);
    assert_eq!(
        (&value[2]["engine"], &value[2]["chosen"], &value[2]["works"]),
        (&"sim".into(), &true.into(), &true.into())
    );
    assert!(value[2]["host"].as_array().unwrap().iter().any(|fact| fact["what"] == "racct"));
    let of_another_system = if cfg!(target_os = "freebsd") { "linux" } else { "freebsd" };
    sandbox.run(&["doctor", "--engine", of_another_system]).expect(69);
}

#[test]
fn a_feature_that_a_linux_kernel_lacks_is_told_and_refused_where_a_file_needs_it() {
    let text = "version: 1\nname: x\ntopology:\n  nodes: { a: { kind: host }, s: { kind: switch } }\n  links:\n    - \
                { endpoints: [ \"a:e0\", s ], ipv6: [ \"fd00::1/64\", ~ ] }\n";
    let input = Input::Bytes { name: "x.yaml".to_owned(), bytes: text.as_bytes().to_vec() };
    let loaded = topology::load(input, &LoadOptions::default(), &DiskReader);
    let model = model::resolve(loaded.draft.unwrap()).unwrap().0;
    let refused = |lacking: Feature| {
        let mut ask = |feature| if feature == lacking { Err("not built".to_owned()) } else { Ok(String::new()) };
        let found = linux::check(&model, &mut ask);
        found.iter().filter(|finding| finding.is_error()).map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    for feature in Feature::ALL {
        let fact = feature.fact(Err("not built".to_owned()));
        assert_ne!(fact.standing, Standing::Fine, "{feature:?}");
        assert!(fact.hint.is_some() && feature.fact(Ok("is".to_owned())).standing == Standing::Fine, "{feature:?}");
    }
    for feature in [Feature::Veth, Feature::Bridge, Feature::Ipv6] {
        assert_eq!(refused(feature), [format!("this kernel has no {}: not built", feature.name())]);
    }
    assert!(refused(Feature::UserNamespaces).is_empty());
}
