// A check of the running server from outside: a note with an attachment is written, read and removed.
const assert = require('node:assert/strict');

const { env } = process;
const url = `http://localhost:${env.PORT}/parse`;

async function call(method, path, body, type = 'application/json') {
  const headers = {
    'X-Parse-Application-Id': env.PARSE_APP_ID,
    'X-Parse-REST-API-Key': env.PARSE_REST_KEY,
    ...(body && { 'Content-Type': type }),
  };
  const answer = await fetch(url + path, { method, headers, body });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? '' : await answer.text()}`);
  return answer.json();
}

async function main() {
  assert.deepEqual(await call('GET', '/health'), { status: 'ok' });
  const file = await call('POST', '/files/check.txt', 'some bytes', 'text/plain');
  const attachment = { __type: 'File', name: file.name, url: file.url };
  const note = JSON.stringify({ title: 'A check', attachment });
  const { objectId } = await call('POST', '/classes/Note', note);
  const read = await call('GET', `/classes/Note/${objectId}`);
  assert.equal(read.title, 'A check');
  assert.equal(await (await fetch(read.attachment.url)).text(), 'some bytes');
  await call('DELETE', `/classes/Note/${objectId}`);
  console.log('server, database and bucket work');
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
