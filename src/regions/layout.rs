//! The keyboards of those who write Cyrillic, and what comes out while the other one is on.

/// The keys from left to right, row by row: US English, Russian, Ukrainian.
const ENGLISH: &str = "`qwertyuiop[]asdfghjkl;'zxcvbnm,.";
const RUSSIAN: &str = "ёйцукенгшщзхъфывапролджэячсмитьбю";
const UKRAINIAN: &str = "'йцукенгшщзхїфівапролджєячсмитьбю";

/// What was meant, if it was typed on the wrong one of two keyboards; nothing where neither has keys for it.
pub fn other_layouts(typed: &str) -> Vec<String> {
    let typed = typed.to_lowercase();
    let pairs = [(ENGLISH, RUSSIAN), (ENGLISH, UKRAINIAN), (RUSSIAN, ENGLISH), (UKRAINIAN, ENGLISH)];
    let mut others: Vec<String> = pairs.iter().filter_map(|(from, to)| retype(&typed, from, to)).collect();
    others.dedup();
    others
}

/// The text that the same keys type on another keyboard, if its letters are all on the first.
fn retype(typed: &str, from: &str, to: &str) -> Option<String> {
    let retyped: String = typed.chars().map(|c| key(unshifted(c), from, to).unwrap_or(c)).collect();
    let is_typed_there = typed.chars().all(|c| !c.is_alphabetic() || from.contains(c));
    (is_typed_there && retyped != typed).then_some(retyped)
}

fn key(c: char, from: &str, to: &str) -> Option<char> {
    from.chars().zip(to.chars()).find_map(|(key, other)| (key == c).then_some(other))
}

/// The signs that have letters on the other keyboard, as they are without the shift key.
fn unshifted(c: char) -> char {
    match c {
        '~' => '`',
        '{' => '[',
        '}' => ']',
        ':' => ';',
        '"' => '\'',
        '<' => ',',
        '>' => '.',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_keys_on_the_other_keyboard() {
        for (typed, meant) in [
            ("vjcrdf", "москва"),
            ("Rb]d", "київ"),
            ("e[fyrf", "уханка"),
            ("Fpth,fql;fy", "азербайджан"),
            ("ьщысщц", "moscow"),
            ("Пукьфтн", "germany"),
            ("фіефтф", "astana"),
        ] {
            let others = other_layouts(typed);
            assert!(others.iter().any(|other| other == meant), "{typed}: {others:?}");
        }
    }

    #[test]
    fn what_no_such_keyboard_types_is_left_alone() {
        for typed in ["", "東京", "köln", "123", "αθήνα"] {
            assert!(other_layouts(typed).is_empty(), "{typed}");
        }
    }
}
