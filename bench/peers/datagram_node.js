// Datagram echo with Node's dgram. Usage: datagram_node.js PORT.
const dgram = require('node:dgram');

const socket = dgram.createSocket('udp4');
socket.on('message', (data, sender) => socket.send(data, sender.port, sender.address));
socket.bind(Number(process.argv[2]), '127.0.0.1');
