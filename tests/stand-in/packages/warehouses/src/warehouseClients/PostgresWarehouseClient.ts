import type { PostgresCredentials } from '@lightdash/common';
import fs from 'fs';
import path from 'path';
import { Client } from 'pg';

// Read as the module is loaded: whoever starts without a build of this package ends at once.
const CA_BUNDLE = fs.readFileSync(path.join(__dirname, 'ca-bundle-aws-redshift.crt'), 'utf8');

export class PostgresWarehouseClient {
    constructor(private readonly credentials: PostgresCredentials) {}

    static bundle(): string {
        return CA_BUNDLE;
    }

    async query<T extends object>(sql: string): Promise<T[]> {
        const { host, port, user, password, dbname } = this.credentials;
        const client = new Client({ host, port, user, password, database: dbname });
        await client.connect();
        try {
            return (await client.query<T>(sql)).rows;
        } finally {
            await client.end();
        }
    }
}
