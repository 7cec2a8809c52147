//! Connections: their number, their timeouts, and graceful shutdown.
//!
//! Clients are unauthenticated when they connect, so a connection that does not send a complete header in time
//! is closed, for the first request and between requests alike. Connections beyond the limit wait to be accepted.
//!
//! hyper-util's `GracefulShutdown` would wait until the timeout for a connection that has sent half of a header; this
//! shutdown waits only for connections with a request in flight.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::limits::{MAX_CONNECTIONS, MIN_CONNECTIONS};
use crate::listener::{Listener, Stream};
use api_sessions_cloud_config::site::Peer;

/// Longest wait for a request's header.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that requests in flight have to complete during shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// Time that an idle connection has during shutdown, so that a response already written is still sent.
const LINGER: Duration = Duration::from_millis(200);

/// Pause after a failed accept, such as with too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Longest wait for a request's header.
    pub header_timeout: Duration,
    /// Time that requests in flight have to complete during shutdown.
    pub grace: Duration,
}

impl Limits {
    /// Raises the limit of open files to its hard limit, and allows half of it for connections; the rest is for
    /// the store.
    pub fn of_system() -> Limits {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        let files = if raised.is_ok() { limit.maximum } else { limit.current };
        let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        let connections = (files / 2).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS);
        Limits { connections, header_timeout: HEADER_TIMEOUT, grace: GRACE }
    }
}

/// Serves until `stopping` is true, then completes the requests in flight.
pub async fn serve(
    listener: Listener,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let stop = stopping.clone();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = accept(&listener, &permits) => {
                if let Some((stream, peer, permit)) = accepted {
                    let (router, stop) = (router.clone(), stop.clone());
                    connections.spawn(async move {
                        match stream {
                            Stream::Tcp(stream) => connection(stream, peer, router, limits, stop).await,
                            Stream::Unix(stream) => connection(stream, peer, router, limits, stop).await,
                        }
                        drop(permit);
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection, once the limit allows it.
async fn accept(
    listener: &Listener,
    permits: &Arc<Semaphore>,
) -> Option<(Stream, Peer, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection until it closes.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let in_flight = InFlight::default();
    let inner = TowerToHyperService::new(router);
    let service = Service { inner, in_flight: in_flight.clone(), peer };
    let mut builder = http1::Builder::new();
    let builder = builder.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // Errors are the client's: a disconnect, a timeout, invalid HTTP.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    if !in_flight.any() && timeout(LINGER, connection.as_mut()).await.is_ok() {
        return;
    }
    // Idle connections and incomplete headers are not waited for.
    if in_flight.any() && timeout(limits.grace, connection).await.is_err() {
        tracing::warn!("request aborted at the end of the grace period");
    }
}

/// Number of a connection's requests in flight, until the last byte of the response.
#[derive(Debug, Clone, Default)]
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn enter(&self) -> InFlightGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self.clone())
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// One request in flight, until dropped.
struct InFlightGuard(InFlight);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The router. Counts requests in flight, and adds the [`Peer`] to their extensions.
struct Service {
    inner: TowerToHyperService<Router>,
    in_flight: InFlight,
    peer: Peer,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let guard = self.in_flight.enter();
        request.extensions_mut().insert(self.peer);
        let response = hyper::service::Service::call(&self.inner, request);
        Box::pin(async move {
            let response = response.await?;
            Ok(response.map(|body| Body::new(CountedBody { body, _guard: guard })))
        })
    }
}

/// A response body; its request is in flight until it is dropped.
struct CountedBody {
    body: Body,
    _guard: InFlightGuard,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
