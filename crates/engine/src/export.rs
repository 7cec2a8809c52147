//! From a worker's queue to the cloud: batch, client, retry, spool, sync, counters.
