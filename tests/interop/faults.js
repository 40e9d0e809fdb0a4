'use strict';
// What a peer itself does wrong, and which checks that prevents. Such a check is held all the same:
// when it passes, the fault is stale and fails the run. Only a fault that is a `race` may pass.
// `where` says in which pairs it shows, `shown` how we know that it is the peer and not hybridge.

const conversations = require('./conversations');

const is = (end, peer, ...dialects) => end.peer === peer && (dialects.length === 0 || dialects.includes(end.dialect));

module.exports = [
  {
    peer: 'PhantomJS',
    checks: ['spaced path: opens'],
    where: ({ direct, client }) => direct && is(client, 'PhantomJS'),
    reason: 'it sends %20 in a path as a raw space, which is not HTTP; hybridge makes it good for the backend',
    shown: 'run --direct: the backends refuse its request line',
  },
  {
    peer: 'PhantomJS',
    checks: ['client closes: the backend sees it'],
    where: ({ direct, client }) => direct && is(client, 'PhantomJS'),
    reason: 'its close() ends TCP without FF 00; hybridge says FF 00 to the backend in its place',
    shown: 'run --direct: each backend tells the end of TCP',
  },
  {
    peer: 'PhantomJS',
    checks: ['backend closes: the client sees it', 'backend closes: its own close ends'],
    where: ({ direct, client, backend }) => direct && is(client, 'PhantomJS') && ['Perl', 'Netty'].includes(backend.peer),
    reason: 'it does not answer FF 00, and these backends wait for the answer; hybridge ends TCP after two seconds',
    shown: 'run --direct: with backends that end TCP by themselves it sees the close',
  },
  {
    peer: 'em-websocket',
    checks: conversations.map(({ name }) => `${name}: opens`),
    where: ({ direct, client, backend }) => direct && ['Perl', 'Netty'].includes(client.peer) && is(backend, 'em-websocket', 'hixie-76'),
    reason: 'it waits for key3 for ever when the request has the Content-Length: 8 that these clients send',
    shown: 'run --direct; http_parser.rb gives these eight bytes as a body, not as upgrade_data',
  },
  {
    peer: 'em-websocket',
    checks: [
      'messages: text, 70000 bytes',
      'messages: text, 1 MiB',
      'messages: burst of 20, large and empty in turn',
      'binary: binary comes back, 200000 bytes',
    ],
    where: ({ direct, backend }) => !direct && is(backend, 'em-websocket', 'hybi-06', 'hybi-05'),
    // Into how many frames hybridge cuts a message depends on how it arrives.
    race: true,
    reason: 'it loses a message of more than two frames; for such backends there is `fragments = "coalesce"`',
    shown: 'framing05.rb of 0.5.1: `@frame_type = frame_type` takes the second fragment for the first; run --direct: in one frame the same messages come back',
  },
  {
    peer: 'em-websocket',
    checks: ['client closes: its own close ends'],
    where: ({ direct, backend }) => direct && is(backend, 'em-websocket', 'hybi-05'),
    reason: 'it answers the C of a client with C, where draft 05 section 4.5.1 has S; hybridge does not look at it',
    shown: 'run --direct: the client tells `frame with 43`; message_processor_03.rb of 0.5.1 says a close again',
  },
  {
    peer: 'em-websocket',
    checks: ['binary: the session outlives a binary message that the backend discards'],
    where: ({ backend }) => is(backend, 'em-websocket', 'hixie-76', 'hixie-75'),
    race: true,
    reason: 'having discarded an 80-frame it leaves what came in the same read until there is another read',
    shown: 'framing76.rb of 0.5.1: behind the discarding stands `error = true`, which ends the loop',
  },
];
