import type { Route } from '../routes';
import { logIn, userOf } from '../sessions';

export const routes: Route[] = [
    {
        method: 'post',
        path: '/api/v1/login',
        handle: async (request) => {
            const cookie = await logIn(String(request.body.email), String(request.body.password));
            request.res?.setHeader('Set-Cookie', cookie);
            return { email: request.body.email };
        },
    },
    { method: 'get', path: '/api/v1/user', handle: userOf },
];
