// The plainest server a customer may have: it handles no signal, and dies of the first with all that it has under way.
'use strict';
const http = require('http');
const { SOCKET, IP, PORT } = process.env;
http.createServer((request, response) => {
    const answer = () => response.end(`${process.pid}\n`);
    request.resume().on('end', () => (request.url === '/slow' ? setTimeout(answer, 30) : answer()));
}).listen(SOCKET ?? { host: IP, port: PORT });
