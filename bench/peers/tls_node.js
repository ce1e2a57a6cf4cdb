// Stream echo by TLS with Node's tls, backpressure included. Usage: tls_node.js PORT CERTIFICATE KEY.
const { readFileSync } = require('node:fs');
const tls = require('node:tls');

const [port, cert, key] = process.argv.slice(2);
const options = { noDelay: true, cert: readFileSync(cert), key: readFileSync(key) };
const server = tls.createServer(options, (socket) => {
  socket.on('error', () => socket.destroy()); // the client has gone
  socket.pipe(socket);
});
server.listen({ host: '127.0.0.1', port: Number(port), backlog: 4096 });
