//! nf_tables: whether a kernel has it, and which tables, chains, sets and rules there are (include/uapi/linux/netfilter/nf_tables.h).

use super::consts::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};
use super::wire::{Message, Writer, attributes, string_of};

/// `NFNL_SUBSYS_NFTABLES`, in the high octet of a type.
const SUBSYSTEM: u16 = 10 << 8;
/// `NFT_MSG_NEWTABLE`.
const NEW_TABLE: u16 = SUBSYSTEM;
/// `NFT_MSG_GETTABLE`.
const GET_TABLE: u16 = SUBSYSTEM | 1;
/// `NFT_MSG_NEWCHAIN`, and what asks for it.
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
/// `NFT_MSG_NEWRULE`, and what asks for it.
const NEW_RULE: u16 = SUBSYSTEM | 6;
const GET_RULE: u16 = SUBSYSTEM | 7;
/// `NFT_MSG_NEWSET`, and what asks for it.
const NEW_SET: u16 = SUBSYSTEM | 9;
const GET_SET: u16 = SUBSYSTEM | 10;
/// `NFT_MSG_GETGEN`.
const GET_GENERATION: u16 = SUBSYSTEM | 16;
/// `NFTA_TABLE_NAME`.
const NAME: u16 = 1;
/// `NFTA_CHAIN_TABLE`, `NFTA_CHAIN_HANDLE`, `NFTA_CHAIN_NAME`, `NFTA_CHAIN_HOOK`, `NFTA_CHAIN_POLICY`: not how often it is used.
const OF_CHAIN: &[u16] = &[1, 2, 3, 4, 5];
/// `NFTA_RULE_TABLE`, `NFTA_RULE_CHAIN`, `NFTA_RULE_HANDLE`: a rule that is replaced gets another handle, and what is in it may count.
const OF_RULE: &[u16] = &[1, 2, 3];
/// `NFTA_SET_TABLE`, `NFTA_SET_NAME`: what is in it may come and go by itself.
const OF_SET: &[u16] = &[1, 2];
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

/// What asks for every chain, rule and set, in this order.
#[must_use]
pub fn contents() -> [Vec<u8>; 3] {
    [GET_CHAIN, GET_RULE, GET_SET].map(|kind| request(kind, NLM_F_REQUEST | NLM_F_DUMP))
}

/// What tells one of those from all others and stays as long as nobody changes it.
#[must_use]
pub fn content(message: &Message<'_>) -> Option<String> {
    let (word, telling) = match message.kind {
        NEW_CHAIN => ("chain", OF_CHAIN),
        NEW_RULE => ("rule", OF_RULE),
        NEW_SET => ("set", OF_SET),
        _ => return None,
    };
    let mut text = format!("{word} {}", message.payload.first()?);
    for (kind, value) in attributes(message.payload, BODY).filter(|(kind, _)| telling.contains(kind)) {
        text.push_str(&format!(" {kind}:"));
        text.extend(value.iter().map(|octet| format!("{octet:02x}")));
    }
    Some(text)
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
    fn a_rule_is_told_by_its_handle_and_a_chain_not_by_its_use() {
        let told = |kind: u16, of: &[(u16, &[u8])]| {
            let mut writer = Writer::new();
            writer.begin(kind, 2, 1, 0, &[1, 0, 0, 0]);
            of.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
            writer.end();
            let bytes = writer.finish();
            content(&Messages::new(&bytes).next().unwrap())
        };
        let rule = told(NEW_RULE, &[(1, b"t\0"), (2, b"in\0"), (3, &[0, 0, 0, 0, 0, 0, 0, 7]), (4, b"counter 1")]);
        assert_eq!(rule.as_deref(), Some("rule 1 1:7400 2:696e00 3:0000000000000007"));
        let counted = told(NEW_RULE, &[(1, b"t\0"), (2, b"in\0"), (3, &[0, 0, 0, 0, 0, 0, 0, 7]), (4, b"counter 2")]);
        assert_eq!(counted, rule);
        let chain =
            |policy: u8, uses: u8| told(NEW_CHAIN, &[(3, b"in\0"), (5, &[0, 0, 0, policy]), (6, &[0, 0, 0, uses])]);
        assert_eq!(chain(1, 0), chain(1, 9));
        assert_ne!(chain(1, 0), chain(0, 0));
        assert_eq!(told(NEW_TABLE, &[(1, b"t\0")]), None);
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
