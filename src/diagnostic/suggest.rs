//! The nearest of the names that exist.

/// How many names [`help`] compares with: a file may have a hundred thousand variables and as many wrong uses of them.
const MOST_COMPARED: usize = 1000;

/// The candidate that `word` was probably meant to be; the first one where several are equally near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long words are not typing errors, and comparing them costs their product.
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let bound = (word.chars().count() / 3).max(1);
    let near = |candidate: &'a str| {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_ascii_lowercase());
        // `addresses` for `address`, `interface` for `interfaces`.
        let stem = lower.len() >= 3 && (candidate.starts_with(&lower) || lower.starts_with(candidate));
        (distance <= bound || (stem && candidate.len() >= 3)).then_some((distance, candidate))
    };
    candidates
        .into_iter()
        .filter(|c| c.len() <= 64)
        .filter_map(near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// `` did you mean `…`? ``, if a candidate is near.
pub fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|nearest| format!("did you mean `{nearest}`?"))
}

/// `` did you mean `…`? ``, else the list of what there is.
pub fn help<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<_> = candidates.into_iter().take(MOST_COMPARED).collect();
    meant(word, candidates.iter().copied()).or_else(|| list(&candidates).map(|list| format!("there are {list}")))
}

/// `` `a`, `b` and `c` ``; nothing for none, and not more than a line.
pub fn list(names: &[&str]) -> Option<String> {
    const MOST: usize = 20;
    let quoted: Vec<_> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        _ if names.len() > MOST => Some(format!("{} and {} more", quoted.join(", "), names.len() - MOST)),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near_and_other_words_are_not() {
        let keys = ["endpoints", "mtu", "pool", "type", "interfaces"];
        for (word, near) in [
            ("endpoint", Some("endpoints")),
            ("MTU", Some("mtu")),
            ("mut", Some("mtu")),
            ("interface", Some("interfaces")),
            ("banana", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, keys), near, "{word}");
        }
        assert_eq!(help("q", ["a", "bb", "cc"]).unwrap(), "did you mean `a`?");
        assert_eq!(help("zzzz", ["aa", "bb", "cc"]).unwrap(), "there are `aa`, `bb` and `cc`");
        assert_eq!(help("zzzz", []), None);
    }
}
