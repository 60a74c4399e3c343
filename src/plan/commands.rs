//! A plan as the commands of the base system that would do the same by hand.

use std::collections::BTreeMap;

use super::words::quoted;
use super::{Plan, Step, linux, words};
use crate::graph::life::DEVICES;
use crate::graph::{
    Address, Hook, Hooks, Limit, Mounted, Name, NetgraphKind, Nic, Object, PipeDirection, PipeSettings, Place,
    Placement, Route,
};

/// `--show-commands`: ngctl, ifconfig, jail and route lines, in order; comments start with `#`. What a command cannot know
/// beforehand, the name of a new interface, is kept in a shell variable.
#[must_use]
pub fn commands(plan: &Plan) -> Vec<String> {
    let writer = Writer { lab: plan.lab.as_str() };
    let mut objects = plan.desired.objects().chain(plan.before.objects());
    let on_linux = objects.any(|object| matches!(object, Object::Linux(_)));
    let mut lines: Vec<String> = Vec::new();
    let mut steps: Vec<&super::Planned> = plan.steps.iter().collect();
    steps.sort_by_key(|planned| planned.stage);
    for planned in steps {
        if on_linux {
            lines.extend(linux::commands(writer.lab, &planned.step));
        } else {
            writer.step(&planned.step, &mut lines);
        }
    }
    lines
}

struct Writer<'p> {
    lab: &'p str,
}

