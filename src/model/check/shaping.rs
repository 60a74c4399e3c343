//! `tc:` values that mean nothing on any engine. What one engine cannot do is that engine's business.

use crate::diagnostic::{At, Diagnostic};
use crate::model::draft::DraftLink;
use crate::model::findings::Findings;
use crate::model::{Bandwidth, Shaping, codes};

pub(in crate::model) fn check(link: &DraftLink, findings: &mut Findings) {
    let [there, back] = &link.shaping;
    // One `tc:` for both directions is told once.
    let back = back.as_ref().filter(|back| there.as_ref() != Some(*back));
    for shaping in there.iter().chain(back) {
        for (message, help) in nonsense(shaping) {
            findings.push(Diagnostic::error(codes::SHAPING, message).at(shaping.origin, "").help(help));
        }
    }
}

fn nonsense(shaping: &At<Shaping>) -> impl Iterator<Item = (&'static str, &'static str)> {
    let Shaping { rate, queue, one_error_in_bits, .. } = shaping.value;
    [
        (rate == Some(Bandwidth(0)), "a rate of 0 lets nothing through", "leave `rate` out for no limit"),
        (
            queue == Some(0),
            "a queue of 0 packets lets nothing through",
            "leave `queue` out for the engine's own length",
        ),
        (one_error_in_bits == Some(0), "a bit error in every 0 bits means nothing", "leave `ber` out for no errors"),
    ]
    .into_iter()
    .filter(|(applies, ..)| *applies)
    .map(|(_, message, help)| (message, help))
}
