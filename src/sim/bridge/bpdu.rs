//! Bridge protocol data units: configuration, rapid and change notification (IEEE 802.1D-2004, clause 9).

/// Where BPDUs are sent: the bridge group address.
pub(super) const GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x00];

/// What identifies a bridge: priority in the highest 16 bits, MAC below.
pub(super) type BridgeId = u64;

/// A priority vector; smaller is better, field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(super) struct Vector {
    /// The root.
    pub root: BridgeId,
    /// Cost of the way there.
    pub cost: u32,
    /// The bridge that sent it.
    pub bridge: BridgeId,
    /// Its port.
    pub port: u16,
}

/// Times that travel with a vector, in 256ths of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Times {
    pub message_age: u16,
    pub max_age: u16,
    pub hello: u16,
    pub forward_delay: u16,
}

/// What the sender's port is (`BSTP_PDU_F_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SenderRole {
    Unknown,
    AlternateOrBackup,
    Root,
    Designated,
}

/// One BPDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bpdu {
    /// A configuration: rapid (version 2) or of the old protocol.
    Config(Config),
    /// A topology change notification of the old protocol.
    ChangeNotification,
}

/// A configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub rapid: bool,
    pub vector: Vector,
    pub times: Times,
    pub role: SenderRole,
    pub topology_change: bool,
    pub proposal: bool,
    pub learning: bool,
    pub forwarding: bool,
    pub agreement: bool,
    pub acknowledgement: bool,
}

const LLC: [u8; 3] = [0x42, 0x42, 0x03];
const VERSION_RAPID: u8 = 2;
const TYPE_CONFIG: u8 = 0x00;
const TYPE_RAPID: u8 = 0x02;
const TYPE_CHANGE: u8 = 0x80;

const FLAG_CHANGE: u8 = 0x01;
const FLAG_PROPOSAL: u8 = 0x02;
const FLAG_LEARNING: u8 = 0x10;
const FLAG_FORWARDING: u8 = 0x20;
const FLAG_AGREEMENT: u8 = 0x40;
const FLAG_ACKNOWLEDGEMENT: u8 = 0x80;

impl Config {
    /// The Ethernet frame that carries it from a port with that MAC.
    pub fn frame(&self, source: [u8; 6]) -> Vec<u8> {
        let mut payload = LLC.to_vec();
        let version = if self.rapid { VERSION_RAPID } else { 0 };
        payload.extend([0, 0, version, if self.rapid { TYPE_RAPID } else { TYPE_CONFIG }, self.flags()]);
        payload.extend(self.vector.root.to_be_bytes());
        payload.extend(self.vector.cost.to_be_bytes());
        payload.extend(self.vector.bridge.to_be_bytes());
        payload.extend(self.vector.port.to_be_bytes());
        for time in [self.times.message_age, self.times.max_age, self.times.hello, self.times.forward_delay] {
            payload.extend(time.to_be_bytes());
        }
        if self.rapid {
            payload.push(0); // length of the version 1 part
        }
        let mut frame = GROUP.to_vec();
        frame.extend(source);
        frame.extend(u16::try_from(payload.len()).unwrap_or_default().to_be_bytes());
        frame.extend(payload);
        frame.resize(frame.len().max(60), 0);
        frame
    }

    fn flags(&self) -> u8 {
        let mut flags = if self.topology_change { FLAG_CHANGE } else { 0 };
        if !self.rapid && self.acknowledgement {
            flags |= FLAG_ACKNOWLEDGEMENT;
        }
        if self.rapid {
            let role = match self.role {
                SenderRole::Unknown => 0,
                SenderRole::AlternateOrBackup => 1,
                SenderRole::Root => 2,
                SenderRole::Designated => 3,
            };
            flags |= role << 2;
            for (set, flag) in [
                (self.proposal, FLAG_PROPOSAL),
                (self.learning, FLAG_LEARNING),
                (self.forwarding, FLAG_FORWARDING),
                (self.agreement, FLAG_AGREEMENT),
            ] {
                flags |= if set { flag } else { 0 };
            }
        }
        flags
    }
}

/// The frame by which the old protocol tells the root of a change.
pub(super) fn change_notification(source: [u8; 6]) -> Vec<u8> {
    let mut frame = GROUP.to_vec();
    frame.extend(source);
    frame.extend([0, 7]);
    frame.extend(LLC);
    frame.extend([0, 0, 0, TYPE_CHANGE]);
    frame.resize(60, 0);
    frame
}

/// Reads a frame that was sent to [`GROUP`]; `None` for what is no BPDU we know.
pub(super) fn read(frame: &[u8]) -> Option<Bpdu> {
    let length = usize::from(u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?));
    let payload = frame.get(14..14 + length)?;
    let body = payload.strip_prefix(&LLC)?;
    if body.get(..2)? != [0, 0] {
        return None;
    }
    match (*body.get(2)?, *body.get(3)?) {
        (_, TYPE_CHANGE) => Some(Bpdu::ChangeNotification),
        (_, TYPE_CONFIG) => config(body, false).map(Bpdu::Config),
        (version, TYPE_RAPID) if version >= VERSION_RAPID => config(body, true).map(Bpdu::Config),
        _ => None,
    }
}

fn config(body: &[u8], rapid: bool) -> Option<Config> {
    let flags = *body.get(4)?;
    let u16_at = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_be_bytes(body.get(at..at + 8)?.try_into().ok()?));
    let role = match (rapid, flags >> 2 & 3) {
        (false, _) | (true, 3) => SenderRole::Designated,
        (true, 2) => SenderRole::Root,
        (true, 1) => SenderRole::AlternateOrBackup,
        (true, _) => SenderRole::Unknown,
    };
    Some(Config {
        rapid,
        vector: Vector {
            root: u64_at(5)?,
            cost: u32::from_be_bytes(body.get(13..17)?.try_into().ok()?),
            bridge: u64_at(17)?,
            port: u16_at(25)?,
        },
        times: Times { message_age: u16_at(27)?, max_age: u16_at(29)?, hello: u16_at(31)?, forward_delay: u16_at(33)? },
        role,
        topology_change: flags & FLAG_CHANGE != 0,
        proposal: rapid && flags & FLAG_PROPOSAL != 0,
        learning: rapid && flags & FLAG_LEARNING != 0,
        forwarding: rapid && flags & FLAG_FORWARDING != 0,
        agreement: rapid && flags & FLAG_AGREEMENT != 0,
        acknowledgement: flags & FLAG_ACKNOWLEDGEMENT != 0,
    })
}
