// One program for all tenants, told apart by their names.
'use strict';
require('http').createServer((request, response) => {
  response.end(`tenant ${request.headers.host.split('.')[0]}\n`);
}).listen(process.env.SOCKET);
