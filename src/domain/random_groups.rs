use super::token::random_bytes;

/// How many characters stand in a group.
pub(super) const GROUP: usize = 4;

/// So many groups of random characters, with hyphens between; each character is worth just under 5 bits.
///
/// # Panics
/// When the operating system has no randomness to give; nothing can be kept secret then.
pub(super) fn random_groups(alphabet: &[u8; 31], groups: usize) -> String {
    let character = || {
        // A byte above the last whole round of the alphabet would favour its beginning.
        let fair = u8::MAX - u8::MAX % 31;
        loop {
            let [byte] = random_bytes();
            if byte < fair {
                return char::from(alphabet[usize::from(byte) % alphabet.len()]);
            }
        }
    };
    let group = |_| (0..GROUP).map(|_| character()).collect::<String>();
    (0..groups).map(group).collect::<Vec<_>>().join("-")
}
