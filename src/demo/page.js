// The controls of the demo's page: the visitor's own WebSocket, through a proxy of the demo.
(() => {
  'use strict';

  const NAMES = { old: 'hixie-76', modern: 'rfc6455' };
  const BINARY = Uint8Array.from([0xde, 0xad, 0xbe, 0xef, 0x00, 0xff]);
  const SAMPLES = {
    emoji: () => 'é€😀',
    empty: () => '',
    large: () => 'All work and no play. '.repeat(4546).slice(0, 100000),
    binary: () => BINARY,
  };

  const at = (id) => document.getElementById(id);
  const view = document.querySelector('frame-view');
  const samples = [...document.querySelectorAll('[data-sample]')];
  const servers = [...document.querySelectorAll('[name=server]')];
  // By this the view knows the sessions of this page.
  const tab = crypto.getRandomValues(new Uint32Array(1))[0].toString(16);
  view.setAttribute('own', `?tab=${tab}`);
  let socket = null;

  const chosen = () => servers.find((server) => server.checked).value;

  function say(text) {
    at('heard').textContent = text;
  }

  function enable(open) {
    for (const control of [at('text'), at('send'), at('close'), ...samples]) control.disabled = !open;
    for (const server of servers) server.disabled = socket !== null;
    at('connect').disabled = socket !== null;
    document.body.classList.toggle('talking', socket !== null);
  }

  function describe(data) {
    if (typeof data !== 'string') return `${data.byteLength} bytes of binary`;
    if (data === '') return 'an empty text';
    return data.length > 80 ? `a text of ${data.length} characters` : `“${data}”`;
  }

  function connect() {
    const own = new WebSocket(`ws://${location.hostname}:${document.body.dataset[chosen()]}/demo?tab=${tab}`);
    own.binaryType = 'arraybuffer';
    socket = own;
    enable(false);
    say('Connecting…');
    own.addEventListener('open', () => {
      enable(true);
      say(`Connected to the server that speaks ${NAMES[chosen()]}. It says back whatever it hears.`);
      at('text').focus();
    });
    own.addEventListener('message', ({ data }) => say(`The server said ${describe(data)}.`));
    own.addEventListener('close', ({ code, reason, wasClean }) => {
      socket = null;
      enable(false);
      const how = wasClean ? `code ${code}${reason && `, “${reason}”`}` : `without a closing handshake, code ${code}`;
      say(`Closed: ${how}.`);
    });
  }

  at('connect').addEventListener('click', connect);
  at('close').addEventListener('click', () => {
    say('Closing…');
    socket.close(1000, 'bye');
  });
  at('form').addEventListener('submit', (event) => {
    event.preventDefault();
    socket.send(at('text').value);
    at('text').select();
  });
  for (const sample of samples) {
    sample.addEventListener('click', () => socket.send(SAMPLES[sample.dataset.sample]()));
  }
  for (const server of servers) {
    server.addEventListener('change', () => { at('hop').textContent = NAMES[chosen()]; });
  }
  at('only').addEventListener('change', () => view.toggleAttribute('only', at('only').checked));

  view.addEventListener('state', ({ detail }) => {
    const banner = at('banner');
    banner.hidden = detail === 'live';
    if (detail === 'away') banner.textContent = 'The demo does not answer; perhaps it was ended. Trying again…';
    if (detail === 'over') {
      banner.textContent = 'The demo has ended. Start it again with “hybridge demo”; it may have another address then.';
      at('connect').disabled = true;
    }
  });
})();
