//! The values of a request, as an application would see them; input of the detectors.
//!
//! Path, query, cookies, headers and the observed part of the body are split into values ([`fields`]). Each
//! value is passed as it was sent and in each form that its bytes hint at ([`forms`]); one pass collects its
//! byte classes ([`Mask`]). A [`View`] is such a form in lower case, with scans whose steps are counted and
//! limited. This crate knows nothing about attacks.
#![forbid(unsafe_code)]

mod class;
pub mod fields;
pub mod forms;
mod input;
pub mod limits;
mod view;

pub use class::{Mask, has_letters, has_pair};
pub use input::{Input, InputKind, Place, has_operator};
pub use view::{FREE_STEPS, STEPS_PER_BYTE, View, is_space, is_word};
