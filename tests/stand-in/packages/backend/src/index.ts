import type { ApiError, ApiOk } from '@lightdash/common';
import { LightdashError } from '@lightdash/common';
import { parse } from '@lightdash/formula';
import { PostgresWarehouseClient } from '@lightdash/warehouses';
import express, { type Request, type Response } from 'express';
import * as config from './config';
import { db } from './database';
import { ALL } from './generated/routes';
import type { Route } from './routes';

// All of it has to be there before anybody is served.
config.secret();
config.s3();
parse(String(PostgresWarehouseClient.bundle().length));

const answer = (route: Route) => async (request: Request, response: Response): Promise<void> => {
    try {
        const body: ApiOk<unknown> = { status: 'ok', results: await route.handle(request) };
        response.json(body);
    } catch (error) {
        const statusCode = error instanceof LightdashError ? error.statusCode : 500;
        const { name, message } = error as Error;
        console.error(`${request.method} ${request.path}: ${name}: ${message}`);
        const body: ApiError = { status: 'error', error: { statusCode, name, message } };
        response.status(statusCode).json(body);
    }
};

const app = express();
app.use(express.json());
for (const route of ALL) app[route.method](route.path, answer(route));

const { port } = config.web();
const server = app.listen(port, '127.0.0.1', () => console.log(`Lightdash API on http://localhost:${port}`));
server.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
});

process.on('SIGTERM', () => {
    server.close(() => db.destroy().finally(() => process.exit(0)));
    server.closeAllConnections();
});
