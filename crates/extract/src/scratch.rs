//! Reusable decoding buffers.

/// Buffers for decoding. Each grows to a few times [`MAX_VALUE_BYTES`] at most.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The value of the source, then the output of each decoder.
    pub(crate) value: Vec<u8>,
    /// Output of the current decoder.
    pub(crate) output: Vec<u8>,
    /// A document contained in the value.
    pub(crate) document: Vec<u8>,
    /// Output of one decoder on its way to the next.
    pub(crate) carry: Vec<u8>,
}
