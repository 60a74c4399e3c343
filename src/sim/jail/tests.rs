use super::*;
use crate::abi::jail::{JAIL_CREATE, JAIL_DYING, JAIL_UPDATE, JailParam};

fn create(kernel: &mut Kernel, name: &str, more: &[JailParam]) -> Result<i32, JailRefusal> {
    let mut params = vec![JailParam::string("name", name), JailParam::boolean("persist", true)];
    params.extend_from_slice(more);
    set(kernel, HOST, &params, JAIL_CREATE)
}

fn value(kernel: &Kernel, jid: i32, flags: i32, param: JailParam) -> Result<JailParam, JailRefusal> {
    let mut params = [JailParam::int("jid", jid), param];
    get(kernel, HOST, &mut params, flags)?;
    let [_, param] = params;
    Ok(param)
}

#[test]
fn a_held_jail_is_dying_until_it_is_released() {
    let mut kernel = Kernel::boot(1);
    let jid = create(&mut kernel, "j", &[JailParam::int("vnet", 1)]).unwrap();
    hold(&mut kernel, jid).unwrap();
    remove(&mut kernel, HOST, jid).unwrap();
    assert_eq!(kernel.vnets.len(), 2);
    let refusal = value(&kernel, jid, 0, JailParam::int_buffer("dying")).unwrap_err();
    assert_eq!(refusal.message, format!("jail {jid} is dying"));
    assert_eq!(value(&kernel, jid, JAIL_DYING, JailParam::int_buffer("dying")).unwrap().as_int(), Some(1));
    // Its name is free at once.
    let again = create(&mut kernel, "j", &[]).unwrap();
    assert_ne!(again, jid);
    release(&mut kernel, jid);
    assert_eq!(kernel.vnets.len(), 1);
    assert!(kernel.jails.get(jid).is_none());
}

#[test]
fn a_parent_waits_for_its_last_child() {
    let mut kernel = Kernel::boot(1);
    let lab = create(&mut kernel, "lab", &[JailParam::int("vnet", 1), JailParam::int("children.max", 9)]).unwrap();
    let node = create(&mut kernel, "lab.node", &[JailParam::int("vnet", 1)]).unwrap();
    assert_eq!(value(&kernel, lab, 0, JailParam::int_buffer("children.cur")).unwrap().as_int(), Some(1));
    hold(&mut kernel, node).unwrap();
    remove(&mut kernel, HOST, lab).unwrap();
    assert!(kernel.jails.is_dying(lab) && kernel.jails.is_dying(node));
    release(&mut kernel, node);
    assert_eq!(kernel.jails.iter().count(), 0);
    assert_eq!(kernel.vnets.len(), 1);
}

#[test]
fn a_child_has_no_more_than_its_parent() {
    let mut kernel = Kernel::boot(1);
    create(&mut kernel, "lab", &[JailParam::int("children.max", 5)]).unwrap();
    let allow = JailParam::boolean("allow.mount", true);
    assert_eq!(create(&mut kernel, "lab.a", std::slice::from_ref(&allow)).unwrap_err().errno, Errno::EPERM);
    let lab = [JailParam::string("name", "lab"), allow.clone()];
    set(&mut kernel, HOST, &lab, JAIL_UPDATE).unwrap();
    let child = create(&mut kernel, "lab.a", &[allow]).unwrap();
    // What the parent loses the child loses too.
    let lab = [JailParam::string("name", "lab"), JailParam::boolean("allow.mount", false)];
    set(&mut kernel, HOST, &lab, JAIL_UPDATE).unwrap();
    assert_eq!(value(&kernel, child, 0, JailParam::int_buffer("allow.mount")).unwrap().as_int(), Some(0));
}

#[test]
fn meta_is_kept_whole_and_line_by_line() {
    let mut kernel = Kernel::boot(1);
    let jid = create(&mut kernel, "j", &[JailParam::string("meta", "a=1\nb=2")]).unwrap();
    let read = |kernel: &Kernel, name: &str| {
        value(kernel, jid, 0, JailParam::string_buffer(name)).unwrap().as_string().unwrap()
    };
    assert_eq!(read(&kernel, "meta.b"), "2");
    let change = [JailParam::int("jid", jid), JailParam::string("meta.b", "3")];
    set(&mut kernel, HOST, &change, JAIL_UPDATE).unwrap();
    assert_eq!(read(&kernel, "meta"), "a=1\nb=3");
    assert_eq!(read(&kernel, "meta.none"), "");
    let long = JailParam::string("meta", &"x".repeat(5000));
    assert_eq!(create(&mut kernel, "k", &[long]).unwrap_err().errno, Errno::EFBIG);
}

#[test]
fn a_dying_jail_gives_its_number_away() {
    let mut kernel = Kernel::boot(1);
    let jid = create(&mut kernel, "old", &[]).unwrap();
    hold(&mut kernel, jid).unwrap();
    remove(&mut kernel, HOST, jid).unwrap();
    assert_eq!(create(&mut kernel, "new", &[JailParam::int("jid", jid)]).unwrap(), jid);
    assert!(!kernel.jails.is_dying(jid));
    assert_eq!(kernel.jails.iter().count(), 2);
}

#[test]
fn a_jail_that_does_not_persist_goes_with_its_last_child() {
    let mut kernel = Kernel::boot(1);
    let lab = create(&mut kernel, "lab", &[JailParam::int("vnet", 1), JailParam::int("children.max", 9)]).unwrap();
    let node = create(&mut kernel, "lab.node", &[]).unwrap();
    let params = [JailParam::int("jid", lab), JailParam::boolean("persist", false)];
    set(&mut kernel, HOST, &params, JAIL_UPDATE).unwrap();
    assert!(kernel.jails.get(lab).is_some());
    remove(&mut kernel, HOST, node).unwrap();
    assert!(kernel.jails.get(lab).is_none());
    assert_eq!(kernel.vnets.len(), 1);
}

#[test]
fn a_jail_is_somewhere() {
    let mut kernel = Kernel::boot(1);
    let refusal = create(&mut kernel, "j", &[JailParam::string("path", "/nonexistent/j")]).unwrap_err();
    assert_eq!(refusal.errno, Errno::ENOENT);
}

#[test]
fn a_securelevel_is_that_of_the_children_at_least() {
    let mut kernel = Kernel::boot(1);
    let lab =
        create(&mut kernel, "lab", &[JailParam::int("children.max", 9), JailParam::int("securelevel", 2)]).unwrap();
    let node = create(&mut kernel, "lab.node", &[]).unwrap();
    for (given, child) in [(3, 3), (1, 3)] {
        let params = [JailParam::int("jid", lab), JailParam::int("securelevel", given)];
        set(&mut kernel, HOST, &params, JAIL_UPDATE).unwrap();
        assert_eq!(value(&kernel, lab, 0, JailParam::int_buffer("securelevel")).unwrap().as_int(), Some(given));
        assert_eq!(value(&kernel, node, 0, JailParam::int_buffer("securelevel")).unwrap().as_int(), Some(child));
    }
}
