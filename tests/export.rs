//! Labs as jail.conf(5): the text as it is kept in `tests/export/`, and what jail(8) would make of it, read by the rules of its manual.
//! `UPDATE_GOLDEN=1 cargo test --test export` writes what it finds; read the difference before you keep it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod support;

use std::collections::BTreeMap;

use common::{Sandbox, root};

/// Settings of jails by jail and name, in the order in which they are appended.
type Conf = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// Words, strings and marks of jail.conf(5).
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '#' => while letters.next_if(|c| *c != '\n').is_some() {},
            c if c.is_whitespace() => {}
            '{' | '}' | ';' | '=' | ',' => tokens.push(letter.to_string()),
            '+' => assert_eq!(letters.next_if_eq(&'=').map(|_| tokens.push("+=".to_owned())), Some(())),
            quote @ ('"' | '\'') => {
                let mut string = String::from("s");
                loop {
                    match letters.next().expect("a string that ends") {
                        c if c == quote => break,
                        '\\' => match letters.next().unwrap() {
                            'n' => string.push('\n'),
                            digit if digit.is_digit(8) => {
                                let rest: String = (0..2).map(|_| letters.next().unwrap()).collect();
                                let code = u32::from_str_radix(&format!("{digit}{rest}"), 8).unwrap();
                                string.push(char::from_u32(code).unwrap());
                            }
                            other => string.push(other),
                        },
                        // A variable; those of ours are words.
                        '$' if quote == '"' => string.push_str("<$>"),
                        c => string.push(c),
                    }
                }
                tokens.push(string);
            }
            first => {
                let mut word = format!("s{first}");
                while let Some(next) = letters.next_if(|c| !c.is_whitespace() && !"{};=,+#\"'".contains(*c)) {
                    word.push(next);
                }
                tokens.push(word);
            }
        }
    }
    tokens
}

fn parsed(text: &str) -> Conf {
    let mut conf = Conf::new();
    let mut jail = String::from("*");
    let mut words = tokens(text).into_iter().peekable();
    while let Some(word) = words.next() {
        if word == "}" {
            jail = "*".to_owned();
            continue;
        }
        let name = word.strip_prefix('s').expect("a name").to_owned();
        match words.next().unwrap().as_str() {
            "{" => {
                assert_eq!(jail, "*", "jails are not nested");
                jail = name;
            }
            ";" => drop(conf.entry(jail.clone()).or_default().insert(name, Vec::new())),
            sign @ ("=" | "+=") => {
                let values = conf.entry(jail.clone()).or_default().entry(name).or_default();
                if sign == "=" {
                    values.clear();
                }
                loop {
                    values.push(words.next().unwrap().strip_prefix('s').unwrap().to_owned());
                    match words.next().unwrap().as_str() {
                        "," => {}
                        ";" => break,
                        other => panic!("{other} after a value"),
                    }
                }
            }
            other => panic!("{other} after {name}"),
        }
    }
    conf
}

#[test]
fn the_text_is_as_it_was_read_and_found_good() {
    let sandbox = Sandbox::in_repository();
    let found = sandbox.run(&["export", "jail.conf", "tests/export/shop.yaml"]).expect(0).out;
    let path = root().join("tests/export/shop.conf");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap());
}

