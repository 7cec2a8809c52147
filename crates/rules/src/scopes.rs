//! Which rules a request is about: one automaton over method and path for all rules of a location.
//!
//! A bit-parallel automaton over path segments (Shift-And). Each segment of each pattern is a bit; a step keeps the
//! bits whose pattern the segment satisfies and moves them on by one. A location's rules have a few dozen bits, so a
//! step is one lookup of the segment among the literals of the patterns and a few operations on words. A `**` is a
//! bit that stays set; one that may match nothing is set together with the bit before it.
//!
//! Before the walk, the first two bytes of the path tell which rules can be meant at all; for nearly all requests that
//! no rule is about, that is none.

use crate::{Pattern, Rule};

/// Rules by their position in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleBits(pub u128);

impl RuleBits {
    /// None.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Positions, in order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let next = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (next < 128).then_some(next as usize)
        })
    }
}

/// Most rules of a list.
const MAX: usize = 128;

/// Words of a state that are kept on the stack: 4,096 bits, more than [`MAX`] rules of 32 segments each ever use.
const MAX_WORDS: usize = MAX * 33 / 64;

/// The scopes of a list of rules.
#[derive(Debug, Default)]
pub struct Scopes {
    /// Words of a state.
    words: usize,
    /// Bits that are set before the first segment.
    start: Box<[u64]>,
    /// Bits that move on with a segment of any text but the empty one.
    any: Box<[u64]>,
    /// Bits that stay, whatever the segment.
    stay: Box<[u64]>,
    /// Bits that are set with the bit before them: of `**`, which may match nothing, and what follows it.
    skip: Box<[u64]>,
    /// Literals, by [`bucket`].
    literals: Box<[Vec<Literal>]>,
    /// Bit of the end of each rule with a path, and the rule's position.
    ends: Vec<(usize, usize)>,
    /// Rules that paths with these first bytes may be of, by [`opening`].
    openings: Box<[u128]>,
    /// Rules about every path.
    everywhere: u128,
    /// Methods that some rule names, with the rules they are of.
    methods: Vec<(Box<[u8]>, u128)>,
    /// Rules of any method.
    any_method: u128,
}

/// A literal segment and the bits that it moves on.
#[derive(Debug)]
struct Literal {
    text: Box<[u8]>,
    moves: Box<[u64]>,
}

const BUCKETS: usize = 64;

/// Cheap, and good enough for names that operators choose.
#[inline]
fn bucket(segment: &[u8]) -> usize {
    let [first, .., last] = segment else {
        return segment.first().map_or(0, |b| usize::from(*b)) % BUCKETS;
    };
    (usize::from(*first) + usize::from(*last) * 7 + segment.len() * 31) % BUCKETS
}

const OPENINGS: usize = 256;

/// Of a path behind its first `/`: a number that its first two bytes have, and of a shorter one those that it has.
#[inline]
fn opening(path: &[u8]) -> usize {
    let byte = |at: usize| path.get(at).copied().map_or(0, usize::from);
    (byte(0) + byte(1) * 31) % OPENINGS
}

