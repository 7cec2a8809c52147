//! Users of a mailbox killed at any instruction: no message is torn, and the next one comes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::child_process::{Random, deaths, torture};
use super::zone::Zone;
use crate::Mailbox;

#[repr(C)]
struct Shared {
    stop: AtomicU64,
    taken: AtomicU64,
    torn: AtomicU64,
}

/// A message consists of its length's last byte.
fn is_whole(message: &[u8]) -> bool {
    message.iter().all(|byte| *byte == message.len() as u8)
}

fn work(mailbox: &Mailbox, shared: &Shared, seed: u64) {
    let mut random = Random(seed);
    while shared.stop.load(Ordering::Relaxed) == 0 {
        let len = random.below(600);
        if random.below(3) > 0 {
            // Full and Busy are expected: the holder may be a zombie.
            let _ = mailbox.post(&vec![len as u8; len as usize], std::process::id());
            continue;
        }
        for message in mailbox.take(len as usize, std::process::id()) {
            shared.taken.fetch_add(1, Ordering::Relaxed);
            if !is_whole(&message) {
                shared.torn.store(1, Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn users_of_a_mailbox_may_die_at_any_instruction() {
    let zone = Zone::new(8 << 10);
    let mailbox = zone.attach_mailbox();
    let memory = Zone::new(size_of::<Shared>());
    // SAFETY: zeroed, large enough, aligned to a page, and atomics only.
    let shared = unsafe { memory.base().cast::<Shared>().as_ref() };

    torture(3, deaths(), &shared.stop, |_, seed| work(&mailbox, shared, seed));

    assert_eq!(shared.torn.load(Ordering::Relaxed), 0, "a message was torn");
    assert!(shared.taken.load(Ordering::Relaxed) > 0);
    let pid = std::process::id();
    assert!(mailbox.take(usize::MAX, pid).iter().all(|message| is_whole(message)));
    mailbox.post(b"the last", pid).unwrap();
    assert_eq!(mailbox.take(usize::MAX, pid), [b"the last"]);
}
