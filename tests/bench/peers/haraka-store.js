'use strict';
// Stores each message in a file of its own, synced before it is answered; and
// does not look up the client's name, as no other peer does.
const fs = require('node:fs');
const directory = process.env.HARAKA_STORE;

exports.hook_lookup_rdns = function (next) {
  next(OK, 'client.example');
};

exports.hook_queue = function (next, connection) {
  const { uuid, message_stream } = connection.transaction;
  const temporary = `${directory}/tmp/${uuid}`;
  const file = fs.createWriteStream(temporary, { flags: 'wx', flush: true });
  file.on('error', () => next(DENYSOFT));
  file.on('close', () => {
    fs.rename(temporary, `${directory}/new/${uuid}`, (error) => {
      next(error ? DENYSOFT : OK);
    });
  });
  message_stream.pipe(file);
};
