//! Which session a request belongs to: own keys, built-in set, IP + User-Agent, IP; ids and hashes.
