//! Memory that is used again from value to value.

/// Buffers for decoding. Each grows to at most a few times [`super::MAX_VALUE_BYTES`].
#[derive(Debug, Default)]
pub struct Scratch {
    /// What the source yielded, then what each decoder made of it.
    pub(crate) value: Vec<u8>,
    /// What the decoder at work writes.
    pub(crate) output: Vec<u8>,
    /// A document inside the value.
    pub(crate) document: Vec<u8>,
    /// What one decoder made, on its way to the next.
    pub(crate) carry: Vec<u8>,
}
