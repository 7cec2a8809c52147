//! axum's extractors, with the error body of this API: `{error, detail}`.

use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::AppError;
use crate::ingest::body::READ_TIME;

/// A request that cannot be parsed. The response is JSON; for browsers, Console routes replace it with a page.
#[derive(Debug, Clone)]
pub struct Rejection(pub AppError);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = self.0.clone().into_response();
        response.extensions_mut().remove::<AppError>();
        response.extensions_mut().insert(self);
        response
    }
}

/// A query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        let wrong = |error: QueryRejection| Rejection(AppError::bad_request(error.body_text()));
        read.map(|axum::extract::Query(value)| Query(value)).map_err(wrong)
    }
}

/// The query string of a route without parameters; any parameter is an error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// Path parameters.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        let wrong = |error: PathRejection| Rejection(AppError::bad_request(error.body_text()));
        read.map(|axum::extract::Path(value)| Path(value)).map_err(wrong)
    }
}

/// A posted form.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let reading = axum::extract::Form::from_request(request, state);
        let late = |_| {
            let detail = "the form took too long";
            Rejection(AppError::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail))
        };
        let read = tokio::time::timeout(READ_TIME, reading).await.map_err(late)?;
        read.map(|axum::extract::Form(value)| Form(value)).map_err(|error: FormRejection| {
            let text = error.body_text();
            Rejection(match error.status() {
                StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                    AppError::new(error.status(), "unsupported_media_type", text)
                }
                StatusCode::PAYLOAD_TOO_LARGE => AppError::too_large(text),
                _ => AppError::bad_request(text),
            })
        })
    }
}
