// A customer's Node program as Parvis starts it: listens where it is told to, and handles no signal.
'use strict';
require('http').createServer((request, response) => response.end('a page of node\n')).listen(process.env.SOCKET);
