import type { Knex } from 'knex';
import path from 'path';
import { database } from './config';

const config: Knex.Config = {
    client: 'pg',
    connection: database(),
    pool: { min: 0, max: 5 },
    migrations: {
        directory: path.join(__dirname, 'database/migrations'),
        tableName: 'knex_migrations',
        extension: 'ts',
        loadExtensions: ['.ts'],
    },
    seeds: {
        directory: path.join(__dirname, 'database/seeds/development'),
        loadExtensions: ['.ts'],
    },
};

export default config;
