//! Questions that are answered page by page.

use super::{StoreError, cursor};

/// A question whose answer has pages.
pub trait Paged: Sized {
    /// All of it but the cursor and the length of a page: a cursor goes with no other question.
    fn question(&self) -> String;
    /// `next` of the page before.
    fn cursor(&mut self) -> &mut Option<String>;

    /// A cursor as clients get it: it goes with this question alone.
    fn seal(&self, next: Option<String>) -> Option<String> {
        next.map(|next| cursor::seal(&self.question(), &next))
    }

    /// With the store's own cursor, where a client gave one that [`Self::seal`] made.
    ///
    /// # Errors
    /// [`StoreError::Invalid`]: it is of another question.
    fn unseal(mut self) -> Result<Self, StoreError> {
        let question = self.question();
        if let Some(cursor) = self.cursor() {
            *cursor = cursor::unseal(&question, cursor)?;
        }
        Ok(self)
    }
}
