// HTTP/1.1 with Node's http, GET /hello only. Usage: http_node.js PORT.
const http = require('node:http');

const server = http.createServer((request, response) => {
  const found = request.url === '/hello';
  const body = found ? 'hello\n' : '';
  response.writeHead(found ? 200 : 404, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
});
server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
