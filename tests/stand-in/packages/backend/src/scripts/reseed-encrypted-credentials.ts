/**
 * Seals the credentials of every project anew: a cloned database has those of the database that it is a clone of.
 */
import { sealCredentials } from '../credentials';
import { db } from '../database';

const main = async (): Promise<void> => {
    const projects: { project_id: number }[] = await db('projects').select('project_id');
    for (const { project_id } of projects) await sealCredentials(db, project_id);
    console.log(`credentials of ${projects.length} project(s) sealed anew`);
};

main()
    .catch((error) => {
        console.error(error);
        process.exitCode = 1;
    })
    .finally(() => db.destroy());
