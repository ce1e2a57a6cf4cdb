// A peer of Node's tls. Usage: peer.js client ADDRESS CA [starttls] | peer.js server CERTIFICATE KEY.
// The client says what comes on standard input, then its end, and prints what it hears; the server echoes.
"use strict";

const fs = require("fs");
const net = require("net");
const tls = require("tls");

function fail(error) {
  console.error(error);
  process.exit(1);
}

function talk(options) {
  const conn = tls.connect(options, () => {
    process.stderr.write(`${conn.getProtocol()} ${conn.alpnProtocol}\n`);
    process.stdin.pipe(conn); // and its end with it
  });
  conn.on("error", fail);
  conn.pipe(process.stdout);
}

function client(address, ca, startsPlain) {
  const [host, port] = address.split(":");
  const options = { ca: fs.readFileSync(ca), servername: "server.example", ALPNProtocols: ["toy"] };
  if (!startsPlain) {
    talk({ host, port, ...options });
    return;
  }
  const plain = net.connect({ host, port }, () => plain.write("STARTTLS\r\n"));
  plain.on("error", fail);
  plain.once("data", () => talk({ socket: plain, ...options }));
}

function server(certificate, key) {
  const options = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key), ALPNProtocols: ["toy"] };
  const listener = tls.createServer(options, (conn) => {
    conn.on("error", fail);
    conn.pipe(conn);
    listener.close();
  });
  listener.listen(0, "127.0.0.1", () => console.log(listener.address().port));
}

if (process.argv[2] === "client") client(process.argv[3], process.argv[4], process.argv.length > 5);
else server(process.argv[3], process.argv[4]);
