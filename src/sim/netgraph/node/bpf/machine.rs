//! The BPF machine: what programs it takes, and what they return (`sys/net/bpf_filter.c`).

use ngsock::node::bpf::Instruction;

/// `BPF_MEMWORDS`: words of scratch memory.
const WORDS: usize = 16;

// The class of an instruction, its low three bits (sys/net/bpf.h).
const LD: u16 = 0;
const LDX: u16 = 1;
const ST: u16 = 2;
const STX: u16 = 3;
const ALU: u16 = 4;
const JMP: u16 = 5;
const RET: u16 = 6;
const MISC: u16 = 7;

// Size and mode of a load.
const W: u16 = 0x00;
const H: u16 = 0x08;
const B: u16 = 0x10;
const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const IND: u16 = 0x40;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;
const MSH: u16 = 0xa0;

/// The operand is X, not the instruction's own.
const X: u16 = 0x08;

/// What a conditional jump compares by, from `BPF_JA` on, and what `BPF_ALU` does, in the high four bits.
const OPERATION: u16 = 0xf0;
const JUMP_ALWAYS: u16 = 0x00;
const JUMP_EQUAL: u16 = 0x10;
const JUMP_GREATER: u16 = 0x20;
const JUMP_NOT_LESS: u16 = 0x30;
const JUMP_ANY_BIT: u16 = 0x40;
const ADD: u16 = 0x00;
const SUB: u16 = 0x10;
const MUL: u16 = 0x20;
const DIV: u16 = 0x30;
const OR: u16 = 0x40;
const AND: u16 = 0x50;
const LSH: u16 = 0x60;
const RSH: u16 = 0x70;
const NEG: u16 = 0x80;
const MOD: u16 = 0x90;
const XOR: u16 = 0xa0;

/// `BPF_RET` that returns A, not the operand.
const RETURN_A: u16 = RET | 0x10;
const TAX: u16 = MISC;
const TXA: u16 = MISC | 0x80;

/// Which codes there are: one bit for each (`bpf_code_map`, `sys/net/bpf_filter.c`).
const CODES: [u16; 16] =
    [0x10ff, 0x3070, 0x3131, 0x3031, 0x3131, 0x1011, 0x1013, 0x1010, 0x0093, 0x1010, 0x1010, 0x0002, 0, 0, 0, 0];

/// Whether a kernel takes the program: known codes, jumps forward and inside, memory that exists, no division by a
/// constant 0, an end that returns. An empty one is taken and matches everything.
pub(super) fn is_valid(program: &[Instruction]) -> bool {
    let Some(last) = program.last() else { return true };
    program.iter().enumerate().all(|(at, instruction)| is_sound(instruction, program.len() - at - 1))
        && last.code & 7 == RET
}

/// Whether an instruction with so many after it is one.
fn is_sound(instruction: &Instruction, after: usize) -> bool {
    let Instruction { code, jump_if_true, jump_if_false, operand } = *instruction;
    let group = CODES.get(usize::from(code >> 4)).copied().unwrap_or(0);
    if group >> (code & 0xf) & 1 == 0 {
        return false;
    }
    let operand_fits = |room: usize| usize::try_from(operand).is_ok_and(|operand| operand < room);
    match code {
        _ if code == JMP | JUMP_ALWAYS => operand_fits(after),
        _ if code & 7 == JMP => usize::from(jump_if_true.max(jump_if_false)) < after,
        ST | STX => operand_fits(WORDS),
        _ if code == LD | MEM || code == LDX | MEM => operand_fits(WORDS),
        _ if code == ALU | DIV || code == ALU | MOD => operand != 0,
        _ => true,
    }
}

/// What a valid program returns for a packet; 0 where it looks past the end. Jumps lead forward, so it ends.
pub(super) fn run(program: &[Instruction], packet: &[u8]) -> u32 {
    if program.is_empty() {
        return u32::MAX;
    }
    let mut machine = Machine { packet, a: 0, x: 0, memory: [0; WORDS] };
    let mut rest = program.iter();
    while let Some(instruction) = rest.next() {
        match machine.step(instruction) {
            Step::Next => {}
            Step::Skip(0) => {}
            Step::Skip(count) => {
                rest.nth(count - 1);
            }
            Step::Return(value) => return value,
        }
    }
    0
}

