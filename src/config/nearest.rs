//! "Did you mean …?": the word of a list nearest to a mistyped one.

/// The candidate most like `word`, where one is like enough that suggesting it helps.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let word = normal(word);
    let allowed = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &normal(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the kind of separator are the commonest slips, and none that should count.
fn normal(word: &str) -> Vec<u8> {
    word.bytes()
        .filter(|b| !matches!(b, b'-' | b'_' | b' ' | b'.' | b'/'))
        .map(|b| b.to_ascii_lowercase())
        .collect()
}

/// Edits between two words: letters put in, left out, changed, or two neighbours swapped.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let changed = last[j] + usize::from(a[i] != b[j]);
            let mut best = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// No key of ours is half as long: past this a word is no slip, and comparing costs its length squared.
const MAX_WORD_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood() {
        let keys = ["upstream", "redirect", "addresses", "force_https", "hsts", "name"];
        for (written, meant) in [
            ("upstrem", Some("upstream")),
            ("upstreams", Some("upstream")),
            ("address", Some("addresses")),
            ("forceHTTPS", Some("force_https")),
            ("force-https", Some("force_https")),
            ("nmae", Some("name")),
            ("hst", Some("hsts")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, keys), meant, "{written}");
        }
        assert_eq!(nearest(&"n".repeat(65), keys), None);
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "", 3), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), edits, "{a} {b}");
            assert_eq!(distance(b.as_bytes(), a.as_bytes()), edits, "{b} {a}");
        }
    }
}
