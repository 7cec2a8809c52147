//! Finds the rules whose scope a request is in, with one automaton over method and path for all rules of a
//! location.
//!
//! It is a bit-parallel automaton over path segments (Shift-And). Each segment of each pattern is a bit; a
//! step keeps the bits whose pattern matches the segment and moves them on by one. A location's rules have a
//! few dozen bits, so that a step is one lookup of the segment among the literals of the patterns and a few
//! operations on words. A `**` is a bit that stays set; since it may match nothing, the bit after it is set
//! together with it.
//!
//! Before the walk, the first two bytes of the path select the rules that can match at all; for most requests
//! that match no rule, there are none.

use crate::limits::MAX_LISTED_RULES;
use crate::{Pattern, Rule};

/// Positions of rules in a list, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleBits(pub u128);

impl RuleBits {
    /// Whether no bit is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Positions, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let next = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (next < 128).then_some(next as usize)
        })
    }
}

/// Words of a state on the stack: 4,224 bits, enough for [`MAX_LISTED_RULES`] rules of 32 segments each.
const MAX_WORDS: usize = MAX_LISTED_RULES * 33 / 64;

/// The scopes of a list of rules.
#[derive(Debug, Default)]
pub struct Scopes {
    /// Number of words of a state.
    words: usize,
    /// Bits that are set before the first segment.
    start: Box<[u64]>,
    /// Bits that move on with any non-empty segment.
    any: Box<[u64]>,
    /// Bits that stay set with any segment.
    stay: Box<[u64]>,
    /// Bits that are set together with the bit before them: those after a `**`, which may match nothing.
    skip: Box<[u64]>,
    /// Literal segments, by [`bucket`].
    literals: Box<[Vec<Literal>]>,
    /// End bit and position of each rule with a path.
    ends: Vec<(usize, usize)>,
    /// Rules that may match a path with these first bytes, by [`opening`].
    openings: Box<[u128]>,
    /// Rules that match every path.
    everywhere: u128,
    /// Methods that rules name, with these rules.
    methods: Vec<(Box<[u8]>, u128)>,
    /// Rules that match any method.
    any_method: u128,
}

/// A literal segment and the bits that it moves on.
#[derive(Debug)]
struct Literal {
    text: Box<[u8]>,
    moves: Box<[u64]>,
}

const BUCKETS: usize = 64;

/// A cheap hash, sufficient for names that operators choose.
#[inline]
fn bucket(segment: &[u8]) -> usize {
    let [first, .., last] = segment else {
        return segment.first().map_or(0, |b| usize::from(*b)) % BUCKETS;
    };
    (usize::from(*first) + usize::from(*last) * 7 + segment.len() * 31) % BUCKETS
}

const OPENINGS: usize = 256;

/// Hash of the first two bytes of a path after its first `/`, or of fewer if it is shorter.
#[inline]
fn opening(path: &[u8]) -> usize {
    let byte = |at: usize| path.get(at).copied().map_or(0, usize::from);
    (byte(0) + byte(1) * 31) % OPENINGS
}

impl Scopes {
    /// Builds the automaton for the first 128 rules.
    pub fn new<'r>(rules: impl Iterator<Item = &'r Rule> + Clone) -> Self {
        let patterns = rules.clone().take(MAX_LISTED_RULES).map(|rule| rule.on.as_ref());
        // One bit for each segment, and one for the end.
        let bits: usize = patterns.clone().flatten().map(|scope| scope.path.len() + 1).sum();
        let words = bits.div_ceil(64).min(MAX_WORDS);
        let zeros = || vec![0u64; words].into_boxed_slice();
        // Without paths there is nothing to look up: most locations have no rules.
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
                        // The bit after a `**` is set together with it.
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

    /// Adds a rule to the openings of paths that begin with this segment.
    fn add_opening(&mut self, first: Option<&Pattern>, rule: u128) {
        match first {
            Some(Pattern::Literal(text)) if !text.is_empty() => {
                // After a segment of one byte, the path ends or continues.
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

    /// Sets the bits after a `**`, which may match nothing. No two `**` are adjacent.
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

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.everywhere == 0 && self.ends.is_empty()
    }

    /// Rules whose scope a request is in. `path` must be normalized ([`crate::normalize`]).
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
            // Nearly all lists fit into one or two words.
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
