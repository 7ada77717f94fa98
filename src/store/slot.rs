//! A slot: one key's word and the tag that says whose it is; and the argument why a word of 64 bits is enough.
//!
//! # Why a successful exchange met the right owner
//!
//! A word is a 60-bit value and a 4-bit *generation*. A slot changes hands in three steps, under its page's lock:
//!
//! 1. the word is exchanged for the *vacant* one, value 0;
//! 2. the newcomer's tag is stored;
//! 3. the newcomer's word is stored, in the next generation.
//!
//! Whoever works on a key without the lock ([`Slot::hit`]) loads the word `w`, then the tag, and acts only if `w` is not
//! vacant and the tag is the key's.
//!
//! - The tag is at least as new as `w`: step 3 releases step 2, and exchanges by hits continue its release sequence.
//! - Suppose the tag is newer than `w`, stored by a later step 2, or the slot changes hands after it was read. Then step 1
//!   has ended `w`, and step 3 its generation. An exchange from `w` fails, because the vacant word and words of another
//!   generation differ from `w`. A refusal, which writes nothing, loads the word again after the tag and sees step 1,
//!   since the tag was acquired from step 2's release.
//!
//! Four bits count sixteen changes of hands. For a word to come back as it was, a thread must be held up between its load
//! and its exchange while the slot changes hands a multiple of sixteen times *and* has the very same value again. That takes
//! forced forgetting at capacity, a thread preempted at that instruction, and luck; it misplaces that one check's cost.
//!
//! So an exchange that succeeds, or a second look that finds `w` again, met `w` under the owner whose tag was read. Values
//! alone would not do: forced forgetting, `reset`, `refund` and splits can bring an old value back. The models in
//! `loom_tests.rs` fail when the generation, the second look or either half of the tag's ordering is taken away.

use super::table::{Rule, Step};
use crate::sync::{AtomicU64, Ordering};

/// A value in the upper 60 bits, a generation in the lower 4. Value 0 is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    const GENERATION_BITS: u32 = 4;
    const GENERATION_MASK: u64 = (1 << Word::GENERATION_BITS) - 1;

    #[inline]
    pub(super) fn value(self) -> u64 {
        self.0 >> Word::GENERATION_BITS
    }

    #[inline]
    pub(super) fn is_vacant(self) -> bool {
        self.value() == 0
    }

    /// Another value in the same generation; value 0 vacates.
    #[inline]
    pub(super) fn with_value(self, value: u64) -> Word {
        Word(value << Word::GENERATION_BITS | self.0 & Word::GENERATION_MASK)
    }

    /// A value in the next generation, for the next owner.
    fn next_owner(self, value: u64) -> Word {
        Word(self.0.wrapping_add(1)).with_value(value)
    }
}

/// A write that was decided and not yet done.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    slot: &'a Slot,
    old: Word,
    new: Word,
}

impl Pending<'_> {
    /// Does it, unless the word has changed since: then nothing.
    #[inline]
    pub(crate) fn write(&self) -> bool {
        self.slot.exchange(self.old, self.new, Ordering::Relaxed) == self.old
    }

    /// The value before and after it.
    #[inline]
    pub(crate) fn values(&self) -> (u64, u64) {
        (self.old.value(), self.new.value())
    }
}

/// A word and the tag (the hash) of the key it belongs to.
#[derive(Debug)]
pub(super) struct Slot {
    word: AtomicU64,
    tag: AtomicU64,
}

impl Slot {
    pub(super) fn vacant() -> Slot {
        Slot { word: AtomicU64::new(0), tag: AtomicU64::new(0) }
    }

    /// Whose slot it seems to be. Relaxed: only a hint; `hit` looks again.
    #[inline]
    pub(super) fn seems_owned_by(&self, tag: u64) -> bool {
        self.tag.load(Ordering::Relaxed) == tag
    }

    /// The tag, for whoever holds the page's lock. Relaxed: tags are stored under that lock only.
    pub(super) fn tag(&self) -> u64 {
        self.tag.load(Ordering::Relaxed)
    }

