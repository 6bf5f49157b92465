// A page, and a WebSocket at / that says what it hears and where it is.
'use strict';
const http = require('http');
const { WebSocketServer } = require('ws');

const server = http.createServer((request, response) => response.end(`chat: ${request.url}\n`));
new WebSocketServer({ server, path: '/' }).on('connection', (socket, request) => {
  socket.on('message', (data) => socket.send(`${request.headers['x-forwarded-prefix']} ${data}`));
});
server.listen(process.env.SOCKET);
