//! nf_tables: whether a kernel has it, and which tables there are (include/uapi/linux/netfilter/nf_tables.h).

use super::consts::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};
use super::wire::{Message, Writer, attributes, string_of};

/// `NFNL_SUBSYS_NFTABLES`, in the high octet of a type.
const SUBSYSTEM: u16 = 10 << 8;
/// `NFT_MSG_NEWTABLE`.
const NEW_TABLE: u16 = SUBSYSTEM;
/// `NFT_MSG_GETTABLE`.
const GET_TABLE: u16 = SUBSYSTEM | 1;
/// `NFT_MSG_GETGEN`.
const GET_GENERATION: u16 = SUBSYSTEM | 16;
/// `NFTA_TABLE_NAME`.
const NAME: u16 = 1;
/// Octets of `struct nfgenmsg`: family, version, identifier.
const BODY: usize = 4;

/// Asks for the number that changes with every transaction, which is there wherever nf_tables is.
#[must_use]
pub fn generation() -> Vec<u8> {
    request(GET_GENERATION, NLM_F_REQUEST | NLM_F_ACK)
}

/// Asks for every table.
#[must_use]
pub fn tables() -> Vec<u8> {
    request(GET_TABLE, NLM_F_REQUEST | NLM_F_DUMP)
}

fn request(kind: u16, flags: u16) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.begin(kind, flags, 1, 0, &[0; BODY]);
    writer.end();
    writer.finish()
}

/// The family and the name of a table.
#[must_use]
pub fn table(message: &Message<'_>) -> Option<(u8, String)> {
    let family = *message.payload.first().filter(|_| message.kind == NEW_TABLE)?;
    let (_, name) = attributes(message.payload, BODY).find(|(kind, _)| *kind == NAME)?;
    Some((family, string_of(name)))
}

#[cfg(test)]
mod tests {
    use super::super::wire::Messages;
    use super::*;

    #[test]
    fn requests_are_those_of_nft() {
        let header =
            |kind: u16, flags: u16| [&20_u32.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes()].concat();
        let rest = [&1_u32.to_ne_bytes()[..], &[0; 8]].concat();
        assert_eq!(tables(), [header(0x0a01, 0x0301), rest.clone()].concat());
        assert_eq!(generation(), [header(0x0a10, 0x0005), rest].concat());
    }

    #[test]
    fn a_table_is_its_family_and_its_name() {
        let mut writer = Writer::new();
        writer.begin(NEW_TABLE, 2, 1, 0, &[1, 0, 0, 0]);
        writer.number(2, 0);
        writer.string(NAME, "filter");
        writer.end();
        let bytes = writer.finish();
        assert_eq!(table(&Messages::new(&bytes).next().unwrap()), Some((1, "filter".to_owned())));
        for length in 0..8 {
            let message = Message {
                kind: NEW_TABLE,
                flags: 0,
                sequence: 0,
                port: 0,
                payload: &bytes[16..16 + length],
                whole: &[],
            };
            assert_eq!(table(&message), None, "{length}");
        }
        assert_eq!(table(&Messages::new(&tables()).next().unwrap()), None);
    }
}
