//! Finding words: which events of a conversation may hold a text, without reading them all again.
//!
//! An [`Index`] is a signature file (Faloutsos and Christodoulakis, "Signature files", 1984): of each text it keeps no
//! word, only half as many bytes as the text has, in which every three bytes in a row set one bit. A text that holds
//! what is looked for has all its bits; few others have them too, and so whoever asks reads the candidates as they
//! are now. Of a log that grows, only what has come since is read.
//!
//! **Invariants**
//! - Who says what is looked for is a candidate, in its own words as in those of any edit of it. The reverse is not
//!   promised.
//! - Nothing is left of what was taken back, once that has been seen: its bits are zero.
//! - An index holds at most [`SEARCH_INDEX_MAX_BYTES`] of bits, and [`PLACE_BYTES`] for each event beside them. A text for
//!   which there is no room is always a candidate.
//!
//! It must not know what a message is, nor who may read it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::id::EventId;
use crate::limits::SEARCH_INDEX_MAX_BYTES;

/// How many bytes in a row set a bit.
const GRAM_BYTES: usize = 3;
/// Bits for each byte of a text: at four, about one in five is set.
const BITS_PER_BYTE: usize = 4;
/// So few candidates are never too many.
const MANY: usize = 1_000;
/// What an index keeps of an event beside its bits.
pub const PLACE_BYTES: usize = size_of::<Place>();

/// A text as it is compared: case aside.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// What an event says, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words<'a> {
    /// Nothing, now and later.
    Nothing,
    /// Something that is not here, and may come.
    Later,
    /// A text: its own, or another's that it edits.
    Of(EventId, Cow<'a, str>),
    /// That nothing is to be left of an event, nor of its edits.
    TakesBack(EventId),
}

/// The words of one conversation. See the module.
#[derive(Debug, Clone, Default)]
pub struct Index {
    places: Vec<Place>,
    bits: Vec<u64>,
    /// Which event each edit is about.
    edits: BTreeMap<EventId, EventId>,
}

/// An event, where it stood when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    event: EventId,
    sign: Sign,
}

/// What is kept of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Nothing,
    Later,
    /// It says something for which there was no room.
    Anything,
    /// So many words of the bits, from there on.
    Bits {
        from: u32,
        words: u16,
    },
}

/// The events that may hold a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// The text is too short to tell, or so many may hold it that to look them up costs more than to read all.
    Everything,
    /// These, sorted.
    Among(Vec<EventId>),
}

impl Candidates {
    /// Whether an event may hold the text.
    pub fn include(&self, event: &EventId) -> bool {
        match self {
            Self::Everything => true,
            Self::Among(events) => events.binary_search(event).is_ok(),
        }
    }
}

