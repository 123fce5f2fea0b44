import type { PostgresCredentials } from '@lightdash/common';
import type { Knex } from 'knex';
import { database, demoDir } from './config';
import { decrypt, encrypt } from './encryption';

/** Those of the environment: the demo project's warehouse is the application's own database. */
const ofEnvironment = (): PostgresCredentials => {
    const { host, port, user, password, database: dbname } = database();
    return { type: 'postgres', host, port, user, password, dbname, schema: 'jaffle' };
};

/** Seals the environment's credentials and the place of the dbt project into the demo project. */
export const sealCredentials = async (db: Knex, projectId: number): Promise<void> => {
    const dbtConnection = { type: 'dbt', project_dir: `${demoDir()}/dbt`, profiles_dir: `${demoDir()}/profiles` };
    await db('projects')
        .where({ project_id: projectId })
        .update({ dbt_connection: encrypt(JSON.stringify(dbtConnection)) });
    await db('warehouse_credentials')
        .insert({
            project_id: projectId,
            warehouse_type: 'postgres',
            encrypted_credentials: encrypt(JSON.stringify(ofEnvironment())),
        })
        .onConflict('project_id')
        .merge();
};

export const openCredentials = async (db: Knex, projectId: number): Promise<PostgresCredentials> => {
    const row = await db('warehouse_credentials').where({ project_id: projectId }).first();
    return JSON.parse(decrypt(row.encrypted_credentials));
};

export const openDbtConnection = async (db: Knex, projectId: number): Promise<{ project_dir: string }> => {
    const row = await db('projects').where({ project_id: projectId }).first();
    return JSON.parse(decrypt(row.dbt_connection));
};