    /// Acquire: pairs with the Release fence of whoever gave a permit back (`concurrency/counts.rs`), so that what is done under
    /// the page's lock with a slot that is found vacant happens after that. Nothing else needs it: whoever acts on the word
    /// exchanges it, and fails if it was stale.
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Applies `rule` if this is `tag`'s slot; `None` if it is vacant or another key's.
    #[inline]
    pub(super) fn hit<R: Rule>(&self, tag: u64, rule: &R) -> Option<R::Answer> {
        // Acquire: pairs with the Release store of the word in `give_to`, so that the tag below is at least as new.
        let mut word = Word(self.word.load(Ordering::Acquire));
        loop {
            // Acquire: pairs with the Release store of the tag in `give_to`; who sees a newer owner's tag also sees, below,
            // that the word has changed.
            if word.is_vacant() || self.tag.load(Ordering::Acquire) != tag {
                return None;
            }
            let (seen, answer) = match rule.decide(word.value(), 0) {
                Step::Write(value, answer) => {
                    (self.exchange(word, word.with_value(value), Ordering::Relaxed), answer)
                }
                // Acquire: as the first load. The Acquire of the tag keeps it from being done earlier.
                Step::Keep(answer) => (Word(self.word.load(Ordering::Acquire)), answer),
            };
            if seen == word {
                return Some(answer);
            }
            word = seen;
        }
    }

    /// Decides by `rule` if this is `tag`'s slot, and leaves it to the caller to write; `None` if it is vacant or another key's, or has
    /// changed meanwhile.
    #[inline]
    pub(super) fn look<R: Rule>(&self, tag: u64, rule: &R) -> Option<(R::Answer, Option<Pending<'_>>)> {
        // Acquire twice: as in `hit`.
        let word = Word(self.word.load(Ordering::Acquire));
        if word.is_vacant() || self.tag.load(Ordering::Acquire) != tag {
            return None;
        }
        match rule.decide(word.value(), 0) {
            // Whether this was its owner's word shows when it is exchanged.
            Step::Write(value, answer) => {
                let pending = Pending { slot: self, old: word, new: word.with_value(value) };
                Some((answer, Some(pending)))
            }
            // Acquire: as in `hit`.
            Step::Keep(answer) => {
                let unchanged = Word(self.word.load(Ordering::Acquire)) == word;
                unchanged.then_some((answer, None))
            }
        }
    }

    /// Takes the slot from whoever has it if its word is still `word`. For holders of the page's lock.
    pub(super) fn vacate(&self, word: Word) -> bool {
        // Acquire: as in `word`; the value may have come back since it was loaded.
        self.exchange(word, word.with_value(0), Ordering::Acquire) == word
    }

    /// Vacates the slot, whatever its word is: the last value. For holders of the page's lock.
    pub(super) fn take(&self) -> u64 {
        loop {
            let word = self.word();
            if word.is_vacant() || self.vacate(word) {
                return word.value();
            }
        }
    }

    /// Gives a vacant slot to a key. For holders of the page's lock, under which alone a vacant word changes.
    pub(super) fn give_to(&self, tag: u64, value: u64) {
        let word = self.word();
        // Release: pairs with the Acquire load of the tag in `hit`.
        self.tag.store(tag, Ordering::Release);
        // Release: pairs with the Acquire loads of the word in `hit`.
        self.word.store(word.next_owner(value).0, Ordering::Release);
    }

    /// The word found: `old` means that it was exchanged.
    ///
    /// Relaxed will do for the limiters on success: the new word leads to nothing but the tag, and an exchange continues the
    /// release sequence of the store in `give_to`. Acquire on failure: pairs with that store, like the first load in `hit`.
    #[inline]
    fn exchange(&self, old: Word, new: Word, success: Ordering) -> Word {
        match self.word.compare_exchange(old.0, new.0, success, Ordering::Acquire) {
            Ok(_) => old,
            Err(found) => Word(found),
        }
    }
}
