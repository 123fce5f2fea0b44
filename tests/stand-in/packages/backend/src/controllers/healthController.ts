import { LightdashError } from '@lightdash/common';
import { pendingMigrations } from '../database';
import type { Route } from '../routes';

export const routes: Route[] = [
    {
        method: 'get',
        path: '/api/v1/health',
        handle: async () => {
            const pending = await pendingMigrations();
            if (pending.length > 0) {
                throw new LightdashError(500, 'UnexpectedDatabaseError', 'Database has not been migrated yet');
            }
            return { healthy: true, mode: process.env.LIGHTDASH_MODE, siteUrl: process.env.SITE_URL };
        },
    },
    { method: 'get', path: '/api/v1/livez', handle: async () => ({ healthy: true }) },
];
