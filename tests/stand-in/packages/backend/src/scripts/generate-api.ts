/**
 * Writes what the controllers bring about: routes.ts, which names them all, and swagger.json. They are read, not run. A file that
 * would be the same is left alone, and so is whoever watches it.
 */
import fs from 'fs';
import path from 'path';

const SOURCE = path.join(__dirname, '..');
const FOLDER = path.join(SOURCE, 'controllers');
const ROUTE = /method: '(\w+)',\s+path: '([^']+)'/g;

const write = (name: string, text: string): void => {
    const file = path.join(SOURCE, 'generated', name);
    if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) return;
    fs.writeFileSync(file, text);
    console.log(`${name} written`);
};

const names = fs
    .readdirSync(FOLDER)
    .filter((name) => name.endsWith('Controller.ts'))
    .map((name) => name.slice(0, -3))
    .sort();

const imports = names.map((name) => `import { routes as ${name} } from '../controllers/${name}';\n`);
write('routes.ts', `${imports.join('')}\nexport const ALL = [${names.join(', ')}].flat();\n`);

const paths: Record<string, Record<string, object>> = {};
for (const name of names) {
    const text = fs.readFileSync(path.join(FOLDER, `${name}.ts`), 'utf8');
    for (const [, method, route] of text.matchAll(ROUTE)) paths[route] = { ...paths[route], [method]: {} };
}
write('swagger.json', `${JSON.stringify({ openapi: '3.0.0', paths }, null, 4)}\n`);
console.log(`api of ${names.length} controllers`);
