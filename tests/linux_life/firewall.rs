//! Nodes with firewalls.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cellblock::engine::linux::features::Feature;
use cellblock::engine::linux::sys::ask;
use cellblock::model::Model;
use cellblock::plan::render;
use libtest_mimic::Failed;

use crate::support::model_of_file;
use crate::world::{NAME, World, lab};

/// Nobody may ping the node.
const DEAF: &str = "#!/usr/sbin/nft -f\ntable inet guard {\n  chain in {\n    type filter hook input priority 0;\n    icmp type \
                    echo-request drop\n  }\n}\n";

/// A router `a` between `b` and `c`, with the rules of a file beside its topology's.
fn with(folder: &Path, rules: &str) -> Model {
    fs::create_dir_all(folder.join("rules")).unwrap();
    fs::write(folder.join("rules/a.nft"), rules).unwrap();
    let text = format!(
        "version: 1\nname: {NAME}\nrouting: auto\ntopology:\n  nodes:\n    a: {{ kind: router, firewall: {{ nft: rules/a.nft }} }}\n    \
         b: {{ kind: host }}\n    c: {{ kind: host }}\n  links:\n    \
         - {{ endpoints: [ \"a:eth0\", \"b:eth0\" ], ipv4: [ 10.0.0.1/24, 10.0.0.2/24 ] }}\n    \
         - {{ endpoints: [ \"a:eth1\", \"c:eth0\" ], ipv4: [ 10.0.1.1/24, 10.0.1.2/24 ] }}\n"
    );
    fs::write(folder.join("lab.yaml"), text).unwrap();
    model_of_file(&folder.join("lab.yaml"))
}

/// What nft(8) lists in a namespace.
fn ruleset(namespace: &str) -> String {
    let output = Command::new("ip").args(["netns", "exec", namespace, "nft", "list", "ruleset"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn loaded() -> Result<(), Failed> {
    if let Err(why) = ask(Feature::Nftables) {
        println!("skipped: no {}: {why}", Feature::Nftables.name());
        return Ok(());
    }
    let host = || Command::new("nft").args(["list", "ruleset"]).output().map(|output| output.stdout);
    let before = host()?;
    let mut world = World::new();
    let folder = std::path::PathBuf::from(world.path("files"));
    let deaf = with(&folder, DEAF);
    let plan = world.up(&deaf);
    let text = render::text(&plan);
    assert!(text.contains("+   firewall of a  nft rules/a.nft, rules "), "{text}");
    assert!(!world.reaches("b", "10.0.0.1") && world.reaches("b", "10.0.1.2"));
    assert!(ruleset("living.a").contains("echo-request drop") && ruleset("living.b").is_empty());

    // Another text in the same file is a change, which takes the place of all that is there.
    let open = DEAF.replace("input", "forward").replace("guard", "pass");
    let plan = world.up(&with(&folder, &open));
    assert!(render::text(&plan).contains("~   firewall of a  rules "), "{}", render::text(&plan));
    assert!(world.reaches("b", "10.0.0.1") && !world.reaches("b", "10.0.1.2"));
    assert!(!ruleset("living.a").contains("guard"));

    // Rules that nft refuses are told with their line, and the ones before stay.
    let wrong = open.replace("echo-request drop", "echo-request dorp");
    let error = world.try_up(&with(&folder, &wrong)).unwrap_err();
    assert!(error.to_string().contains("rules/a.nft:5:"), "{error:#?}");
    assert!(error.left.is_empty() && ruleset("living.a").contains("pass"));

    // Somebody takes them away: that is seen, and mended.
    let back = with(&folder, &open);
    assert!(world.site().plan(&back)?.is_empty());
    let flushed = Command::new("ip").args(["netns", "exec", "living.a", "nft", "flush", "ruleset"]).status()?;
    assert!(flushed.success());
    let plan = world.up(&back);
    assert!(render::text(&plan).contains("firewall of a"), "{}", render::text(&plan));
    assert!(ruleset("living.a").contains("pass"));
    // So is one rule of a table that stays, and a policy; what is counted, and what somebody adds, is left alone.
    let nft = |words: &str| {
        let mut command = Command::new("ip");
        let status = command.args(["netns", "exec", "living.a", "nft"]).args(words.split(' ')).status();
        assert!(status.unwrap().success(), "nft {words}");
    };
    for harmless in ["add table ip theirs", "add rule inet pass in counter accept"] {
        nft(harmless);
        assert!(world.site().plan(&back)?.is_empty(), "{harmless}");
    }
    for harm in ["flush chain inet pass in", "chain inet pass in { policy drop ; }"] {
        nft(harm);
        let plan = world.up(&back);
        assert!(render::text(&plan).contains("firewall of a"), "{harm}: {}", render::text(&plan));
        assert!(world.site().plan(&back)?.is_empty(), "{harm}");
    }
    // They come back with a node that was stopped, and go when the file has none.
    world.stop(&["a"], Duration::ZERO);
    world.start(&["a"]);
    assert!(ruleset("living.a").contains("pass"));
    let none = fs::read_to_string(folder.join("lab.yaml"))?.replace(", firewall: { nft: rules/a.nft }", "");
    fs::write(folder.join("lab.yaml"), none)?;
    let plan = world.up(&model_of_file(&folder.join("lab.yaml")));
    assert!(render::text(&plan).contains("-   firewall of a"), "{}", render::text(&plan));
    assert_eq!(ruleset("living.a"), "");
    world.up(&deaf);
    world.down();
    assert_eq!(host()?, before);
    world.up(&lab(""));
    world.down();
    Ok(())
}
