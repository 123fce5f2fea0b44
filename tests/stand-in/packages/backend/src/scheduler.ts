import { PostgresWarehouseClient } from '@lightdash/warehouses';
import http from 'http';
import * as config from './config';
import { db, pendingMigrations } from './database';

console.log(`bundle of ${PostgresWarehouseClient.bundle().length} bytes`);
config.secret();

const { port } = config.web();
const server = http.createServer((_, response) => {
    pendingMigrations()
        .then((pending) => response.writeHead(pending.length > 0 ? 500 : 200).end('scheduler\n'))
        .catch((error) => response.writeHead(500).end(`${error.message}\n`));
});
server.listen(port, '127.0.0.1', () => console.log(`Scheduler on http://localhost:${port}`));
server.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
});

process.on('SIGTERM', () => {
    server.close(() => db.destroy().finally(() => process.exit(0)));
    server.closeAllConnections();
});
