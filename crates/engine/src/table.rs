//! Memory that all workers share: session table, denylist, record queue.
