// The frame view, a custom element that shows the event stream of an inspector:
//
//   <frame-view src="/frames" own="?tab=1a2b" only></frame-view>
//
// Each session has its two legs side by side, time downwards, and in one row what is one thing said
// on both. `own` is a part of the request target by which sessions of this page are known; `only`
// hides all others. What is new in a session of this page is scrolled to while its end is in sight. It tells its page with an event `state` whether the stream is live, away or over.
(() => {
  'use strict';

  // What is kept in the page; what is older leaves it.
  const SESSIONS = 30;
  const ROWS = 200;
  // How many bytes of a part are written out.
  const BYTES = 24;
  // How many characters of a text stand in a title.
  const CHARACTERS = 40;
  const RETRY = 2000;

  const LABELS = {
    key: 'proof',
    start: 'type',
    length: 'length',
    mask: 'mask key',
    payload: 'payload',
    code: 'close code',
    end: 'end',
    unknown: 'unknown',
  };

  const LEGS = { client: 'client ⇄ proxy', backend: 'proxy ⇄ server' };

  function element(name, kind, text) {
    const made = document.createElement(name);
    if (kind) made.className = kind.replace(/\S+/g, 'fv-$&');
    if (text !== undefined) made.textContent = text;
    return made;
  }

  const count = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

  const spaced = (hex) => (hex.match(/../g) || []).join(' ');

  function hexOf(part, hex) {
    const more = part.omitted + Math.max(0, hex.length / 2 - BYTES);
    return spaced(hex.slice(0, BYTES * 2)) + (more ? ` … ${count(more, 'more byte')}` : '');
  }

  function textOf(hex) {
    const bytes = Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
    return new TextDecoder().decode(bytes);
  }

  function sizeOf(frame) {
    return frame.parts.reduce((sum, part) => sum + part.bytes.length / 2 + part.omitted, 0);
  }

  function shortened(text) {
    const characters = [...text];
    return characters.length > CHARACTERS ? `${characters.slice(0, CHARACTERS).join('')}…` : text;
  }

  // A head: its lines as text, and below a line what it means.
  function linesOf(parts) {
    const list = element('ol', 'lines');
    for (const part of parts) {
      const text = textOf(part.bytes).replace(/[\r\n]+$/, '');
      const line = element('li', part.role, text || '⏎');
      if (part.omitted) line.append(` … ${count(part.omitted, 'more byte')}`);
      if (part.note) line.append(element('small', '', part.note));
      list.append(line);
    }
    return list;
  }

  // Bytes part by part. The parts of a frame are one stop of the Tab key; arrows go between them.
  function bytesOf(parts) {
    const box = element('div');
    const list = element('div', 'parts');
    list.setAttribute('role', 'toolbar');
    list.setAttribute('aria-label', 'Bytes by meaning');
    const note = element('p', 'note');
    note.setAttribute('aria-live', 'polite');
    let pinned = null;
    const show = (part) => { note.textContent = part ? part.note : ''; };
    for (const part of parts) {
      const button = element('button', `part ${part.role}`);
      button.type = 'button';
      button.tabIndex = list.children.length ? -1 : 0;
      button.setAttribute('aria-pressed', 'false');
      button.append(element('span', 'hex', hexOf(part, part.bytes)));
      if (part.unmasked !== null) button.append(element('span', 'plain', hexOf(part, part.unmasked)));
      button.append(element('span', 'label', part.unmasked !== null ? `${LABELS[part.role]}, masked and not` : LABELS[part.role]));
      button.addEventListener('mouseenter', () => show(part));
      button.addEventListener('mouseleave', () => show(pinned));
      button.addEventListener('focus', () => show(part));
      button.addEventListener('blur', () => show(pinned));
      button.addEventListener('click', () => {
        pinned = pinned === part ? null : part;
        for (const other of list.children) {
          other.setAttribute('aria-pressed', String(other === button && pinned === part));
        }
        show(pinned);
      });
      list.append(button);
    }
    list.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const all = [...list.children];
      const next = all[all.indexOf(document.activeElement) + step];
      if (!next) return;
      event.preventDefault();
      for (const each of all) each.tabIndex = each === next ? 0 : -1;
      next.focus();
    });
    box.append(list, note);
    return box;
  }

  function frameOf(frame) {
    const box = element('article', `frame ${frame.side}`);
    box.dataset.name = frame.name;
    const title = element('h4', 'title');
    const up = (frame.side === 'client') === (frame.way === 'read');
    const arrow = element('span', 'arrow', up ? '──▶' : '◀──');
    arrow.setAttribute('role', 'img');
    arrow.setAttribute('aria-label', up ? 'towards the server' : 'towards the client');
    title.append(element('span', 'leg', LEGS[frame.side]), arrow, element('span', 'name', frame.name));
    if (frame.text) title.append(element('q', 'said', shortened(frame.text)));
    if (!frame.whole) title.append(element('span', 'unknown', 'cut'));
    title.append(element('span', 'size', count(sizeOf(frame), 'byte')));
    box.append(title);
    // What stands on lines is text, what comes behind the lines is not.
    const isLine = (part) => part.role === 'line' || (frame.kind === 'opening' && part.bytes.endsWith('0d0a'));
    const lines = frame.parts.filter(isLine);
    const rest = frame.parts.filter((part) => !isLine(part));
    if (lines.length) box.append(linesOf(lines));
    if (rest.length) box.append(bytesOf(rest));
    return box;
  }

  class Session {
    constructor(number) {
      this.box = element('details', 'session');
      this.box.dataset.session = number;
      this.who = element('span', 'who', `Session ${number}`);
      this.state = element('span', 'state', '');
      const summary = element('summary');
      summary.append(this.who, element('span', 'mine', 'yours'), this.state);
      const legs = element('div', 'legs');
      this.speaks = { client: element('b', '', '…'), backend: element('b', '', '…') };
      for (const side of ['client', 'backend']) {
        const leg = element('p', '', `${LEGS[side]}  `);
        leg.append(this.speaks[side]);
        legs.append(leg);
      }
      this.list = element('ol', 'rows');
      this.rows = new Map();
      this.box.append(summary, legs, this.list);
    }

    take(entry, own) {
      switch (entry.event) {
        case 'opened':
          this.state.textContent = 'open';
          break;
        case 'speaks':
          this.speaks[entry.side].textContent = entry.dialect;
          this.who.textContent = `Session ${entry.session}: ${this.speaks.client.textContent} → ${this.speaks.backend.textContent}`;
          break;
        case 'frame':
          if (own && entry.side === 'client' && entry.name === 'opening handshake'
            && textOf(entry.parts[0].bytes).includes(own)) {
            this.box.classList.add('fv-own');
            this.box.open = true;
            this.following = true;
          }
          this.frame(entry);
          break;
        case 'loss':
          this.remark('loss', `Lost in translation: ${entry.what}.`);
          break;
        case 'ending':
          this.remark('remark', `The session ends: ${entry.how}.`);
          break;
        case 'ended':
          this.state.textContent = 'ended';
          break;
      }
    }

    frame(entry) {
      let row = this.rows.get(entry.of);
      if (!row || row.querySelector(`.fv-${entry.side}`)) {
        row = element('li', 'row');
        this.rows.set(entry.number, row);
        this.append(row);
      }
      const made = frameOf(entry);
      // On a narrow screen, where they lie one below the other, who spoke first is above.
      row.append(made);
      if (this.following) row.scrollIntoView({ block: 'nearest' });
    }

    remark(kind, text) {
      this.append(element('li', kind, text));
    }

    append(item) {
      const last = this.list.lastElementChild;
      if (last && this.following !== undefined) {
        this.following = last.getBoundingClientRect().top < innerHeight;
      }
      this.list.append(item);
      if (this.list.children.length > ROWS) this.list.firstElementChild.remove();
      if (this.rows.size > ROWS) this.rows.delete(this.rows.keys().next().value);
    }
  }

  class FrameView extends HTMLElement {
    connectedCallback() {
      this.clear();
      this.listen();
    }

    disconnectedCallback() {
      this.source.close();
      clearTimeout(this.retry);
    }

    clear() {
      this.sessions = new Map();
      this.replaceChildren();
    }

    listen() {
      this.source = new EventSource(this.getAttribute('src'));
      this.source.addEventListener('open', () => this.tell('live'));
      this.source.addEventListener('message', (message) => this.take(JSON.parse(message.data)));
      this.source.addEventListener('error', () => {
        this.tell('away');
        // The browser itself tries again after a broken stream, and not after an answer it dislikes.
        if (this.source.readyState === EventSource.CLOSED) {
          this.retry = setTimeout(() => this.listen(), RETRY);
        }
      });
    }

    tell(state) {
      this.dispatchEvent(new CustomEvent('state', { detail: state }));
    }

    take(entry) {
      switch (entry.event) {
        case 'begin':
          return this.clear();
        case 'over':
          this.source.close();
          return this.tell('over');
        case 'lost':
          return this.append(element('p', 'loss', `${count(entry.count, 'event')} came too fast for this page and are not shown.`));
      }
      let session = this.sessions.get(entry.session);
      if (!session) {
        session = new Session(entry.session);
        this.sessions.set(entry.session, session);
        this.append(session.box);
      }
      session.take(entry, this.getAttribute('own'));
    }

    append(box) {
      super.append(box);
      if (this.children.length > SESSIONS) this.firstElementChild.remove();
      if (this.sessions.size > SESSIONS) this.sessions.delete(this.sessions.keys().next().value);
    }
  }

  customElements.define('frame-view', FrameView);
})();
