//! What `build.rs` made, read where it lies in the program; the layout is told in [`super`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::LazyLock;

use fst::raw::{Fst, Node};

use super::fold::{full_label_keys, keys};
use super::hit::Hit;

static HITS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hits.bin"));
static LINES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lines.bin"));
static REGIONS: &str = include_str!(concat!(env!("OUT_DIR"), "/regions.txt"));

static KEYS: LazyLock<Fst<&[u8]>> =
    LazyLock::new(|| embedded(include_bytes!(concat!(env!("OUT_DIR"), "/keys.fst"))));
static IDS: LazyLock<Fst<&[u8]>> =
    LazyLock::new(|| embedded(include_bytes!(concat!(env!("OUT_DIR"), "/ids.fst"))));

/// Looks at the head and the end of an automaton, not at its states.
fn embedded(bytes: &'static [u8]) -> Fst<&'static [u8]> {
    Fst::new(bytes).expect("build.rs wrote it with this version of fst")
}

/// A line of `regions.txt`.
pub struct Line {
    /// The ISO 3166 id.
    pub id: &'static str,
    /// The regions it lies in, the smallest first; empty for a country.
    pub within: &'static str,
    /// The English label.
    pub label: &'static str,
    line: &'static str,
}

impl Line {
    /// The line of a region.
    pub fn of(region: u16) -> Self {
        let start = u32::from_le_bytes(LINES.as_chunks().0[usize::from(region)]);
        let line = REGIONS[start as usize..].lines().next().unwrap_or_default();
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        Self { id: field(), within: field(), label: field(), line }
    }

    /// One of the region's spellings; 0 is its English label.
    pub fn spelling(&self, number: u16) -> &'static str {
        self.line.split('\t').nth(2 + usize::from(number)).unwrap_or_default()
    }
}

/// The region of an id, which may be retired.
pub fn by_id(id: &str) -> Option<u16> {
    IDS.get(id).and_then(|rank| u16::try_from(rank.value()).ok())
}

/// Where a typed text leads to in the automaton of keys.
pub struct Place {
    node: Node<'static>,
    /// The least value of the keys from here on: where their best hit stands.
    least: u64,
    /// Where the hits of the typed text itself stand, if it is a key.
    own: Option<u64>,
}

impl Place {
    /// The place of the keys that begin with this folded text, if there are any.
    pub fn of(typed: &str) -> Option<Self> {
        let (mut node, mut least, mut is_through) = (KEYS.root(), 0, true);
        for byte in typed.bytes() {
            let Some(found) = node.find_input(byte) else {
                is_through = false;
                break;
            };
            let transition = node.transition(found);
            least += transition.out.value();
            node = KEYS.node(transition.addr);
        }
        let offset = least + node.final_output().value();
        let key = if node.is_final() { key_at(offset, typed) } else { None };
        // The automaton ends where a key is told from its neighbours: what is left, the name decides.
        (is_through || key.is_some()).then(|| Self {
            node,
            least,
            own: key.is_some_and(|key| key == typed).then_some(offset),
        })
    }

    /// The hits of the key that was typed, if it is one, the best first.
    pub fn own_hits(&self) -> impl Iterator<Item = Hit> {
        let mut next = self.own;
        std::iter::from_fn(move || {
            let offset = next?;
            let (hit, last) = hit_at(offset);
            next = (!last).then_some(offset + 1);
            Some(hit)
        })
    }

    /// All hits from here on, the best first.
    pub fn hits(&self) -> impl Iterator<Item = Hit> {
        let mut ways = Ways::default();
        ways.open(self.least, self.node.addr());
        ways
    }
}

/// The key whose hits stand at this offset, in full length, as the region's names tell it; `None`
/// where it does not begin with the typed text.
fn key_at(offset: u64, typed: &str) -> Option<String> {
    let (hit, _) = hit_at(offset);
    let line = Line::of(hit.region);
    let mut all = keys(line.spelling(hit.spelling));
    if hit.spelling == 0 {
        all.append(&mut full_label_keys(line.label, line.within));
    }
    all.into_iter().find(|key| key.starts_with(typed))
}

fn hit_at(offset: u64) -> (Hit, bool) {
    Hit::from_bytes(HITS.as_chunks().0[offset as usize])
}

/// Ways on through the automaton and through lists of hits, each with the best hit that it leads to.
#[derive(Default)]
struct Ways(BinaryHeap<Reverse<(Hit, Way)>>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// To the hit at this offset, and those after it in its list.
    List(u64),
    /// To the node at this address, whose keys have this least value.
    Node(usize, u64),
}

impl Ways {
    fn open(&mut self, least: u64, address: usize) {
        self.0.push(Reverse((hit_at(least).0, Way::Node(address, least))));
    }

    fn open_list(&mut self, offset: u64) {
        self.0.push(Reverse((hit_at(offset).0, Way::List(offset))));
    }
}

impl Iterator for Ways {
    type Item = Hit;

    fn next(&mut self) -> Option<Hit> {
        while let Some(Reverse((hit, way))) = self.0.pop() {
            match way {
                Way::List(offset) => {
                    let (_, last) = hit_at(offset);
                    if !last {
                        self.open_list(offset + 1);
                    }
                    return Some(hit);
                }
                Way::Node(address, least) => {
                    let node = KEYS.node(address);
                    if node.is_final() {
                        self.open_list(least + node.final_output().value());
                    }
                    for transition in node.transitions() {
                        self.open(least + transition.out.value(), transition.addr);
                    }
                }
            }
        }
        None
    }
}
