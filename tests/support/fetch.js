// Fetches paths one after another over one connection: node fetch.js URL CA-FILE VERSION SUITE PATH...
// Prints {"connections": N, "files": {PATH: {"status", "size", "sha256"}}}; VERSION and SUITE may be empty.
'use strict';
const crypto = require('crypto');
const fs = require('fs');

const [base, caFile, version, suite, ...paths] = process.argv.slice(2);
const web = base.startsWith('https:') ? require('https') : require('http');
const tls = { servername: 'localhost' };
if (web !== require('http')) tls.ca = fs.readFileSync(caFile);
if (version) Object.assign(tls, { minVersion: version, maxVersion: version, ciphers: suite });
const agent = new web.Agent({ keepAlive: true, maxSockets: 1, ...tls });
const ports = new Set();
const files = {};

function fetchNext() {
  if (!paths.length) {
    console.log(JSON.stringify({ connections: ports.size, files }));
    agent.destroy();
    return;
  }
  const path = paths.shift();
  web.get(base + path, { agent }, (reply) => {
    const hash = crypto.createHash('sha256');
    let size = 0;
    ports.add(reply.socket.localPort);
    reply.on('data', (piece) => { hash.update(piece); size += piece.length; });
    reply.on('error', (error) => { throw error; });
    reply.on('end', () => {
      files[path] = { status: reply.statusCode, size, sha256: hash.digest('hex') };
      fetchNext();
    });
  }).on('error', (error) => { throw error; });
}
fetchNext();
