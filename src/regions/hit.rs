//! One entry of the index, shared by `build.rs`, which writes it, and the search, which reads it.

/// A key leads to this region, through this spelling of its name. Hits sort by what should be shown
/// first: the better fit, then the better known region, then its more widespread spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// What the key is to the spelling.
    pub fit: Fit,
    /// The region's place among all regions, the best known first.
    pub region: u16,
    /// The spelling's place among the region's spellings; 0 is its English label.
    pub spelling: u16,
    /// Whether the key is a whole name of the region, not only the end of one.
    pub whole: bool,
}

/// What a key is to a spelling, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It begins the English label or the native name.
    Label,
    /// It begins a name in a language that names more than the countries of the world.
    Start,
    /// It begins a later word of any of these.
    Word,
    /// It begins a word of a name in other languages only.
    Rare,
}

impl Hit {
    /// How many bytes one hit takes: 2 bits for the fit, 13 for the region, 15 for the spelling, one
    /// for `whole`, and one that closes the list of a key.
    pub const SIZE: usize = 4;

    /// The hit as it stands in the index; `last` closes the list of a key.
    pub fn to_bytes(self, last: bool) -> [u8; Self::SIZE] {
        assert!(self.region < 1 << 13 && self.spelling < 1 << 15, "the index has no room for {self:?}");
        let bits = (self.fit as u32) << 30 | u32::from(self.region) << 17 | u32::from(self.spelling) << 2;
        (bits | u32::from(self.whole) << 1 | u32::from(last)).to_le_bytes()
    }

    /// The hit, and whether it is the last of its key.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> (Self, bool) {
        let bits = u32::from_le_bytes(bytes);
        let fit = match bits >> 30 {
            0 => Fit::Label,
            1 => Fit::Start,
            2 => Fit::Word,
            _ => Fit::Rare,
        };
        let region = (bits >> 17 & 0x1fff) as u16;
        let spelling = (bits >> 2 & 0x7fff) as u16;
        (Self { fit, region, spelling, whole: bits & 2 != 0 }, bits & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_read_as_it_was_written() {
        for fit in [Fit::Label, Fit::Start, Fit::Word, Fit::Rare] {
            for (region, spelling, whole, last) in [(0, 0, false, true), (8191, 32767, true, false)] {
                let hit = Hit { fit, region, spelling, whole };
                assert_eq!(Hit::from_bytes(hit.to_bytes(last)), (hit, last));
            }
        }
    }
}
