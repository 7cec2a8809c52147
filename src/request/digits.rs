//! Numbers as text, without an allocation.

/// A number in decimal.
pub(super) struct Digits {
    /// As many as `u64::MAX` has; the last of them are the number's.
    bytes: [u8; 20],
    start: usize,
}

impl Digits {
    pub(super) fn of(number: u64) -> Self {
        let mut digits = Self { bytes: [b'0'; 20], start: 20 };
        let mut rest = number;
        for (at, digit) in digits.bytes.iter_mut().enumerate().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                digits.start = at;
                break;
            }
        }
        digits
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}