impl Writer<'_> {
    fn step(&self, step: &Step, lines: &mut Vec<String>) {
        let mut say = |line: String| lines.push(line);
        match step {
            Step::Linux(step) => lines.extend(step.commands(self.lab)),
            Step::CreateJail(jail) => {
                let name = self.jail(&jail.place);
                let host = name.rsplit('.').next().unwrap_or(&name).to_owned();
                let path = if jail.parameters.contains_key("path") { "" } else { " path=/" };
                let parameters = parameters(&jail.parameters);
                say(format!("jail -c name={name}{path} host.hostname={host} vnet=new persist{parameters}"));
            }
            Step::RemoveJail(jail) => say(format!("jail -r {}", self.jail(&jail.place))),
            Step::SetJail { place, to, .. } => say(format!("jail -m name={}{}", self.jail(place), parameters(to))),
            Step::CreateNetgraph { node, from } => self.create_node(&node.name, &node.kind, from.as_ref(), &mut say),
            Step::RemoveNetgraph { node, .. } => say(self.ngctl(&format!("shutdown {}:", node.name))),
            Step::CreateEiface { eiface, from } => {
                let (peer, hook) = birth(&eiface.node, from.as_ref());
                match hook {
                    Some(hook) => {
                        say(self.ngctl(&format!("mkpeer {peer}: eiface {} ether", hook.hook)));
                        say(self.ngctl(&format!("name {peer}:{} {}", hook.hook, eiface.node)));
                    }
                    None => {
                        say(format!(
                            "printf 'mkpeer . eiface tmp ether\\nname .:tmp {}\\n' | {}",
                            eiface.node,
                            self.ngctl("-f -")
                        ));
                    }
                }
                say(format!(
                    "if=$({})",
                    self.ngctl(&format!("msg {}: getifname | sed -n 's/.*\"\\(.*\\)\".*/\\1/p'", eiface.node))
                ));
                self.dress(&eiface.nic, "$if", &mut say);
            }
            Step::RemoveEiface { eiface, .. } => say(self.ngctl(&format!("shutdown {}:", eiface.node))),
            Step::CreateEpair(epair) => {
                let [a, b] = &epair.ends;
                say(format!("if=$({})", self.ifconfig(&Place::Lab, "epair create")));
                self.dress(a, "$if", &mut say);
                self.dress(b, "${if%a}b", &mut say);
            }
            Step::RemoveEpair(epair) => say(self.ifconfig(&Place::Lab, &format!("{} destroy", epair.ends[0].name))),
            Step::CreateBridge(bridge) => {
                say(format!("if=$({})", self.ifconfig(&Place::Lab, "bridge create")));
                self.dress(&bridge.nic, "$if", &mut say);
            }
            Step::RemoveBridge(bridge) => say(self.ifconfig(&Place::Lab, &format!("{} destroy", bridge.nic.name))),
            Step::Join(hooks) => {
                let [a, b] = &hooks.ends;
                say(self.ngctl(&format!("connect {}: {}: {} {}", a.node, b.node, a.hook, b.hook)));
            }
            Step::Part(hooks) => {
                let [a, _] = &hooks.ends;
                say(self.ngctl(&format!("rmhook {}: {}", a.node, a.hook)));
            }
            Step::SetPipe { node, to, .. } => self.set_pipe(node, to, &mut say),
            Step::SetMac { place, interface, to, .. } => say(self.ifconfig(place, &format!("{interface} ether {to}"))),
            Step::SetMtu { place, interface, to, .. } => say(self.ifconfig(place, &format!("{interface} mtu {to}"))),
            Step::SetDescription { place, interface, to, .. } => {
                say(self.ifconfig(place, &format!("{interface} description {}", quoted(to))));
            }
            Step::Give(placement) => say(self.give(placement)),
            Step::TakeBack(placement) => say(self.take_back(placement)),
            Step::Rename { place, from, to } => say(self.ifconfig(place, &format!("{from} name {to}"))),
            Step::SetNoDad { place, interface, off } => {
                let word = if *off { "no_dad" } else { "-no_dad" };
                say(self.ifconfig(place, &format!("{interface} inet6 {word}")));
            }
            Step::AddMember(member) => {
                let stp = if member.stp { format!(" stp {}", member.member) } else { String::new() };
                say(self.ifconfig(&Place::Lab, &format!("{} addm {}{stp}", member.bridge, member.member)));
            }
            Step::RemoveMember(member) => {
                say(self.ifconfig(&Place::Lab, &format!("{} deletem {}", member.bridge, member.member)));
            }
            Step::SetSpanning { bridge, member, on } => {
                let word = if *on { "stp" } else { "-stp" };
                say(self.ifconfig(&Place::Lab, &format!("{bridge} {word} {member}")));
            }
            Step::SetSysctl { place, name, to, .. } => {
                say(format!("{}sysctl {name}={}", self.inside(place), quoted(to)));
            }
            Step::AddAddress(address) => say(self.address(address, "alias")),
            Step::RemoveAddress(address) => say(self.address(address, "-alias")),
            Step::SetUp(up) => say(self.ifconfig(&up.place, &format!("{} up", up.interface))),
            Step::SetDown(up) => say(self.ifconfig(&up.place, &format!("{} down", up.interface))),
            Step::AddRoute(route) => say(self.route(route, "add")),
            Step::RemoveRoute(route) => say(self.route(route, "delete")),
            Step::ChangeRoute { place, to, via, .. } => {
                say(self.route(&Route { place: place.clone(), to: *to, via: *via }, "change"));
            }
            Step::MakeFolder(folder) => match &folder.copy_of {
                Some(from) => say(format!("cp -a {} {}", quoted(from), quoted(&folder.path))),
                None => say(format!("mkdir -p {}", quoted(&folder.path))),
            },
            Step::RemoveFolder(folder) => say(format!("rm -rxf {}", quoted(&folder.path))),
            Step::MakeClone(clone) => {
                say(format!("zfs clone -o mountpoint={} {} {}", quoted(&clone.at), clone.of, clone.dataset));
            }
            Step::RemoveClone(clone) => say(format!("zfs destroy {}", clone.dataset)),
            Step::AddRuleset(ruleset) => {
                say(format!("devfs rule -s {} add hide", ruleset.number));
                for pattern in DEVICES {
                    say(format!("devfs rule -s {} add path {} unhide", ruleset.number, quoted(pattern)));
                }
            }
            Step::RemoveRuleset(ruleset) => say(format!("devfs rule -s {} delset", ruleset.number)),
            Step::Mount(mount) => say(match &mount.what {
                Mounted::Folder { from, read_only } => {
                    let ro = if *read_only { " -o ro" } else { "" };
                    format!("mount -t nullfs{ro} {} {}", quoted(from), quoted(&mount.at))
                }
                Mounted::Devices { ruleset } => {
                    format!("mount -t devfs -o ruleset={ruleset} devfs {}", quoted(&mount.at))
                }
            }),
            Step::Unmount(mount) => say(format!("umount {}", quoted(&mount.at))),
            Step::AddLimit(limit) => say(format!("rctl -a {}", self.limit(limit))),
            Step::RemoveLimit(limit) => say(format!("rctl -r {}", self.limit(limit))),
            Step::SetCpus { place, to, .. } => match to {
                Some(set) => say(format!("cpuset -l {set} -j {}", self.jail(place))),
                None => say(format!("cpuset -l all -j {}", self.jail(place))),
            },
        }
    }

    fn limit(&self, limit: &Limit) -> String {
        format!("jail:{}:{}:{}={}", self.jail(&limit.place), limit.resource, limit.action, limit.amount)
    }

    fn jail(&self, place: &Place) -> String {
        words::jail_name(self.lab, place).unwrap_or_default()
    }

    /// The prefix of a command that is to run in a place.
    fn inside(&self, place: &Place) -> String {
        words::jail_name(self.lab, place).map(|jail| format!("jexec {jail} ")).unwrap_or_default()
    }

    fn ngctl(&self, command: &str) -> String {
        format!("jexec {} ngctl {command}", self.lab)
    }

    fn ifconfig(&self, place: &Place, command: &str) -> String {
        let jail = words::jail_name(self.lab, place).map(|jail| format!("-j {jail} ")).unwrap_or_default();
        format!("ifconfig {jail}{command}")
    }

    fn create_node(&self, name: &Name, kind: &NetgraphKind, from: Option<&Hooks>, say: &mut impl FnMut(String)) {
        let (peer, hook) = birth(name, from);
        if let (Some(ours), Some((own, _))) = (hook, from.and_then(|hooks| hooks.seen_from(name))) {
            say(self.ngctl(&format!("mkpeer {peer}: {} {} {}", kind.type_name(), ours.hook, own.hook)));
            say(self.ngctl(&format!("name {peer}:{} {name}", ours.hook)));
        } else {
            let theirs = match kind {
                NetgraphKind::Bridge => "link0",
                NetgraphKind::Pipe => "upper",
                NetgraphKind::Hub | NetgraphKind::Stray(_) => "tmp",
            };
            let keep = match kind {
                NetgraphKind::Bridge | NetgraphKind::Hub => "msg .:tmp setpersistent\\n",
                NetgraphKind::Pipe | NetgraphKind::Stray(_) => "",
            };
            let script = format!("mkpeer . {} tmp {theirs}\\nname .:tmp {name}\\n{keep}", kind.type_name());
            say(format!("printf '{script}' | {}", self.ngctl("-f -")));
        }
    }

    fn set_pipe(&self, name: &Name, to: &PipeSettings, say: &mut impl FnMut(String)) {
        let direction = |word: &str, direction: &PipeDirection| {
            let PipeDirection { bandwidth, one_error_in_bits, queue, duplicate } = *direction;
            let queue = if queue == 0 { PipeDirection::DEFAULT_QUEUE } else { queue };
            let off = |value: u64| if value == 0 { "-1".to_owned() } else { value.to_string() };
            let (bandwidth, ber, duplicate) = (off(bandwidth), off(one_error_in_bits), off(duplicate.into()));
            format!("{word}={{ bandwidth={bandwidth} BER={ber} queuelen={queue} duplicate={duplicate} }}")
        };
        let delay = if to.delay == 0 { "-1".to_owned() } else { to.delay.to_string() };
        let (down, up) = (direction("downstream", &to.downstream), direction("upstream", &to.upstream));
        say(self.ngctl(&format!("msg {name}: setcfg '{{ delay={delay} {down} {up} }}'")));
    }

    fn dress(&self, nic: &Nic, born: &str, say: &mut impl FnMut(String)) {
        let description = quoted(&nic.description);
        let command = format!("{born} name {} ether {} mtu {} description {description}", nic.name, nic.mac, nic.mtu);
        say(self.ifconfig(&Place::Lab, &command));
    }

    fn give(&self, placement: &Placement) -> String {
        match &placement.place {
            Place::Host => format!("ifconfig {} -vnet {}", placement.nic, self.lab),
            // Seen from the lab jail, its children go by their last name.
            Place::Lab | Place::Node(_) => self.in_lab(&format!("ifconfig {} vnet {}", placement.nic, placement.place)),
        }
    }

    fn take_back(&self, placement: &Placement) -> String {
        match &placement.place {
            Place::Host => format!("ifconfig {} vnet {}", placement.nic, self.lab),
            Place::Lab | Place::Node(_) => {
                self.in_lab(&format!("ifconfig {} -vnet {}", placement.nic, placement.place))
            }
        }
    }

    fn in_lab(&self, command: &str) -> String {
        format!("jexec {} {command}", self.lab)
    }

    fn address(&self, address: &Address, how: &str) -> String {
        let family = if address.net.is_ipv4() { "inet" } else { "inet6" };
        self.ifconfig(&address.place, &format!("{} {family} {} {how}", address.interface, address.net))
    }

    fn route(&self, route: &Route, verb: &str) -> String {
        let family = if route.to.is_ipv4() { "-inet" } else { "-inet6" };
        let to = if route.to.prefix() == 0 { "default".to_owned() } else { format!("-net {}", route.to) };
        let jail = words::jail_name(self.lab, &route.place).map(|jail| format!("-j {jail} ")).unwrap_or_default();
        format!("route {jail}{verb} {family} {to} {}", route.via)
    }
}

/// From which hook of which node another one is made.
fn birth<'h>(name: &str, from: Option<&'h Hooks>) -> (String, Option<&'h Hook>) {
    match from.and_then(|hooks| hooks.seen_from(name)) {
        Some((_, peer)) => (peer.node.to_string(), Some(peer)),
        None => (".".to_owned(), None),
    }
}

fn parameters(parameters: &BTreeMap<String, String>) -> String {
    parameters.iter().map(|(name, value)| format!(" {name}={}", quoted(value))).collect()
}