enum Step {
    Next,
    Skip(usize),
    Return(u32),
}

struct Machine<'p> {
    packet: &'p [u8],
    a: u32,
    x: u32,
    memory: [u32; WORDS],
}

impl Machine<'_> {
    fn step(&mut self, instruction: &Instruction) -> Step {
        let Instruction { code, operand: k, .. } = *instruction;
        match code & 7 {
            RET => return Step::Return(if code == RETURN_A { self.a } else { k }),
            JMP => return self.jump(instruction),
            ALU => match self.compute(code, k) {
                Some(value) => self.a = value,
                None => return Step::Return(0),
            },
            LD => match self.load(code, k) {
                Some(value) => self.a = value,
                None => return Step::Return(0),
            },
            LDX => match self.load_index(code, k) {
                Some(value) => self.x = value,
                None => return Step::Return(0),
            },
            ST => self.store(k, self.a),
            STX => self.store(k, self.x),
            _ if code == TAX => self.x = self.a,
            _ if code == TXA => self.a = self.x,
            _ => return Step::Return(0),
        }
        Step::Next
    }

    fn jump(&self, instruction: &Instruction) -> Step {
        let Instruction { code, jump_if_true, jump_if_false, operand } = *instruction;
        let other = if code & X == 0 { operand } else { self.x };
        let holds = match code & OPERATION {
            JUMP_ALWAYS => return Step::Skip(usize::try_from(operand).unwrap_or(usize::MAX)),
            JUMP_EQUAL => self.a == other,
            JUMP_GREATER => self.a > other,
            JUMP_NOT_LESS => self.a >= other,
            JUMP_ANY_BIT => self.a & other != 0,
            _ => return Step::Return(0),
        };
        Step::Skip(usize::from(if holds { jump_if_true } else { jump_if_false }))
    }

    /// `None` for a division by 0. Shifts go round at 32, as on amd64.
    fn compute(&self, code: u16, k: u32) -> Option<u32> {
        let (a, other) = (self.a, if code & X == 0 { k } else { self.x });
        match code & OPERATION {
            ADD => Some(a.wrapping_add(other)),
            SUB => Some(a.wrapping_sub(other)),
            MUL => Some(a.wrapping_mul(other)),
            DIV => a.checked_div(other),
            MOD => a.checked_rem(other),
            AND => Some(a & other),
            OR => Some(a | other),
            XOR => Some(a ^ other),
            LSH => Some(a.wrapping_shl(other)),
            RSH => Some(a.wrapping_shr(other)),
            NEG => Some(a.wrapping_neg()),
            _ => None,
        }
    }

    fn load(&self, code: u16, k: u32) -> Option<u32> {
        match code & !7 {
            IMM => Some(k),
            MEM => self.word(k),
            LEN => u32::try_from(self.packet.len()).ok(),
            mode => {
                let at = match mode & 0xe0 {
                    ABS => k,
                    IND => self.x.checked_add(k)?,
                    _ => return None,
                };
                let rest = self.packet.get(usize::try_from(at).ok()?..)?;
                match mode & 0x18 {
                    W => rest.first_chunk().map(|word| u32::from_be_bytes(*word)),
                    H => rest.first_chunk().map(|half| u16::from_be_bytes(*half).into()),
                    B => rest.first().map(|octet| u32::from(*octet)),
                    _ => None,
                }
            }
        }
    }

    fn load_index(&self, code: u16, k: u32) -> Option<u32> {
        match code & !7 {
            IMM => Some(k),
            MEM => self.word(k),
            LEN => u32::try_from(self.packet.len()).ok(),
            // The length of an IPv4 header, whose first octet is there.
            mode if mode == MSH | B => {
                let octet = self.packet.get(usize::try_from(k).ok()?)?;
                Some(u32::from(octet & 0xf) << 2)
            }
            _ => None,
        }
    }

    fn word(&self, at: u32) -> Option<u32> {
        self.memory.get(usize::try_from(at).ok()?).copied()
    }

    fn store(&mut self, at: u32, value: u32) {
        if let Some(place) = usize::try_from(at).ok().and_then(|at| self.memory.get_mut(at)) {
            *place = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(code: u16, operand: u32) -> Instruction {
        Instruction { code, jump_if_true: 0, jump_if_false: 0, operand }
    }

    fn branch(code: u16, operand: u32, jump_if_true: u8, jump_if_false: u8) -> Instruction {
        Instruction { code, jump_if_true, jump_if_false, operand }
    }

    #[test]
    fn what_a_kernel_refuses_is_refused() {
        let end = op(RET, 0);
        assert!(is_valid(&[]));
        assert!(is_valid(&[end]));
        assert!(!is_valid(&[op(LD | H | ABS, 12)]), "no return at the end");
        assert!(!is_valid(&[op(0xff, 0), end]), "no such code");
        assert!(!is_valid(&[op(0x1_06, 0)]), "codes have eight bits");
        assert!(!is_valid(&[op(ST, 16), end]), "no such memory");
        assert!(is_valid(&[op(ST, 15), end]));
        assert!(!is_valid(&[op(ALU | DIV, 0), end]));
        assert!(!is_valid(&[op(JMP | JUMP_ALWAYS, 1), end]), "past the end");
        assert!(is_valid(&[op(JMP | JUMP_ALWAYS, 0), end]));
        assert!(!is_valid(&[branch(JMP | JUMP_EQUAL, 0, 0, 1), end]));
        assert!(is_valid(&[branch(JMP | JUMP_EQUAL, 0, 1, 0), end, end]));
    }

    /// `tcpdump -d 'ip and tcp port 80'` without fragments, on Ethernet.
    #[test]
    fn a_program_of_tcpdump_finds_its_packets() {
        let program = [
            op(LD | H | ABS, 12),
            branch(JMP | JUMP_EQUAL, 0x800, 0, 8),
            op(LD | B | ABS, 23),
            branch(JMP | JUMP_EQUAL, 6, 0, 6),
            op(LDX | MSH | B, 14),
            op(LD | H | IND, 14),
            branch(JMP | JUMP_EQUAL, 80, 2, 0),
            op(LD | H | IND, 16),
            branch(JMP | JUMP_EQUAL, 80, 0, 1),
            op(RET, 96),
            op(RET, 0),
        ];
        assert!(is_valid(&program));
        let mut packet = vec![0; 60];
        (packet[12], packet[14], packet[23], packet[37]) = (8, 0x45, 6, 80);
        assert_eq!(run(&program, &packet), 96);
        packet[37] = 81;
        assert_eq!(run(&program, &packet), 0);
        packet[35] = 80;
        assert_eq!(run(&program, &packet), 96);
        assert_eq!(run(&program, &packet[..20]), 0, "it looks past the end");
    }

    #[test]
    fn arithmetic_goes_round_and_memory_keeps() {
        let program = [
            op(LD | IMM, 7),
            op(ST, 3),
            op(ALU | SUB, 9),
            op(TAX, 0),
            op(LD | MEM, 3),
            op(ALU | ADD | X, 0),
            op(ALU | NEG, 0),
            op(RETURN_A, 0),
        ];
        assert!(is_valid(&program));
        assert_eq!(run(&program, b"x"), 5_u32.wrapping_neg());
        assert_eq!(run(&[op(LDX | IMM, 0), op(ALU | DIV | X, 0), op(RET, 1)], b"x"), 0, "division by 0");
        assert_eq!(run(&[op(LD | LEN, 0), op(RETURN_A, 0)], b"abc"), 3);
        assert_eq!(run(&[], b"x"), u32::MAX);
    }
}
