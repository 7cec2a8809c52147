//! Requests that came before it was known that their session is an alias of another: they go to that one, in the
//! open segment that has them.

use std::collections::HashMap;

use ahash::RandomState;
use rusqlite::{Transaction, params};

use super::aliases::Join;
use super::codec::{self, Key};
use super::live::Live;
use super::segment::{SegmentId, Segments};

/// Sessions of an open segment that change hands in a transaction.
#[derive(Debug, Default)]
pub(super) struct Moves {
    list: Vec<Move>,
    /// Numbers of sessions that are known by another key, or by one more, from now on.
    pub(super) numbers: HashMap<Key, u32, RandomState>,
}

#[derive(Debug)]
enum Move {
    /// The requests of a session go to another one.
    Into { session: u32, alias: Key, root: u32 },
    /// A session has the key of the one that it is an alias of, which the segment did not have.
    Rename { session: u32, root: Key },
}

/// Whether a join concerns a segment.
pub(super) fn concerns(live: &Live, joins: &[Join]) -> bool {
    joins.iter().any(|(alias, _)| own(live, alias).is_some())
}

/// The number of a session that has requests of its own under this key.
fn own(live: &Live, key: &Key) -> Option<u32> {
    let session = *live.by_key.get(key)?;
    live.session(session).filter(|known| known.key == *key && !known.requests.is_empty())?;
    Some(session)
}

impl Moves {
    /// Moves in the file. A session that other segments have, too, stays: the parts there cannot be moved.
    pub(super) fn store(
        segments: &Segments,
        id: SegmentId,
        live: &Live,
        transaction: &Transaction<'_>,
        joins: &[Join],
    ) -> rusqlite::Result<Moves> {
        let mut moves = Moves::default();
        for (alias, root) in joins {
            let Some(session) = own(live, alias).filter(|_| !moves.numbers.contains_key(alias))
            else {
                continue;
            };
            let mut others = segments.list().into_iter().filter(|segment| segment.id != id);
            if others.any(|segment| segment.find(alias).is_some()) {
                continue;
            }
            match moves.numbers.get(root).or_else(|| live.by_key.get(root)).copied() {
                Some(root) if root == session => continue,
                Some(number) => {
                    let mut update = transaction
                        .prepare_cached("UPDATE request SET session = ? WHERE row = ?")?;
                    let requests = live.session(session).map(|known| &known.requests);
                    for (_, row) in requests.into_iter().flatten() {
                        update.execute(params![number, row])?;
                    }
                    rename(transaction, session, &vacant(alias))?;
                    moves.list.push(Move::Into { session, alias: *alias, root: number });
                    moves.numbers.insert(*alias, number);
                }
                None => {
                    rename(transaction, session, root)?;
                    moves.list.push(Move::Rename { session, root: *root });
                    moves.numbers.extend([(*alias, session), (*root, session)]);
                }
            }
        }
        Ok(moves)
    }

    /// Sessions that have a key that is new in the segment.
    pub(super) fn renamed(&self) -> HashMap<Key, u32, RandomState> {
        let new = self.list.iter().filter_map(|one| match one {
            Move::Rename { session, root } => Some((*root, *session)),
            Move::Into { .. } => None,
        });
        new.collect()
    }

    /// Moves in memory, once the file has it, and the requests of the transaction are known.
    pub(super) fn apply(self, live: &mut Live) {
        for one in &self.list {
            match one {
                Move::Into { session, alias, root } => live.merge(*session, *root, vacant(alias)),
                Move::Rename { session, root } => live.rename(*session, *root),
            }
        }
        live.by_key.extend(self.numbers);
    }
}

fn rename(transaction: &Transaction<'_>, session: u32, key: &Key) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE session SET session = ?, name = NULL WHERE id = ?")?
        .execute(params![key, session])
        .map(|_| ())
}

/// The key of a session without requests: nobody asks for it.
fn vacant(alias: &Key) -> Key {
    codec::session_key(&format!("vacant {}", codec::hex(alias)))
}