#[test]
fn jail_8_reads_parents_children_interfaces_and_hooks() {
    let sandbox = Sandbox::in_repository();
    let conf = parsed(&sandbox.run(&["export", "jail.conf", "tests/export/shop.yaml"]).expect(0).out);
    let jails: Vec<&String> = conf.keys().collect();
    assert_eq!(jails, ["*", "shop", "shop.gate", "shop.till", "shop.web"]);
    assert_eq!(conf["*"]["$cellblock"], ["/usr/local/bin/cellblock"]);
    assert_eq!(conf["shop"]["children.max"], ["3"]);
    assert!(conf["shop"].contains_key("allow.raw_sockets"), "a child may have only what its parent has");
    let web = &conf["shop.web"];
    for present in ["vnet", "persist", "allow.raw_sockets", "mount.devfs"] {
        assert_eq!(web[present], [""; 0], "{present}");
    }
    assert_eq!((&web["path"][..], &web["devfs_ruleset"][..]), (&["/jails/web".into()][..], &["5".into()][..]));
    assert_eq!(web["vnet.interface"].len(), 2);
    assert_eq!(web["exec.prestart"], ["<$>cellblock attach web@shop"]);
    assert_eq!(web["exec.poststop"], ["<$>cellblock detach web@shop"]);
    for interface in &web["vnet.interface"] {
        assert!(web["exec.start"].iter().any(|line| line.starts_with(&format!("/sbin/ifconfig {interface} name "))));
        assert!(web["exec.stop"].iter().any(|line| line.ends_with(&format!(" name {interface} || :"))));
    }
    assert_eq!(conf["shop.gate"]["exec.start"].last().unwrap(), "sh -c 'echo \"$HOME\" > /tmp/gate'");
}

#[test]
fn values_of_the_file_stay_values() {
    let sandbox = Sandbox::new();
    let hostile = r#""; } evil { exec.start = "rm $(id) 'x' \\ $name {""#;
    let value = serde_json::to_string(hostile).unwrap();
    let lab = format!(
        "version: 1\nname: l\ntopology:\n  nodes:\n    a: {{ kind: host, jail: {{ persist: false, host.domainname: {value}, {value}: 1 }}, exec: [ {} ] }}\n",
        serde_json::to_string("printf '%s' 'a;b' \"$x\"").unwrap()
    );
    sandbox.write("lab.yaml", &lab);
    let conf = parsed(&sandbox.run(&["export", "jail.conf", "lab.yaml"]).expect(0).out);
    assert_eq!(conf.keys().collect::<Vec<_>>(), ["*", "l", "l.a"]);
    assert_eq!(conf["l.a"]["host.domainname"], [hostile]);
    assert_eq!(conf["l.a"][hostile], ["1"]);
    assert_eq!(
        conf["l.a"]["exec.start"].last().unwrap(),
        "printf %s 'a;b' '$x'",
        "no shell expands what ours would not"
    );
}

#[test]
fn every_topology_can_be_exported_from_its_file_and_from_its_lab() {
    let sandbox = Sandbox::in_repository();
    for file in ["two-hosts", "office", "ring-8-routers"] {
        let path = format!("topologies/{file}.yaml");
        let from_file = sandbox.run(&["export", "jail.conf", &path]).expect(0).out;
        sandbox.run(&["up", &path, "-q"]).expect(0);
        let model = support::model_of_file(&root().join(&path));
        assert_eq!(sandbox.run(&["export", "jail.conf", model.lab.as_str()]).expect(0).out, from_file);
        let conf = parsed(&from_file);
        for node in model.nodes.iter().filter(|node| !node.kind.is_layer2()) {
            let jail = &conf[&format!("{}.{}", model.lab, node.name)];
            assert_eq!(jail["vnet.interface"].len(), node.interfaces.len(), "{}", node.name);
        }
    }
}

#[test]
fn hooks_find_a_state_directory_that_was_named() {
    let sandbox = Sandbox::new().with("CELLBLOCK_STATE_DIR", "state of mine");
    std::fs::copy(root().join("tests/export/shop.yaml"), sandbox.path().join("shop.yaml")).unwrap();
    let conf = parsed(&sandbox.run(&["export", "jail.conf"]).expect(0).out);
    let call = &conf["*"]["$cellblock"][0];
    let dir = std::fs::canonicalize(sandbox.path()).unwrap();
    assert_eq!(*call, format!("/usr/local/bin/cellblock --state-dir '{}/state of mine'", dir.display()));
    sandbox.run(&["export", "jail.conf", "nobody"]).expect(66);
    sandbox.run(&["export", "rc.conf"]).expect(64);
}
