//! Limits the memory that batches hold at a time.
//!
//! Two semaphores, in MiB: one for bodies being received, one for batches from decompression until they are
//! durable. A batch that exceeds the budget waits, and its node with it. The memory a batch needs beyond its
//! decompressed bytes is bounded by [`MAX_BATCH_LINES`] and [`MAX_BATCH_ITEMS`].

use axum::http::{HeaderMap, header};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::AppError;
use crate::limits::{MAX_INFLATED_BYTES, MAX_SENT_BYTES};

/// Bodies being received, MiB.
const RECEIVE_MIB: usize = 128;

/// Decompressed batches being parsed and stored, MiB.
const INFLATED_MIB: usize = 128;

const MIB: usize = 1 << 20;

/// The memory budget of ingest.
#[derive(Debug)]
pub struct MemoryBudget {
    receive: Semaphore,
    inflated: Semaphore,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        MemoryBudget {
            receive: Semaphore::new(RECEIVE_MIB),
            inflated: Semaphore::new(INFLATED_MIB),
        }
    }
}

impl MemoryBudget {
    /// Waits for the memory to receive a body: its `Content-Length`, or the maximum if it has none.
    ///
    /// # Errors
    /// 503 during shutdown.
    pub async fn for_receiving(
        &self,
        headers: &HeaderMap,
    ) -> Result<SemaphorePermit<'_>, AppError> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let bytes = length.and_then(|text| text.parse().ok()).unwrap_or(MAX_SENT_BYTES);
        acquire(&self.receive, bytes.min(MAX_SENT_BYTES)).await
    }

    /// Waits for the memory of a decompressed body.
    ///
    /// # Errors
    /// 503 during shutdown.
    pub async fn for_inflating(&self, bytes: usize) -> Result<SemaphorePermit<'_>, AppError> {
        acquire(&self.inflated, bytes.min(MAX_INFLATED_BYTES)).await
    }
}

async fn acquire(budget: &Semaphore, bytes: usize) -> Result<SemaphorePermit<'_>, AppError> {
    let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).max(1);
    budget.acquire_many(mib).await.map_err(|_| AppError::unavailable("stopping"))
}
