'use strict';
require('http').createServer((request, response) => response.end(`office: ${request.url}\n`)).listen(process.env.SOCKET);
