//! Cache of recent results of [`super::control`].

use std::collections::HashMap;
use std::time::Instant;

use api_sessions_store::TokenInfo;

/// Recent results: every API request looks up its token, every node the version.
#[derive(Default)]
pub(super) struct Known {
    pub(super) tokens: HashMap<[u8; 32], (Instant, Option<TokenInfo>)>,
    pub(super) version: Option<(Instant, String)>,
    pub(super) last: u64,
}

impl Known {
    pub(super) fn forget(&mut self) {
        self.tokens.clear();
        self.version = None;
    }
}
