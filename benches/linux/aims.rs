//! What the figures are to be, and whether they are.

use std::collections::BTreeMap;

use super::table::Medians;

/// Columns of the medians.
const CREATE: usize = 0;
const READ_BACK: usize = 1;
const RETURNED: usize = 2;
const SETTLED: usize = 3;

/// What an aim compares: of whom, which column, with whom and which column of theirs.
struct Ratio {
    what: &'static str,
    of: (&'static str, usize),
    to: (&'static str, usize),
    is_at_most: bool,
    aim: f64,
}

const RATIOS: &[Ratio] = &[
    Ratio { what: "create / floor", of: ("up", CREATE), to: ("floor", CREATE), is_at_most: true, aim: 1.2 },
    Ratio { what: "with read-back / floor", of: ("up", READ_BACK), to: ("floor", CREATE), is_at_most: true, aim: 1.5 },
    Ratio {
        what: "down --wait / floor settled",
        of: ("wait", RETURNED),
        to: ("floor", SETTLED),
        is_at_most: true,
        aim: 1.2,
    },
    Ratio { what: "script / create", of: ("script", CREATE), to: ("up", CREATE), is_at_most: false, aim: 25.0 },
    Ratio { what: "ip -batch / create", of: ("batch", CREATE), to: ("up", CREATE), is_at_most: false, aim: 3.0 },
    Ratio { what: "mininet / create", of: ("mininet", CREATE), to: ("up", CREATE), is_at_most: false, aim: 12.0 },
];

/// Milliseconds in which `down` of so many nodes returns.
const RETURNS: (u32, f64) = (1000, 100.0);

/// One line for each aim that something was measured of.
pub fn print(all: &BTreeMap<(&str, u32), Medians>) {
    println!("\naims:");
    for ((shape, size), medians) in all {
        let median = |(who, column): (&str, usize)| medians.get(who).and_then(|row| row[column]);
        let lab = format!("{shape} of {size}");
        for ratio in RATIOS {
            if let (Some(of), Some(to)) = (median(ratio.of), median(ratio.to)) {
                tell(&lab, ratio.what, of / to, "", ratio.is_at_most, ratio.aim);
            }
        }
        if let Some(returned) = median(("up", RETURNED)).filter(|_| *size == RETURNS.0) {
            tell(&lab, "down returns", returned, " ms", true, RETURNS.1);
        }
    }
}

fn tell(lab: &str, what: &str, value: f64, unit: &str, is_at_most: bool, aim: f64) {
    let (bound, is_met) = if is_at_most { ("at most", value <= aim) } else { ("at least", value >= aim) };
    let verdict = if is_met { "met" } else { "MISSED" };
    println!("{lab:<14} {what:<28} {value:>8.2}{unit} ({bound} {aim}{unit}: {verdict})");
}
