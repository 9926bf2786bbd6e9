//! How the numbers of the index are packed, shared by `build.rs`, which writes them, and the search,
//! which reads them.

/// What kind of a name it is, the most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The English label or the native name.
    Label,
    /// A name in several languages, one of which at least names more than the countries of the world.
    Common,
    /// A name in a single such language.
    Single,
    /// Such a name in Latin letters, written by rule.
    Romanised,
    /// A name of a large city that lies there.
    City,
    /// An ISO code.
    Code,
    /// A name in other languages only.
    Rare,
    /// What follows the country in an ISO 3166-2 code.
    ShortCode,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Label,
        Self::Common,
        Self::Single,
        Self::Romanised,
        Self::City,
        Self::Code,
        Self::Rare,
        Self::ShortCode,
    ];

    /// How much worse than a label it fits.
    pub fn penalty(self) -> u16 {
        match self {
            Self::Label => 0,
            Self::Common => 4,
            Self::Single => 8,
            Self::Code | Self::Romanised => 12,
            Self::City => 40,
            Self::Rare => 48,
            Self::ShortCode => 64,
        }
    }

    /// A code that is not typed to its end is none.
    pub fn is_code(self) -> bool {
        matches!(self, Self::Code | Self::ShortCode)
    }
}

/// How much worse it fits what stands later in a name than what begins it.
pub const LATER_WORD: u16 = 32;

/// How obscure what `people` live in and `languages` have a name for is: four points for each halving,
/// from 0 for what the world talks of.
pub fn obscurity(people: u64, languages: u64) -> u16 {
    // Where nobody counted, some thousands live.
    let known = (people.max(20_000) * languages.max(1)) as f64;
    (160.0 - 4.0 * known.log2()).max(0.0) as u16
}

/// The head of an entry: one name by which a region is found. The numbers of its words follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What kind of a name it is.
    pub kind: Kind,
    /// How obscure it is: the city where it is one, else the region.
    pub obscurity: u16,
    /// Which of the region's spellings shows it; 0 is the English label.
    pub spelling: u16,
    /// How many words it has.
    pub words: usize,
}

impl Entry {
    /// The entry in 4 bytes: 16 bits for the spelling, 8 for the obscurity, 4 for the kind, 4 for the words.
    pub fn pack(self) -> u32 {
        assert!(self.obscurity < 256 && self.words < 16, "no room for {self:?}");
        u32::from(self.spelling) << 16
            | u32::from(self.obscurity) << 8
            | (self.kind as u32) << 4
            | self.words as u32
    }

    /// What was packed.
    pub fn unpack(bits: u32) -> Self {
        Self {
            kind: Kind::ALL[(bits >> 4 & 7) as usize],
            obscurity: (bits >> 8 & 0xff) as u16,
            spelling: (bits >> 16) as u16,
            words: (bits & 0xf) as usize,
        }
    }
}

/// That a word stands in a region's names, and how good the best of these is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Posting {
    /// The obscurity and the penalties of the best name that holds the word.
    pub score: u16,
    /// The region's number.
    pub region: u16,
    /// Whether the word alone is a name.
    pub alone: bool,
}

impl Posting {
    /// The posting in 3 bytes: 9 bits for the score, 13 for the region, 2 for `alone`.
    pub fn pack(self) -> [u8; 3] {
        assert!(self.score < 512 && self.region < 1 << 13, "no room for {self:?}");
        let bits = u32::from(self.score) << 15 | u32::from(self.region) << 2 | u32::from(self.alone);
        let [a, b, c, _] = bits.to_le_bytes();
        [a, b, c]
    }

    /// What was packed.
    pub fn unpack([a, b, c]: [u8; 3]) -> Self {
        let bits = u32::from_le_bytes([a, b, c, 0]);
        Self { score: (bits >> 15) as u16, region: (bits >> 2 & 0x1fff) as u16, alone: bits & 1 != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        for kind in Kind::ALL {
            for (obscurity, spelling, words) in [(0, 0, 1), (255, u16::MAX, 15)] {
                let entry = Entry { kind, obscurity, spelling, words };
                assert_eq!(Entry::unpack(entry.pack()), entry);
            }
        }
        for (score, region, alone) in [(0, 0, false), (511, 8191, true)] {
            let posting = Posting { score, region, alone };
            assert_eq!(Posting::unpack(posting.pack()), posting);
        }
    }

    #[test]
    fn what_more_people_live_in_is_less_obscure() {
        assert!(obscurity(83_000_000, 250) < obscurity(13_000_000, 100));
        assert!(obscurity(1_400_000_000, 253) < 8);
        assert!(obscurity(0, 0) > 100);
    }
}
