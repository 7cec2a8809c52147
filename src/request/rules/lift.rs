//! Denials by rules that are taken off by hand.
//!
//! Beside the counts of rules, each session or address that a rule denied has its own entry of words:
//!
//! | word | content |
//! | --- | --- |
//! | 0 | id of the rule |
//! | 1, 2 | end and begin of the entry, milliseconds |
//! | 3 | end of the time in which no rule puts it back |

use api_sessions_protocol::SessionId;

use crate::directives::MainConf;

/// Seed of the keys of these entries: no rule's count has it.
pub(super) const DENIALS: u64 = 0x6465_6e69_616c_7300;

/// An entry of the denylist was taken off by hand: for half of its time, no rule puts it back.
pub(crate) fn lifted(main: &MainConf, session: &SessionId, now_ms: u64) {
    let Some(handle) = main.runtime().rule_counts_handle() else { return };
    let key = handle.counts().hash(DENIALS, &session.0);
    if handle.counts().read(key).is_none() {
        return;
    }
    handle.update(key, now_ms, |words| {
        if now_ms < words[1] {
            words[3] = now_ms + words[1].saturating_sub(words[2]) / 2;
            words[1] = 0;
        }
    });
}
