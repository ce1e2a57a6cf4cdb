// HTTP/1.1 with Node's http, GET /plaintext only, the Date being Node's own. Usage: http_node.js PORT.
const http = require('node:http');

// Calls `before` for each request.
function listen(port, before) {
  const server = http.createServer((request, response) => {
    before();
    const found = request.url === '/plaintext';
    const body = found ? 'Hello, World!' : '';
    response.writeHead(found ? 200 : 404, {
      Server: 'node',
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
    });
    response.end(body);
  });
  return server.listen({ host: '127.0.0.1', port, backlog: 4096 });
}

module.exports = { listen };
if (require.main === module) listen(Number(process.argv[2]), () => {});
