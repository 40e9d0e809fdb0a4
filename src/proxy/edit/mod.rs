//! What a route changes in a request on its way to the backend, and in the response on its way back.

mod fields;
pub(crate) mod forwarded;
mod target;

use super::route::Route;
use super::route::condition::Place;
use crate::config::route;
use crate::handshake::Headers;
use crate::net::Hop;
use anyhow::Context;
use fields::Changes;
use target::Rewrite;

/// A request, as far as a route can change it; its `Host` depends on the server and is not here.
pub(crate) struct Request<'a> {
    pub(crate) hop: &'a Hop,
    /// The host, as the client sent it.
    pub(crate) host: &'a [u8],
    pub(crate) target: &'a mut Vec<u8>,
    pub(crate) headers: &'a mut dyn Headers,
}

/// The changes of a route.
#[derive(Debug)]
pub(crate) struct Edits {
    rewrite: Option<Rewrite>,
    request: Changes,
    response: Changes,
}

impl Edits {
    /// The changes of the settings, where `places` are the paths of the route.
    ///
    /// # Errors
    /// When a change cannot be made.
    pub(super) fn new(settings: &route::Route, places: &[Place]) -> anyhow::Result<Self> {
        fields::check(settings)?;
        Ok(Self {
            rewrite: Rewrite::new(settings, places)?,
            request: Changes::new(&settings.request_headers).context("request_headers")?,
            response: Changes::new(&settings.response_headers).context("response_headers")?,
        })
    }
}

/// Changes a request: what the client says of itself goes, what is known of it comes, and then what
/// the settings say, which may change that too.
pub(crate) fn request(route: &Route, request: &mut Request<'_>) {
    let Request { hop, host, headers, .. } = request;
    let settings = &route.settings;
    if settings.basic_auth.is_some() {
        // It was for us; the backend has its own passwords or none.
        headers.remove("Authorization");
    }
    forwarded::tell(settings, hop, host, *headers);
    // An opening has its origin elsewhere; of plain requests few have one, and one more would be
    // taken for a request across origins.
    if let Some(origin) = &settings.origin_header
        && !headers.all("Origin").is_empty()
    {
        headers.set("Origin", origin.clone().into());
    }
    route.edits.request.apply(*headers);
    if let Some(rewrite) = &route.edits.rewrite {
        rewrite.apply(request.target);
    }
}

/// Changes a response.
pub(crate) fn response(route: &Route, headers: &mut dyn Headers) {
    route.edits.response.apply(headers);
}
