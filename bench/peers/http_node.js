// HTTP/1.1 with Node's http, GET /plaintext only, the Date being Node's own. Usage: http_node.js PORT.
const http = require('node:http');

const server = http.createServer((request, response) => {
  const found = request.url === '/plaintext';
  const body = found ? 'Hello, World!' : '';
  response.writeHead(found ? 200 : 404, {
    Server: 'node',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
});
server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
