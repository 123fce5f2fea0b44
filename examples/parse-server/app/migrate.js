// Lets Parse Server bring the database to `schemas.js`, as it does at each start, and writes the first
// note where there is none; then it ends. A template database is made with this.
process.env.NODE_ENV = 'production'; // a migration that fails ends the process, and not well

const assert = require('node:assert/strict');
const { ParseServer } = require('parse-server');

async function main() {
  const server = new ParseServer(require('./config'));
  await server.start();
  assert(server.app); // once it is there, requests of this process need no port
  const { Parse } = global;
  if ((await new Parse.Query('Note').count()) === 0) {
    await new Parse.Object('Note').save({ title: 'Welcome' });
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
