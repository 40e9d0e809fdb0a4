//! What a mistyped word was probably meant to be.

/// ` (did you mean X?)`, or nothing where no word is near.
pub(super) fn hint<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    // One slip for each three letters, and two letters that changed places are one slip.
    let slips = |word: &&str| strsim::damerau_levenshtein(typed, word);
    // Comparing is quadratic, and what is typed can be anything.
    let words = words.into_iter().filter(|word| typed.len() <= word.len() * 2);
    let nearest = words.min_by_key(slips).filter(|word| slips(word) <= word.len().div_ceil(3));
    nearest.map(|word| format!(" (did you mean {word}?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_only_what_is_near() {
        let words = ["name", "address", "trusted"];
        assert_eq!(hint("adress", words), " (did you mean address?)");
        assert_eq!(hint("nmae", words), " (did you mean name?)");
        assert_eq!(hint("colour", words), "");
        assert_eq!(hint(&"x".repeat(1 << 20), words), "");
        assert_eq!(hint("", []), "");
    }
}
