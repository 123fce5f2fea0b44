import knex, { type Knex } from 'knex';
import config from './knexfile';

export const db: Knex = knex(config);

/** The migrations that the code has and the database has not. The folder is read at each call. */
export const pendingMigrations = async (): Promise<string[]> => {
    const [, pending] = (await db.migrate.list()) as [unknown[], { file: string }[]];
    return pending.map((it) => it.file);
};
