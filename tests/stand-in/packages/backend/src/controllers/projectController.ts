import { PostgresWarehouseClient } from '@lightdash/warehouses';
import { openCredentials, openDbtConnection } from '../credentials';
import { db } from '../database';
import type { Route } from '../routes';
import { userOf } from '../sessions';

export const routes: Route[] = [
    {
        // What a query of the demo project runs into: its own credentials, opened, and its warehouse, asked.
        method: 'get',
        path: '/api/v1/projects/:slug/warehouse',
        handle: async (request) => {
            await userOf(request);
            const project = await db('projects').where({ slug: request.params.slug }).first();
            const credentials = await openCredentials(db, project.project_id);
            const dbt = await openDbtConnection(db, project.project_id);
            const warehouse = new PostgresWarehouseClient(credentials);
            const [row] = await warehouse.query<{ database: string; orders: number }>(
                `SELECT current_database() AS database, count(*)::int AS orders FROM ${credentials.schema}.orders`,
            );
            return { ...row, dbtProjectDir: dbt.project_dir };
        },
    },
];
