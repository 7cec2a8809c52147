//! Classes of bytes: one pass over a value decides which detectors can find anything in it.

/// The set of byte classes that occur in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mask(u32);

impl Mask {
    /// `'`, `"`, backtick.
    pub const QUOTE: Self = Self(1);
    /// `<` and `>`.
    pub const ANGLE: Self = Self(1 << 1);
    /// `(` and `)`.
    pub const PAREN: Self = Self(1 << 2);
    /// `{` and `}`.
    pub const BRACE: Self = Self(1 << 3);
    /// `$`.
    pub const DOLLAR: Self = Self(1 << 4);
    /// `/`.
    pub const SLASH: Self = Self(1 << 5);
    /// `\`.
    pub const BACKSLASH: Self = Self(1 << 6);
    /// `;`, `|` and `&`.
    pub const SEPARATOR: Self = Self(1 << 7);
    /// CR and LF.
    pub const LINE: Self = Self(1 << 8);
    /// `=`, `*`, `#`, `@`, `!`, `,`, `^`: common in code, rare in sentences.
    pub const SIGN: Self = Self(1 << 9);
    /// `%`.
    pub const PERCENT: Self = Self(1 << 10);
    /// Control characters except tabs and line breaks.
    pub const CONTROL: Self = Self(1 << 11);
    /// Bytes from 0x80 on.
    pub const HIGH: Self = Self(1 << 12);
    /// `:`.
    pub const COLON: Self = Self(1 << 13);
    /// Space and tab.
    pub const BLANK: Self = Self(1 << 14);
    /// `[` and `]`.
    pub const BRACKET: Self = Self(1 << 15);

    /// `-`.
    pub const DASH: Self = Self(1 << 16);
    /// `.`.
    pub const DOT: Self = Self(1 << 17);
    /// `+`.
    pub const PLUS: Self = Self(1 << 18);

    /// `_`.
    pub const UNDERSCORE: Self = Self(1 << 19);

    /// The empty set, of a value with only letters, digits, `?` and `~`.
    pub const NONE: Self = Self(0);

    /// The classes of a value.
    pub fn of(value: &[u8]) -> Self {
        value.iter().fold(Self::NONE, |mask, byte| mask.with(*byte))
    }

    /// Adds the class of a byte.
    #[inline]
    #[must_use]
    pub const fn with(self, byte: u8) -> Self {
        Self(self.0 | CLASSES[byte as usize])
    }

    /// Whether the set contains any of these classes.
    #[inline]
    pub const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    /// Whether the set contains only these classes.
    #[inline]
    pub const fn is_within(self, classes: Self) -> bool {
        self.0 & !classes.0 == 0
    }

    /// The set without the classes of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The union of both sets.
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Whether the two bytes occur next to each other.
pub fn has_pair(value: &[u8], first: u8, second: u8) -> bool {
    // Without an early return, so that the compiler vectorizes it.
    let next = value.get(1..).unwrap_or_default();
    value
        .iter()
        .zip(next)
        .fold(false, |found, (one, two)| found | (*one == first) & (*two == second))
}

/// Whether the three letters, given in lower case, occur next to each other in any case.
pub fn has_letters(value: &[u8], letters: [u8; 3]) -> bool {
    let from = |index| value.get(index..).unwrap_or_default().iter().map(|byte| byte | 0x20);
    from(0).zip(from(1)).zip(from(2)).fold(false, |found, ((one, two), three)| {
        found | (one == letters[0]) & (two == letters[1]) & (three == letters[2])
    })
}

static CLASSES: [u32; 256] = classes();

const fn classes() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\'' | b'"' | b'`' => Mask::QUOTE.0,
            b'<' | b'>' => Mask::ANGLE.0,
            b'(' | b')' => Mask::PAREN.0,
            b'{' | b'}' => Mask::BRACE.0,
            b'[' | b']' => Mask::BRACKET.0,
            b'$' => Mask::DOLLAR.0,
            b'/' => Mask::SLASH.0,
            b'\\' => Mask::BACKSLASH.0,
            b';' | b'|' | b'&' => Mask::SEPARATOR.0,
            b'\r' | b'\n' => Mask::LINE.0,
            b'=' | b'*' | b'#' | b'@' | b'!' | b',' | b'^' => Mask::SIGN.0,
            b'%' => Mask::PERCENT.0,
            b':' => Mask::COLON.0,
            b'-' => Mask::DASH.0,
            b'.' => Mask::DOT.0,
            b'+' => Mask::PLUS.0,
            b'_' => Mask::UNDERSCORE.0,
            b' ' | b'\t' => Mask::BLANK.0,
            0..0x20 | 0x7F => Mask::CONTROL.0,
            0x80.. => Mask::HIGH.0,
            _ => 0,
        };
        byte += 1;
    }
    table
}
