import { slugify } from '@lightdash/common';
import type { Knex } from 'knex';
import { sealCredentials } from '../../../credentials';
import { hashPassword } from '../../../passwords';

export async function seed(knex: Knex): Promise<void> {
    await knex('organizations').del();
    const [{ organization_id }] = await knex('organizations')
        .insert({ organization_name: 'Jaffle Shop' })
        .returning('organization_id');
    const [{ user_id }] = await knex('users').insert({ organization_id, first_name: 'David' }).returning('user_id');
    await knex('emails').insert({ user_id, email: 'demo@lightdash.com' });
    await knex('password_logins').insert({ user_id, password_hash: hashPassword('demo_password!') });
    const name = 'Jaffle shop';
    const [{ project_id }] = await knex('projects')
        .insert({ organization_id, name, slug: slugify(name) })
        .returning('project_id');
    await sealCredentials(knex, project_id);
}
