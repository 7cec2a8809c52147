//! Connections: how many there are, how long one may be silent, and how they end.
//!
//! Whoever connects has no token yet. A connection that does not send a request's head in time is closed, the
//! first one and between requests alike, and no more are taken than there is room for: more wait to be accepted.

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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Most connections, where the operating system allows as many: each node holds two.
const MOST: usize = 10_000;

/// Fewest connections, however few files may be open.
const FEWEST: usize = 64;

/// Longest wait for a request's head.
const HEAD: Duration = Duration::from_secs(30);

/// How long requests may go on once the server is to end.
const GRACE: Duration = Duration::from_secs(10);

/// How long a connection without a request stays, once the server is to end: what was answered is still sent.
const LINGER: Duration = Duration::from_millis(200);

/// Pause where no connection can be accepted: too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// What connections may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most of them.
    pub most: usize,
    /// Longest wait for a request's head.
    pub head: Duration,
    /// How long requests may go on once the server is to end.
    pub grace: Duration,
}

impl Limits {
    /// As many connections as files may be open, but for half of them, which is for the store. As many files
    /// may be open as the administrator allows.
    pub fn of_system() -> Limits {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        let files = if raised.is_ok() { limit.maximum } else { limit.current };
        let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        Limits { most: (files / 2).clamp(FEWEST, MOST), head: HEAD, grace: GRACE }
    }
}

/// Serves until `stopping`, then lets requests end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.most));
    let mut connections = JoinSet::new();
    let stop = stopping.clone();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = accept(&listener, &room) => {
                if let Some((stream, place)) = accepted {
                    let (router, stop) = (router.clone(), stop.clone());
                    connections.spawn(async move {
                        connection(stream, router, limits, stop).await;
                        drop(place);
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            sleep(PAUSE).await;
            None
        }
    }
}

/// One connection, to its end.
async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let busy = Busy::default();
    let service = Counted { inner: TowerToHyperService::new(router), busy: busy.clone() };
    let mut builder = http1::Builder::new();
    let builder = builder.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // An error is the client's: it went away, it was silent for too long, it does not speak HTTP.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    if !busy.is_busy() && timeout(LINGER, connection.as_mut()).await.is_ok() {
        return;
    }
    // One that is silent, or has sent half of a head, is not waited for.
    if busy.is_busy() && timeout(limits.grace, connection).await.is_err() {
        tracing::warn!("a request was still running and is cut");
    }
}

/// Requests of a connection that are under way, until the last byte of the answer.
#[derive(Debug, Clone, Default)]
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn enter(&self) -> Running {
        self.0.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// One that is under way.
struct Running(Busy);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The routes, with a count of what is under way.
struct Counted {
    inner: TowerToHyperService<Router>,
    busy: Busy,
}

impl hyper::service::Service<Request<Incoming>> for Counted {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let running = self.busy.enter();
        let answer = hyper::service::Service::call(&self.inner, request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| Body::new(CountedBody { body, _running: running })))
        })
    }
}

/// The body of an answer; while it is there, the request is under way.
struct CountedBody {
    body: Body,
    _running: Running,
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
