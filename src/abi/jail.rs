//! Parameters of jail_set(2) and jail_get(2) as name/value pairs.

/// `JAIL_CREATE` (sys/sys/jail.h:98).
pub const JAIL_CREATE: i32 = 0x01;
/// `JAIL_UPDATE`.
pub const JAIL_UPDATE: i32 = 0x02;
/// `JAIL_ATTACH`: never set by us.
pub const JAIL_ATTACH: i32 = 0x04;
/// `JAIL_DYING`: jail_get(2) sees dying jails too.
pub const JAIL_DYING: i32 = 0x08;
/// `JAIL_GET_DESC`: the parameter `desc` becomes a new descriptor of the jail. FreeBSD 15 and later.
pub const JAIL_GET_DESC: i32 = 0x40;

/// `JAIL_SYS_NEW` (sys/sys/jail.h:109-111): the value of `vnet` for a jail with a stack of its own.
pub const JAIL_SYS_NEW: i32 = 1;
/// `JAIL_SYS_INHERIT`.
pub const JAIL_SYS_INHERIT: i32 = 2;

/// Octets of a name, path or errmsg buffer that hold any value the kernel can give.
pub const STRING_BUFFER: usize = 1024;

/// One name/value pair of jail_set(2) and jail_get(2), in the order in which it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JailParam {
    /// The name without its NUL; the door adds it.
    pub name: String,
    /// The value's bytes, NUL included for strings; `None` is a NULL pointer of length 0 (booleans).
    pub value: Option<Vec<u8>>,
}

impl JailParam {
    /// A string: its bytes with a NUL.
    #[must_use]
    pub fn string(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: Some(super::sysctl::string(value)) }
    }

    /// An int of 4 bytes.
    #[must_use]
    pub fn int(name: &str, value: i32) -> Self {
        Self { name: name.to_owned(), value: Some(value.to_le_bytes().to_vec()) }
    }

    /// A boolean: by its presence, cleared by the form with `no` before the last part of its name
    /// (`allow.noraw_sockets`); a value would be ignored by the kernel (`sys/kern/kern_jail.c:193-240`).
    #[must_use]
    pub fn boolean(name: &str, value: bool) -> Self {
        let name = if value { name.to_owned() } else { negated(name) };
        Self { name, value: None }
    }

    /// A buffer of `capacity` bytes for jail_get(2) to fill.
    #[must_use]
    pub fn buffer(name: &str, capacity: usize) -> Self {
        Self { name: name.to_owned(), value: Some(vec![0; capacity]) }
    }

    /// A buffer for any string.
    #[must_use]
    pub fn string_buffer(name: &str) -> Self {
        Self::buffer(name, STRING_BUFFER)
    }

    /// A buffer for an int (booleans are read as ints too).
    #[must_use]
    pub fn int_buffer(name: &str) -> Self {
        Self::buffer(name, 4)
    }

    /// The value as an int.
    #[must_use]
    pub fn as_int(&self) -> Option<i32> {
        self.value.as_deref()?.try_into().ok().map(i32::from_le_bytes)
    }

    /// The value as a string up to its NUL.
    #[must_use]
    pub fn as_string(&self) -> Option<String> {
        self.value.as_deref().map(super::sysctl::read_string)
    }
}

/// The `no` form of a boolean's name.
#[must_use]
pub fn negated(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((head, last)) => format!("{head}.no{last}"),
        None => format!("no{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_set_by_presence_and_cleared_by_name() {
        assert_eq!(JailParam::boolean("persist", true), JailParam { name: "persist".into(), value: None });
        assert_eq!(JailParam::boolean("persist", false).name, "nopersist");
        assert_eq!(JailParam::boolean("allow.raw_sockets", false).name, "allow.noraw_sockets");
        assert_eq!(JailParam::boolean("allow.mount.tmpfs", false).name, "allow.mount.notmpfs");
    }

    #[test]
    fn values() {
        assert_eq!(JailParam::string("name", "r1").value.as_deref(), Some(&b"r1\0"[..]));
        assert_eq!(JailParam::int("vnet", JAIL_SYS_NEW).as_int(), Some(1));
        assert_eq!(JailParam::string("name", "r1").as_string().as_deref(), Some("r1"));
        assert_eq!(JailParam::boolean("persist", true).as_int(), None);
    }
}