impl Index {
    /// Takes in what has come since: `events` are all of the conversation in their order, `read` tells what each says
    /// now and is asked for those that are new, and for those that were to come later.
    pub fn bring_up<'a>(
        &mut self,
        mut events: impl ExactSizeIterator<Item = EventId>,
        read: impl Fn(&EventId) -> Words<'a>,
    ) {
        if self.places.is_empty() {
            self.places.reserve_exact(events.len());
        }
        // Mostly what is new comes last, or there is nothing new.
        let is_known = |known: &Place, event| known.event == event && known.sign != Sign::Later;
        let mut known = 0;
        let first = events.find(|event| {
            let goes_on = self.places.get(known).is_some_and(|place| is_known(place, *event));
            known += usize::from(goes_on);
            !goes_on
        });
        let mut before = self.places.split_off(known).into_iter().peekable();
        let mut taken_back = BTreeSet::new();
        for event in first.into_iter().chain(events) {
            let sign = match before.next_if(|place| place.event == event) {
                Some(place) if place.sign != Sign::Later => place.sign,
                _ => self.sign(event, read(&event), &mut taken_back),
            };
            self.places.push(Place { event, sign });
        }
        // Conversations only grow; but nothing here rests on that.
        before.for_each(|gone| self.wipe(gone.sign));
        self.forget(&taken_back);
    }

    /// Leaves nothing of these events, nor of their edits.
    pub fn forget(&mut self, events: &BTreeSet<EventId>) {
        if events.is_empty() {
            return;
        }
        let mut places = std::mem::take(&mut self.places);
        let is_meant = |place: &&mut Place| {
            let edited = self.edits.get(&place.event);
            events.contains(&place.event) || edited.is_some_and(|event| events.contains(event))
        };
        let gone: Vec<_> = places.iter_mut().filter(is_meant).collect();
        for place in gone {
            self.wipe(place.sign);
            place.sign = Sign::Nothing;
        }
        self.places = places;
    }

    /// The events that may hold a text, among those that were read.
    pub fn candidates(&self, wanted: &str) -> Candidates {
        let grams = grams(&fold(wanted));
        if grams.is_empty() {
            return Candidates::Everything;
        }
        let may_hold = |place: &&Place| match place.sign {
            Sign::Nothing | Sign::Later => false,
            Sign::Anything => true,
            Sign::Bits { from, words } => {
                let bits = &self.bits[from as usize..][..usize::from(words)];
                grams.iter().all(|gram| {
                    let (word, bit) = bit_of(*gram, bits.len());
                    bits[word] & bit != 0
                })
            }
        };
        let found = self.places.iter().filter(may_hold).map(|place| place.event);
        let mut found: Vec<_> = found.map(|event| self.edits.get(&event).copied().unwrap_or(event)).collect();
        if found.len() > MANY && found.len() > self.places.len() / 2 {
            return Candidates::Everything;
        }
        found.sort_unstable();
        found.dedup();
        Candidates::Among(found)
    }

    /// How much memory it takes: bytes.
    pub fn bytes(&self) -> usize {
        let edits = self.edits.len() * 2 * size_of::<EventId>();
        self.places.capacity() * PLACE_BYTES + self.bits.capacity() * size_of::<u64>() + edits
    }

    fn sign(&mut self, event: EventId, said: Words<'_>, taken_back: &mut BTreeSet<EventId>) -> Sign {
        match said {
            Words::Nothing => Sign::Nothing,
            Words::Later => Sign::Later,
            Words::TakesBack(target) => {
                taken_back.insert(target);
                Sign::Nothing
            }
            Words::Of(target, text) => {
                if target != event {
                    self.edits.insert(event, target);
                }
                self.sign_of(&fold(&text))
            }
        }
    }

    fn sign_of(&mut self, folded: &str) -> Sign {
        let grams = grams(folded);
        if grams.is_empty() {
            return Sign::Nothing; // too short to hold anything that is asked for
        }
        let words = (grams.len() * BITS_PER_BYTE).div_ceil(u64::BITS as usize);
        let from = self.bits.len();
        let (Ok(start), Ok(count)) = (u32::try_from(from), u16::try_from(words)) else {
            return Sign::Anything;
        };
        if (from + words) * size_of::<u64>() > SEARCH_INDEX_MAX_BYTES {
            return Sign::Anything;
        }
        self.bits.resize(from + words, 0);
        for gram in grams {
            let (word, bit) = bit_of(gram, words);
            self.bits[from + word] |= bit;
        }
        Sign::Bits { from: start, words: count }
    }

    fn wipe(&mut self, sign: Sign) {
        if let Sign::Bits { from, words } = sign {
            self.bits[from as usize..][..usize::from(words)].fill(0);
        }
    }
}

/// Each three bytes in a row.
fn grams(folded: &str) -> Vec<u32> {
    let gram = |bytes: &[u8]| bytes.iter().fold(0, |gram, byte| gram << 8 | u32::from(*byte));
    folded.as_bytes().windows(GRAM_BYTES).map(gram).collect()
}

