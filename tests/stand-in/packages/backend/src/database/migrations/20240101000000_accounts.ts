import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
    await knex.raw('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"');
    await knex.schema.createTable('organizations', (table) => {
        table.increments('organization_id');
        table.string('organization_name').notNullable();
    });
    await knex.schema.createTable('users', (table) => {
        table.increments('user_id');
        table.uuid('user_uuid').notNullable().defaultTo(knex.raw('uuid_generate_v4()'));
        table.integer('organization_id').references('organizations.organization_id').onDelete('CASCADE');
        table.string('first_name').notNullable();
    });
    await knex.schema.createTable('emails', (table) => {
        table.increments('email_id');
        table.integer('user_id').references('users.user_id').onDelete('CASCADE');
        table.string('email').notNullable().unique();
    });
    await knex.schema.createTable('password_logins', (table) => {
        table.integer('user_id').primary().references('users.user_id').onDelete('CASCADE');
        table.string('password_hash').notNullable();
    });
    await knex.schema.createTable('sessions', (table) => {
        table.string('sid').primary();
        table.json('sess').notNullable();
        table.timestamp('expired').notNullable();
    });
}

export async function down(knex: Knex): Promise<void> {
    for (const table of ['sessions', 'password_logins', 'emails', 'users', 'organizations']) {
        await knex.schema.dropTable(table);
    }
}