impl Scopes {
    /// Of rules, of which the first 128 are looked at.
    pub fn new<'r>(rules: impl Iterator<Item = &'r Rule> + Clone) -> Self {
        let patterns = rules.clone().take(MAX).map(|rule| rule.on.as_ref());
        // One bit a segment, and one for the end.
        let bits: usize = patterns.clone().flatten().map(|scope| scope.path.len() + 1).sum();
        let words = bits.div_ceil(64).min(MAX_WORDS);
        let zeros = || vec![0u64; words].into_boxed_slice();
        // Without a path there is nothing to look up: most locations have no rule.
        let (buckets, openings) = if bits == 0 { (0, 0) } else { (BUCKETS, OPENINGS) };
        let mut this = Self {
            words,
            start: zeros(),
            any: zeros(),
            stay: zeros(),
            skip: zeros(),
            literals: std::iter::repeat_with(Vec::new).take(buckets).collect(),
            openings: vec![0; openings].into_boxed_slice(),
            ..Self::default()
        };
        let mut bit = 0;
        for (at, scope) in patterns.enumerate() {
            let Some(scope) = scope else {
                this.everywhere |= 1 << at;
                this.any_method |= 1 << at;
                continue;
            };
            if scope.methods.is_empty() {
                this.any_method |= 1 << at;
            }
            for method in &scope.methods {
                match this.methods.iter_mut().find(|(known, _)| known == method) {
                    Some((_, rules)) => *rules |= 1 << at,
                    None => this.methods.push((method.clone(), 1 << at)),
                }
            }
            if scope.path == [Pattern::Any] {
                this.everywhere |= 1 << at;
                continue;
            }
            this.add_opening(scope.path.first(), 1 << at);
            set(&mut this.start, bit);
            for pattern in &scope.path {
                match pattern {
                    Pattern::Literal(text) => this.add_literal(text, bit),
                    Pattern::One => set(&mut this.any, bit),
                    Pattern::Any => {
                        set(&mut this.stay, bit);
                        // Nothing is skipped together with what follows.
                        set(&mut this.skip, bit + 1);
                    }
                }
                bit += 1;
            }
            this.ends.push((bit, at));
            bit += 1;
        }
        this.close_start();
        this
    }

    /// Paths that begin with this segment may be of the rule.
    fn add_opening(&mut self, first: Option<&Pattern>, rule: u128) {
        match first {
            Some(Pattern::Literal(text)) if !text.is_empty() => {
                // Behind a segment of one byte, the path ends or goes on.
                let longer = [&**text, b"/"].concat();
                for path in [&**text, &*longer] {
                    if let Some(rules) = self.openings.get_mut(opening(path)) {
                        *rules |= rule;
                    }
                }
            }
            _ => self.openings.iter_mut().for_each(|rules| *rules |= rule),
        }
    }

    fn add_literal(&mut self, text: &[u8], bit: usize) {
        let words = self.words;
        let Some(bucket) = self.literals.get_mut(bucket(text)) else { return };
        let at = bucket.iter().position(|literal| *literal.text == *text).unwrap_or_else(|| {
            bucket.push(Literal { text: text.into(), moves: vec![0; words].into() });
            bucket.len() - 1
        });
        if let Some(literal) = bucket.get_mut(at) {
            set(&mut literal.moves, bit);
        }
    }

    fn close_start(&mut self) {
        let mut start = std::mem::take(&mut self.start);
        self.close(&mut start);
        self.start = start;
    }

    /// Sets the bits behind a `**` that matches nothing. No two of them stand side by side.
    #[inline]
    fn close(&self, state: &mut [u64]) {
        let mut carry = 0;
        for ((word, skip), stay) in state.iter_mut().zip(&self.skip).zip(&self.stay) {
            let held = *word & stay;
            let next = (held << 1 | carry) & skip;
            carry = held >> 63;
            *word |= next;
        }
    }

    /// Whether no rule is in it.
    pub fn is_empty(&self) -> bool {
        self.everywhere == 0 && self.ends.is_empty()
    }

    /// The rules that a request is about. `path` is normalised ([`crate::normalize`]).
    #[inline]
    pub fn matches(&self, method: &[u8], path: &[u8]) -> RuleBits {
        let mut wanted = self.any_method;
        for (known, rules) in &self.methods {
            if **known == *method {
                wanted |= rules;
            }
        }
        let mut found = self.everywhere & wanted;
        if wanted & !self.everywhere != 0
            && let Some(rest) = path.strip_prefix(b"/")
            && let Some(possible) = self.openings.get(opening(rest))
            && wanted & possible != 0
        {
            // Nearly all lists fit into a word or two.
            found |= wanted
                & match self.words {
                    0 | 1 => self.walk::<1>(rest),
                    2 => self.walk::<2>(rest),
                    3..=8 => self.walk::<8>(rest),
                    _ => self.walk::<MAX_WORDS>(rest),
                };
        }
        RuleBits(found)
    }

    #[inline]
    fn walk<const N: usize>(&self, path: &[u8]) -> u128 {
        let mut state = [0u64; N];
        let words = self.words.min(N);
        let (Some(state), Some(start)) = (state.get_mut(..words), self.start.get(..words)) else {
            return 0;
        };
        state.copy_from_slice(start);
        for segment in path.split(|byte| *byte == b'/') {
            let bucket = self.literals.get(bucket(segment));
            let literal = bucket.and_then(|all| all.iter().find(|one| *one.text == *segment));
            let not_empty = if segment.is_empty() { 0 } else { u64::MAX };
            let (mut carry, mut left) = (0, 0);
            for (at, word) in state.iter_mut().enumerate() {
                let of = |words: &[u64]| words.get(at).copied().unwrap_or_default();
                let moves = literal.map_or(0, |one| of(&one.moves)) | of(&self.any) & not_empty;
                let moved = *word & moves;
                let held = *word & of(&self.stay);
                *word = moved << 1 | carry | held;
                carry = moved >> 63;
                left |= *word;
            }
            if left == 0 {
                return 0;
            }
            self.close(state);
        }
        let mut found = 0;
        for (bit, rule) in &self.ends {
            if state.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1) {
                found |= 1 << rule;
            }
        }
        found
    }
}

fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}
