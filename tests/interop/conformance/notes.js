'use strict';
// Why cases fail: with which servers, which cases, and what the server does. `dies`: its process has ended.

module.exports = [
  // Opening handshakes.
  { peers: /^(ws|Netty (rfc|hybi)|em-websocket (rfc|hybi-0[5-8]))/, cases: /refused\/http-1\.0/, why: 'a request of HTTP/1.0 is accepted' },
  { peers: /^(ws|websockets|Netty (rfc|hybi)|em-websocket (rfc|hybi-0[5-8]))/, cases: /refused\/no-host/, why: 'a request without Host is accepted' },
  {
    peers: /^websockets/,
    cases: /refused\/two-hosts/,
    why: 'a request with two Hosts is accepted; the program, which asks for the one, then ends the session with 1011',
  },
  {
    peers: /^(ws|websocket-driver)/,
    cases: /refused\/no-(connection|upgrade)/,
    why: 'to Node that is a plain request, and the program of the interop run has no answer to those',
  },
  {
    peers: /^Netty (rfc|hybi)/,
    cases: /refused\/(no-connection|no-upgrade|other-upgrade|post)/,
    why: 'nothing is looked at but the version and the key: any method, and any Upgrade and Connection or none, is accepted',
  },
  { peers: /^ws/, cases: /negotiation\/window-08/, why: 'a window of `08` is read as one of 8' },
  { peers: /^Netty/, cases: /refused\/(body|chunked)/, why: 'the body that is announced is waited for, without an end' },
  {
    peers: /^Netty (rfc|hybi)/,
    cases: /refused\/mixed/,
    why: 'the keys of Hixie-76 have it wait for the eight bytes behind the head, without an end',
  },
  {
    peers: /^Netty hixie-76/,
    cases: /refused\/(bare-lf|no-key2)/,
    why: 'the request is not understood, and not answered either',
  },
  {
    peers: /^Netty hixie-76/,
    cases: /opening\//,
    why: 'Upgrade is not exactly `WebSocket`, as the document has it and clients compare it',
  },
  {
    peers: /^Perl hixie-76/,
    cases: /keys\//,
    why: 'the number of a key is not checked: that it has digits, has 32 bits, and is a multiple of its spaces',
  },
  { peers: /^em-websocket (hixie-76|hybi-03)/, cases: /keys\/no-digits/, why: 'a key without digits is accepted' },
  {
    peers: /^Netty hixie-76/,
    cases: /keys\/(remainder|too-large)/,
    why: 'the number of a key is not checked: that it has 32 bits, and is a multiple of its spaces',
  },
  { peers: /^Perl/, cases: /opening\/spaces/, why: 'spaces behind a value are left in it, so that the program of the interop run does not know the version' },
  {
    peers: /^Perl (rfc|hybi)/,
    cases: /refused\/mixed/,
    why: 'the keys of Hixie-76 have it wait for the eight bytes behind the head, without an end',
  },
  {
    peers: /^(Perl|em-websocket)/,
    cases: /refused\/two-key/,
    why: 'a key that stands twice is accepted, and the proof is that of another key than the first',
  },
  {
    peers: /^Perl hixie-75/,
    cases: /opening\//,
    why: 'the answer begins in another way than the document has it, of which clients compare 85 bytes',
  },
  {
    peers: /^em-websocket/,
    cases: /opening\/(spaces|two-subprotocol-fields)/,
    why: 'its parser of HTTP does not take spaces behind a value, nor a field twice that is no list to it: it ends the stream without an answer',
  },
  { peers: /^em-websocket rfc6455/, cases: /refused\/version-13a/, why: 'a version is read up to what is no digit' },
  {
    peers: /^em-websocket (hixie-76|hybi-03)/,
    cases: /opening\/content-length-8|refused\/body/,
    why: 'a request with Content-Length is never answered, also where that announces key3',
  },

  {
    peers: /^em-websocket hybi-0[56]/,
    cases: /fragments\/5\.(19|20)|misc\/10\.1\.1|utf8\/6\.[12]\.[34]|utf8\/6\.1\.2|limits\/9\.[34]\.[1-7]|abuse\/(empty|endless)-fragments/,
    why: 'a message of more than two frames is lost: the second continuation is taken for the kind of the message',
  },

  // Frames of hybi-01 and later.
  {
    peers: /^(Perl|em-websocket) rfc6455/,
    cases: /masks\/unmasked/,
    why: 'frames of clients are taken without a mask',
  },
  { peers: /^em-websocket rfc6455/, cases: /lengths\/first-bit/, why: 'of a length of eight bytes only the last four count' },
  { peers: /^Perl rfc6455/, cases: /lengths\/first-bit/, why: 'the first bit of a length of eight bytes does not count' },
  { peers: /^(Perl|em-websocket)/, cases: /pings\/2\.5/, why: 'a ping of more than 125 bytes is answered' },
  { peers: /^(Perl|em-websocket) rfc6455/, cases: /reserved\/3/, why: 'reserved bits are not looked at' },
  { peers: /^Perl rfc6455/, cases: /opcodes\//, why: 'a frame of a reserved opcode is taken for a text' },
  {
    peers: /^Perl rfc6455/,
    cases: /fragments\/5\.([12]|9|1[0-8])$/,
    why: 'fragments are put together whatever they are of, control frames too, and whatever came before',
  },
  {
    peers: /^Perl/,
    cases: /utf8\//,
    why: 'Perl has an UTF-8 of its own, with surrogates and with what is beyond U+10FFFF, and echoes such texts',
  },
  {
    peers: /^websockets/,
    cases: /limits\/9\.[34]\.1/,
    why: 'a message may not have 16384 fragments: it closes with 1009',
  },

  // Compression.
  {
    peers: /^websockets/,
    cases: /deflate\/final-block(-empty)?$/,
    why: 'its inflater ends with a block that says that it is the last: each later message of the session is taken for an empty one',
  },

  // Closes.
  {
    peers: /^(Perl|em-websocket|Netty)/,
    cases: /closing\/7\.(9|13|3\.2)/,
    why: 'what stands in a close is not looked at but comes back, codes and bodies that may not be said among them',
  },
  {
    peers: /^Netty/,
    cases: /closing\/7\.1\.5/,
    why: 'a close between fragments ends the stream without an answer',
  },

  // Frames of the Hixie drafts.
  { peers: /^websocket-driver hixie-76/, dies: true, cases: /refused\/two-key2|keys\/(far-)?too-large/, why: 'a number of more than 32 bits in a key is an exception that nobody catches: the process ends' },
  {
    peers: /^websocket-driver/,
    dies: true,
    cases: /length-frames\/ff-inside|abuse\/endless-length|closing\/text-behind-ff-00/,
    why: 'an FF where no text has begun, inside of a frame with a length or behind the close, is an exception that nobody catches: the process ends',
  },
  {
    peers: /^(websocket-driver|Netty) hixie/,
    cases: /reserved\/type-(01|2a|7f)/,
    why: 'any first byte below 80 begins a text',
  },
  {
    peers: /^Netty hixie-76/,
    cases: /reserved\/(ff-with-length|type-81|type-fe)/,
    why: 'any first byte from 80 on begins a binary message',
  },
  {
    peers: /^Perl hixie/,
    cases: /length-frames\/|abuse\/endless-length/,
    why: 'there are no frames that begin with their length: bytes up to 00 are passed over, and what stands between a 00 and an FF is a text wherever it is',
  },
  { peers: /^Perl hixie-75/, cases: /reserved\/ff-00/, why: 'FF 00 is the close, as in Hixie-76, and comes back' },
  {
    peers: /^em-websocket hixie-75/,
    cases: /reserved\/ff-00|length-frames\/empty/,
    why: 'a frame of no length, of whatever type, is the close, as FF 00 is in Hixie-76, and FF 00 comes back',
  },
  {
    peers: /^em-websocket hixie/,
    cases: /length-frames\/|reserved\//,
    why: 'a frame that begins with its length is discarded, and what has come with it is left unread until more comes',
  },
  {
    peers: /^em-websocket hybi-05/,
    cases: /./,
    why: 'the close of the client comes back as it is, and so with its letter, C instead of S',
  },
];
