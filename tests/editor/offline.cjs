// Loaded before the language server: whatever would leave this machine is refused, and told on standard error.
"use strict";

const dns = require("node:dns");
const net = require("node:net");

function refuse(what) {
  process.stderr.write(`NETWORK: ${what}\n`);
  throw new Error(`no network here: ${what}`);
}

net.Socket.prototype.connect = (...where) => refuse(`connect ${JSON.stringify(where[0])}`);
dns.lookup = (name) => refuse(`look-up of ${name}`);
globalThis.fetch = (where) => refuse(`fetch ${where}`);
