'use strict';
// What every Node backend does alike: the subprotocol it selects, the cookie it sets, the greeting
// it is asked for in the query, and its description of the request it got.

const SUBPROTOCOL = 'interop.v1';
const SET_COOKIE = 'interop_backend=oven';

/// The message to push right behind the handshake, or null.
function greeting(request) {
  return new URL(request.url, 'ws://backend').searchParams.get('greet');
}

function described(request) {
  return {
    target: request.url,
    host: request.headers.host || '',
    origin: request.headers.origin || '',
    cookie: request.headers.cookie || '',
  };
}

module.exports = { SUBPROTOCOL, SET_COOKIE, greeting, described };
