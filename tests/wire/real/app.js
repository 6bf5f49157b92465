// A customer's Node program: pages, uploads, server-sent events, WebSockets. Prints its port once it listens.
'use strict';
const http = require('http');
const crypto = require('crypto');

const feeds = new Set();

const server = http.createServer((request, response) => {
  const path = request.url.split('?')[0];
  if (path === '/events') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    let count = 0;
    const timer = setInterval(() => {
      response.write(`data: ${++count}\n\n`);
      if (count === 5) {
        clearInterval(timer);
        response.end();
      }
    }, 50);
    return;
  }
  if (path === '/feed') {
    // Without an end.
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: 0\n\n');
    feeds.add(response);
    response.on('close', () => feeds.delete(response));
    return;
  }
  if (path === '/publish') {
    for (const feed of feeds) feed.write('data: news\n\n');
    response.end(`${feeds.size}`);
    return;
  }
  const hash = crypto.createHash('sha256');
  let length = 0;
  request.on('data', (piece) => { hash.update(piece); length += piece.length; });
  request.on('end', () => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({
      method: request.method, url: request.url, headers: request.headers, length, sha256: hash.digest('hex'),
    }));
  });
});

// Node's own default is five seconds; saying it makes the test that counts on it plain.
server.keepAliveTimeout = 5000;

try {
  const { WebSocketServer } = require('ws');
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
} catch (error) {
  console.error(String(error));
}

server.listen(0, '::1', () => console.log(server.address().port));
