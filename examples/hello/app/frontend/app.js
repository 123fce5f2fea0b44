// The page: says whose stack this is, lists the notes, adds one. Text from outside is only ever set
// as text, never as HTML.

const $ = (id) => document.getElementById(id);
const config = await (await fetch("config.json")).json();
const api = `${location.protocol}//${location.hostname}:${config.apiPort}/api/v1`;

document.title = config.agent;
$("agent").textContent = config.agent;
$("branch").textContent = config.branch ?? "none";
$("database").textContent = config.database;
$("bucket").textContent = config.bucket;
$("api").textContent = `:${config.apiPort}/api/v1/health`;
$("api").href = `${api}/health`;
// A colour of its own for each agent, so that two tabs are not mistaken for each other.
const hue = [...config.agent].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
document.documentElement.style.setProperty("--hue", (hue * 137) % 360);

async function call(path, options) {
  const answer = await fetch(api + path, options);
  if (!answer.ok) {
    const { error } = await answer.json().catch(() => ({}));
    throw new Error(error ?? `the API answers ${answer.status}`);
  }
  return answer.status === 204 ? null : answer.json();
}

function element(name, text, properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

function show(note) {
  const item = element("li");
  const about = element("small");
  about.append(element("span", new Date(note.createdAt).toLocaleString()));
  about.append(element("span", note.words === null ? "not counted yet" : `${note.words} words`));
  if (note.attachment) {
    const { name, size } = note.attachment;
    about.append(element("a", `${name} (${size} bytes)`, { href: `${api}/notes/${note.id}/attachment` }));
  }
  item.append(element("p", note.body), about);
  return item;
}

let shown = "";

async function refresh() {
  const state = $("state");
  try {
    await call("/health");
    const notes = await call("/notes");
    state.textContent = "ready";
    state.className = "state ok";
    const text = JSON.stringify(notes);
    if (text !== shown) {
      $("notes").replaceChildren(...notes.map(show));
      shown = text;
    }
  } catch (error) {
    state.textContent = error instanceof TypeError ? "the API does not answer" : error.message;
    state.className = "state bad";
  }
}

$("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = $("problem");
  problem.hidden = true;
  try {
    const { id } = await call("/notes", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ body: $("body").value }),
    });
    const file = $("file").files[0];
    if (file) {
      await call(`/notes/${id}/attachment?name=${encodeURIComponent(file.name)}`, {
        method: "PUT",
        headers: { "Content-Type": file.type || "application/octet-stream" },
        body: file,
      });
    }
    $("add").reset();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
  await refresh();
});

await refresh();
setInterval(refresh, 2000);