/// The bit that three bytes set among so many words: which word, and the bit in it.
fn bit_of(gram: u32, words: usize) -> (usize, u64) {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let hash = u64::from(gram).wrapping_mul(GOLDEN) >> 32;
    let place = (hash * (words as u64 * u64::from(u64::BITS))) >> 32;
    ((place / 64) as usize, 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> EventId {
        EventId::new([number; 32])
    }

    fn of(texts: &[&str]) -> Index {
        let mut index = Index::default();
        let ids = (0u8..).take(texts.len()).collect::<Vec<_>>();
        index.bring_up(ids.iter().map(|number| id(*number)), |event| {
            Words::Of(*event, texts[usize::from(event.as_bytes()[0])].into())
        });
        index
    }

    fn found(index: &Index, wanted: &str) -> Option<Vec<u8>> {
        match index.candidates(wanted) {
            Candidates::Everything => None,
            Candidates::Among(events) => Some(events.iter().map(|event| event.as_bytes()[0]).collect()),
        }
    }

    #[test]
    fn what_holds_a_text_is_a_candidate_and_hardly_anything_else_is() {
        let index = of(&["The boat leaves at nine", "nobody knows", "ΣΊΣΥΦΟΣ pushes on", "日本語", "no", ""]);
        let cases: [(&str, Option<&[u8]>); 9] = [
            ("BOAT", Some(&[0])),
            ("boats", Some(&[])),
            ("no", None),
            ("", None),
            ("NOBODY", Some(&[1])),
            ("σίσυφος", Some(&[2])),
            ("本", Some(&[3])),
            ("pushes on", Some(&[2])),
            ("nine\u{301}", Some(&[])),
        ];
        for (wanted, expected) in cases {
            assert_eq!(found(&index, wanted).as_deref(), expected, "{wanted:?}");
        }
    }

    #[test]
    fn few_of_many_texts_are_candidates_by_mistake() {
        let texts: Vec<_> =
            (0..2_000u64).map(|number| blake3::hash(&number.to_be_bytes()).to_string()).collect();
        let ids: Vec<_> = (0..2_000u64)
            .map(|number| EventId::new(*blake3::hash(&number.to_le_bytes()).as_bytes()))
            .collect();
        let text_of: BTreeMap<_, _> = ids.iter().copied().zip(&texts).collect();
        let mut index = Index::default();
        index.bring_up(ids.iter().copied(), |event| Words::Of(*event, text_of[event].into()));
        for wanted in ["deface", "0123456", "a1b2c3d4"] {
            let Candidates::Among(found) = index.candidates(wanted) else {
                panic!("{wanted} is long enough")
            };
            let holds = texts.iter().filter(|text| text.contains(wanted)).count();
            assert!(found.len() - holds < 40, "{wanted}: {} of which {holds} hold it", found.len());
        }
    }

    #[test]
    fn of_what_was_taken_back_no_bit_is_left() {
        let mut index = of(&["secret", "another"]);
        let said = [
            Words::Nothing,
            Words::Nothing,
            Words::Of(id(0), "hidden".into()),
            Words::TakesBack(id(0)),
            Words::Of(id(0), "late".into()),
        ];
        let read = |event: &EventId| said[usize::from(event.as_bytes()[0])].clone();
        index.bring_up([0, 1, 2].map(id).into_iter(), read);
        assert_eq!((found(&index, "secret"), found(&index, "hidden")), (Some(vec![0]), Some(vec![0])));
        let another = of(&["another"]).bits;
        index.bring_up([0, 1, 2, 3].map(id).into_iter(), read);
        let left: Vec<_> = index.bits.iter().copied().filter(|word| *word != 0).collect();
        assert_eq!(
            (found(&index, "secret"), found(&index, "hidden"), left),
            (Some(vec![]), Some(vec![]), another)
        );
    }

    #[test]
    fn what_comes_later_is_read_then_and_nothing_is_read_twice() {
        use std::cell::RefCell;
        let (read, here) = (RefCell::new(Vec::new()), RefCell::new(false));
        let says = |event: &EventId| {
            read.borrow_mut().push(event.as_bytes()[0]);
            if event == &id(1) && !*here.borrow() { Words::Later } else { Words::Of(*event, "words".into()) }
        };
        let mut index = Index::default();
        for (ids, expected) in
            [(vec![1, 3], vec![1, 3]), (vec![1, 2, 3], vec![1, 2]), (vec![1, 2, 3, 4], vec![1, 4])]
        {
            index.bring_up(ids.into_iter().map(id), says);
            assert_eq!(read.take(), expected);
        }
        assert_eq!(found(&index, "words"), Some(vec![2, 3, 4]));
        here.replace(true);
        for (expected, again) in [(vec![1], "once"), (vec![], "and not again")] {
            index.bring_up([1, 2, 3, 4].map(id).into_iter(), says);
            assert_eq!((read.take(), found(&index, "words")), (expected, Some(vec![1, 2, 3, 4])), "{again}");
        }
    }

    #[test]
    fn an_index_without_room_finds_everything_and_grows_no_more() {
        let long = "a text of sixteen".repeat(900);
        let ids: Vec<_> = (0..4_000u32)
            .map(|number| EventId::new(*blake3::hash(&number.to_be_bytes()).as_bytes()))
            .collect();
        let mut index = Index::default();
        index.bring_up(ids.iter().copied(), |event| Words::Of(*event, long.as_str().into()));
        assert!(index.bits.len() * size_of::<u64>() <= SEARCH_INDEX_MAX_BYTES);
        assert!(index.places.iter().any(|place| place.sign == Sign::Anything));
        let wanted = index.candidates("sixteen");
        assert_eq!(index.candidates("another text"), Candidates::Among(without_bits(&index)));
        assert!(ids.iter().all(|event| wanted.include(event)));
    }

    fn without_bits(index: &Index) -> Vec<EventId> {
        let places = index.places.iter().filter(|place| place.sign == Sign::Anything);
        let mut events: Vec<_> = places.map(|place| place.event).collect();
        events.sort_unstable();
        events
    }

    /// Words of few letters, so that they are often in each other.
    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "B", "b", "ß", "Σ", "語", " "]), 0..12)
            .prop_map(|letters| letters.concat())
    }

    /// What becomes of a conversation: an event more somewhere, said, to come, about another or taking one back.
    #[derive(Debug, Clone)]
    enum Deed {
        Say(String),
        Later(String),
        Edit(prop::sample::Index, String),
        TakeBack(prop::sample::Index),
    }

    fn deeds() -> impl Strategy<Value = Vec<(Deed, prop::sample::Index, bool)>> {
        let target = any::<prop::sample::Index>;
        let deed = prop_oneof![
            4 => text().prop_map(Deed::Say),
            1 => text().prop_map(Deed::Later),
            2 => (target(), text()).prop_map(|(target, text)| Deed::Edit(target, text)),
            1 => target().prop_map(Deed::TakeBack),
        ];
        prop::collection::vec((deed, target(), any::<bool>()), 0..24)
    }

    /// A conversation as a plain list: of each event what it says, and whether that is here yet.
    #[derive(Default)]
    struct Plain {
        order: Vec<u8>,
        said: BTreeMap<u8, (Deed, bool)>,
        target: BTreeMap<u8, u8>,
        gone: BTreeSet<u8>,
    }

    impl Plain {
        fn words(&self, event: &EventId) -> Words<'_> {
            let number = event.as_bytes()[0];
            let about = self.target.get(&number).copied().unwrap_or(number);
            match &self.said[&number] {
                (Deed::TakeBack(_), _) => Words::TakesBack(id(about)),
                _ if self.gone.contains(&about) => Words::Nothing,
                (_, false) => Words::Later,
                (Deed::Say(text) | Deed::Later(text) | Deed::Edit(_, text), true) => {
                    Words::Of(id(about), text.into())
                }
            }
        }

        fn add(&mut self, deed: Deed, at: &prop::sample::Index) {
            let number = u8::try_from(self.order.len()).unwrap();
            if let Deed::Edit(target, _) | Deed::TakeBack(target) = &deed {
                let messages: Vec<_> =
                    self.order.iter().filter(|number| !self.target.contains_key(*number)).collect();
                let Some(target) = messages.get(target.index(messages.len().max(1))).map(|target| **target)
                else {
                    return;
                };
                self.target.insert(number, target);
                if matches!(deed, Deed::TakeBack(_)) {
                    self.gone.insert(target);
                }
            }
            let is_here = !matches!(deed, Deed::Later(_));
            self.said.insert(number, (deed, is_here));
            self.order.insert(at.index(self.order.len() + 1), number);
        }

        /// The messages that hold a text in any words that they ever had and that were not taken back.
        fn holding(&self, wanted: &str) -> BTreeSet<u8> {
            let holds = |number: &&u8| matches!(self.words(&id(**number)), Words::Of(_, text) if fold(&text).contains(&fold(wanted)));
            self.order.iter().filter(holds).map(|number| *self.target.get(number).unwrap_or(number)).collect()
        }
    }

    proptest! {
        #[test]
        fn whatever_holds_a_text_is_a_candidate_however_the_conversation_grew(deeds in deeds(), wanted in text()) {
            let (mut plain, mut index) = (Plain::default(), Index::default());
            for (deed, at, looks) in deeds {
                plain.add(deed, &at);
                if looks {
                    let order = plain.order.clone();
                    index.bring_up(order.iter().map(|number| id(*number)), |event| plain.words(event));
                    plain.said.values_mut().for_each(|(_, is_here)| *is_here = true);
                }
            }
            index.bring_up(plain.order.iter().map(|number| id(*number)), |event| plain.words(event));
            let candidates = index.candidates(&wanted);
            for number in plain.holding(&wanted) {
                prop_assert!(candidates.include(&id(number)), "{} holds {:?}", number, wanted);
            }
            if let Candidates::Among(candidates) = candidates {
                prop_assert!(candidates.iter().all(|event| !plain.gone.contains(&event.as_bytes()[0])));
            }
            let fresh = {
                let mut fresh = Index::default();
                fresh.bring_up(plain.order.iter().map(|number| id(*number)), |event| plain.words(event));
                fresh
            };
            prop_assert_eq!(fresh.candidates(&wanted), index.candidates(&wanted), "an index depends on what is there");
        }
    }
}
