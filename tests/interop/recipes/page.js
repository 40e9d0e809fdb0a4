'use strict';
// The files that a page of the documents has its reader write: code blocks with a file name behind
// their language.

const fs = require('fs');
const path = require('path');

const DOCS = path.join(__dirname, '..', '..', '..', 'docs');
const BLOCK = /^```(\w+) (\S+)\n([^]*?)^```$/gm;

/// The files of a page, by name.
function filesOf(page) {
  const text = fs.readFileSync(path.join(DOCS, page), 'utf8');
  return new Map([...text.matchAll(BLOCK)].map(([, , name, content]) => [name, content]));
}

/// Writes the files of a page into `folder`.
function write(files, folder) {
  for (const [name, content] of files) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
}

module.exports = { filesOf, write };
