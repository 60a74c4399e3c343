//! Sysctls: they act on the network stack of whoever asks, so a helper in the place does it.

use super::FreeBsd;
use super::doors::Doors;
use super::session::Session;
use crate::abi::sysctl::{read_int, read_string, string};
use crate::engine::EngineError;

impl<D: Doors> FreeBsd<'_, D> {
    /// Gives what it was.
    pub(super) fn set_sysctl(&mut self, session: &mut Session, name: &str, to: &str) -> Result<String, EngineError> {
        let actor = self.actor(session)?;
        let object = self.at(&session.place, name);
        let refused = |errno| {
            EngineError::refused(&object, "sysctl", errno)
                .hint(format!("`sysctl -d {name}` says what it is; it may be read-only or the host's alone"))
        };
        // What stands there says how wide the value is.
        let now = self.doors.sysctl_get(actor, name).map_err(refused)?;
        let value = encode(to, &now);
        self.doors.sysctl_set(actor, name, &value).map_err(refused)?;
        Ok(decode(&now))
    }

    /// The value as text; `None` for a name that the kernel does not know.
    pub(super) fn sysctl(&mut self, session: &mut Session, name: &str) -> Result<Option<String>, EngineError> {
        let actor = self.actor(session)?;
        match self.doors.sysctl_get(actor, name) {
            Ok(value) => Ok(Some(decode(&value))),
            Err(crate::abi::Errno::ENOENT) => Ok(None),
            Err(errno) => Err(EngineError::refused(self.at(&session.place, name), "sysctl", errno)),
        }
    }
}

/// A number as wide as the present value, else a string.
fn encode(text: &str, now: &[u8]) -> Vec<u8> {
    let number: Option<i64> = text.parse().ok();
    match (number, now.len()) {
        (Some(number), width @ (1 | 2 | 4 | 8)) => number.to_le_bytes()[..width].to_vec(),
        _ => string(text),
    }
}

fn decode(value: &[u8]) -> String {
    let is_text = matches!(value, [letters @ .., 0] if letters.iter().all(u8::is_ascii_graphic));
    match value.len() {
        4 | 8 if !(is_text && value.len() == 8) => {
            read_int(value).map_or_else(|| read_string(value), |number| number.to_string())
        }
        _ => read_string(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_wide_as_what_stands_there() {
        assert_eq!(encode("1", &[0; 4]), [1, 0, 0, 0]);
        assert_eq!(encode("-1", &[0; 8]), [0xff; 8]);
        assert_eq!(encode("cubic", b"newreno\0"), b"cubic\0");
        assert_eq!(decode(&[64, 0, 0, 0]), "64");
        assert_eq!(decode(b"newreno\0"), "newreno");
    }
}
