//! Denials by rules that were removed manually.
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

/// Hash seed of these entries, distinct from that of any rule's counts.
pub(super) const DENIALS: u64 = 0x6465_6e69_616c_7300;

/// Records that an entry of the denylist was removed manually: for half of its duration no rule restores it.
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
