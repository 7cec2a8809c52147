//! Memory that batches take at a time, and whom it makes wait.
//!
//! Two counts, in MiB: of bodies while they arrive, and of batches from inflating until they are durable. A
//! batch that finds no room waits, and so does its node. What a batch takes beyond its inflated bytes is
//! bounded by [`super::batch::MAX_LINES`] and [`super::batch::MAX_ITEMS`].

use axum::http::{HeaderMap, header};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::body::{MAX_INFLATED, MAX_SENT};
use crate::error::AppError;

/// Bodies that arrive, MiB.
const ARRIVING: usize = 128;

/// Batches that are read and stored, inflated, MiB.
const INFLATED: usize = 128;

const MIB: usize = 1 << 20;

/// Room for batches.
#[derive(Debug)]
pub struct Room {
    arriving: Semaphore,
    inflated: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        Room { arriving: Semaphore::new(ARRIVING), inflated: Semaphore::new(INFLATED) }
    }
}

impl Room {
    /// Room for a body that is about to arrive: as long as it says, or as long as it may be.
    ///
    /// # Errors
    /// 503 where the server ends.
    pub async fn to_arrive(&self, headers: &HeaderMap) -> Result<SemaphorePermit<'_>, AppError> {
        let said = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let bytes = said.and_then(|text| text.parse().ok()).unwrap_or(MAX_SENT);
        take(&self.arriving, bytes.min(MAX_SENT)).await
    }

    /// Room for a body of so many bytes, inflated.
    ///
    /// # Errors
    /// 503 where the server ends.
    pub async fn to_inflate(&self, bytes: usize) -> Result<SemaphorePermit<'_>, AppError> {
        take(&self.inflated, bytes.min(MAX_INFLATED)).await
    }
}

async fn take(room: &Semaphore, bytes: usize) -> Result<SemaphorePermit<'_>, AppError> {
    let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).max(1);
    room.acquire_many(mib).await.map_err(|_| AppError::unavailable("stopping"))
}
