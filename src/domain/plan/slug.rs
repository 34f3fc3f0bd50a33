//! Ids derived from titles: the same title always gives the same valid id.

use crate::domain::base::digest;
use crate::domain::values::UnitId;

/// Longest slug that is taken as it is; longer ones are cut and get a hash of the whole title.
const LONGEST: usize = 64;

/// The id of a unit without one: its title in lower case with `-` for everything that is not a letter or digit. A title
/// with letters outside ASCII, or without any letter or digit, becomes `unit-<hash of the title>`.
pub fn id_of_title(title: &str) -> UnitId {
    let mut slug = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    let foreign = title.chars().any(|c| !c.is_ascii() && c.is_alphanumeric());
    let wanted = if foreign || slug.is_empty() {
        format!("unit-{}", &digest(title)[..12])
    } else if slug.len() > LONGEST {
        format!("{}-{}", slug[..LONGEST - 9].trim_end_matches('-'), &digest(title)[..8])
    } else {
        slug.to_owned()
    };
    known_good(&wanted)
}

/// Slugs consist of `[a-z0-9-]`, start with a letter or digit and have 64 characters at most, so the first arm is
/// always taken; the loop only spares a panic path.
fn known_good(wanted: &str) -> UnitId {
    let mut text = wanted;
    loop {
        match UnitId::new(text) {
            Ok(id) => return id,
            Err(_) => text = "unit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_give_stable_ids() {
        for (title, id) in [
            ("Add retries to the fetcher", "add-retries-to-the-fetcher"),
            ("  Fix — the `parser`!  ", "fix-the-parser"),
            ("1.2 Setup.lock", "1-2-setup-lock"),
            ("Größe prüfen", "unit-32198617401c"),
            ("修复", "unit-37a693925054"),
            ("!!!", "unit-e84c538e7fe2"),
        ] {
            assert_eq!(id_of_title(title).as_str(), id, "{title}");
        }
    }

    #[test]
    fn long_titles_that_differ_late_differ() {
        let (a, b) = ("word ".repeat(40) + "a", "word ".repeat(40) + "b");
        assert_ne!(id_of_title(&a), id_of_title(&b));
        assert!(id_of_title(&a).as_str().starts_with("word-word-"));
    }

    proptest::proptest! {
        #[test]
        fn every_title_has_a_valid_id_of_its_own(title in ".{0,200}") {
            let id = id_of_title(&title);
            proptest::prop_assert!(UnitId::new(id.as_str()).is_ok());
            proptest::prop_assert!(id.as_str() != "unit" || title.to_lowercase().contains("unit"));
        }
    }
}
