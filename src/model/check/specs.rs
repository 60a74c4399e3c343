//! `checks:` that ask for something.

use crate::diagnostic::{At, Diagnostic};
use crate::model::findings::Findings;
use crate::model::pattern::Pattern;
use crate::model::prefix::Family;
use crate::model::{CheckSpec, FamilyChoice, Model, NodeId, codes};

/// Checks the patterns and families of every check.
pub(in crate::model) fn check(model: &Model, findings: &mut Findings) {
    for spec in &model.checks {
        check_spec(model, spec, findings);
    }
}

fn check_spec(model: &Model, spec: &At<CheckSpec>, findings: &mut Findings) {
    if spec.from.contains(':') {
        let message = format!("`from: {}` names an interface; checks go out from nodes", *spec.from);
        findings
            .push(Diagnostic::error(codes::BAD_PATTERN, message).at(spec.from.origin, "").help("leave out the `:…`"));
        return;
    }
    let (from, to) = (Pattern::new(&spec.from), Pattern::new(&spec.to));
    let (sources, targets) = (from.nodes(model), to.nodes(model));
    for (text, found) in [(&spec.from, &sources), (&spec.to, &targets)] {
        if found.is_empty() {
            report_nothing(model, text, findings);
        }
    }
    if sources.is_empty() || targets.is_empty() {
        return;
    }
    if let ([source], [target]) = (sources.as_slice(), targets.as_slice())
        && source == target
    {
        let message = format!("`{}` would only check itself", *model.node(*source).name);
        findings.push(
            Diagnostic::error(codes::MATCHES_NOTHING, message)
                .at(spec.to.origin, "")
                .at(spec.from.origin, "the same node"),
        );
        return;
    }
    let wanted: &[Family] = match spec.family {
        FamilyChoice::Any => &Family::BOTH,
        FamilyChoice::V4 => &[Family::V4],
        FamilyChoice::V6 => &[Family::V6],
    };
    let all = Pattern::new("*");
    let possible = |family: &&Family| {
        let has = |pattern: &Pattern, ids: &[NodeId]| -> Vec<NodeId> {
            let has = |id: &NodeId| pattern.addresses(model, *id).any(|(_, at)| Family::of(at.net.ip()) == **family);
            // Two are enough to know that there is a pair.
            ids.iter().copied().filter(has).take(2).collect()
        };
        match (has(&all, &sources).as_slice(), has(&to, &targets).as_slice()) {
            ([], _) | (_, []) => false,
            ([source], [target]) => source != target,
            _ => true,
        }
    };
    if !wanted.iter().any(|family| possible(&family)) {
        let what = match wanted {
            [one] => format!("{} addresses", one.name()),
            _ => "addresses of the same family".to_owned(),
        };
        let message = format!("no two nodes of `{}` and `{}` have {what}", *spec.from, *spec.to);
        findings
            .push(Diagnostic::error(codes::NO_FAMILY, message).at(spec.origin, "this check would never send anything"));
    }
}

fn report_nothing(model: &Model, pattern: &At<String>, findings: &mut Findings) {
    let mut finding =
        Diagnostic::error(codes::MATCHES_NOTHING, format!("`{}` matches nothing", **pattern)).at(pattern.origin, "");
    let name = Pattern::new(pattern).node;
    finding.help = match model.find(&name).map(|id| model.node(id)) {
        Some(node) if node.kind.is_layer2() => Some(format!("`{name}` is a {}, which has no addresses", node.kind)),
        Some(node) => {
            let own: Vec<&str> = node.interfaces.keys().map(|name| name.as_str()).collect();
            Some(format!("the interfaces of `{name}` are: {}", own.join(", "))).filter(|_| own.len() <= 20)
        }
        None => findings.nearest(&name, model.nodes.iter().map(|node| node.name.as_str())),
    };
    findings.push(finding);
}
