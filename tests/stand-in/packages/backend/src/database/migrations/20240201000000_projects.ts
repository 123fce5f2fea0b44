import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
    await knex.schema.createTable('projects', (table) => {
        table.increments('project_id');
        table.uuid('project_uuid').notNullable().defaultTo(knex.raw('uuid_generate_v4()'));
        table.integer('organization_id').references('organizations.organization_id').onDelete('CASCADE');
        table.string('name').notNullable();
        table.string('slug').notNullable().unique();
        table.binary('dbt_connection');
    });
    await knex.schema.createTable('warehouse_credentials', (table) => {
        table.integer('project_id').primary().references('projects.project_id').onDelete('CASCADE');
        table.string('warehouse_type').notNullable();
        table.binary('encrypted_credentials').notNullable();
    });
}

export async function down(knex: Knex): Promise<void> {
    await knex.schema.dropTable('warehouse_credentials');
    await knex.schema.dropTable('projects');
}
