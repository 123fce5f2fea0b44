import type { Request } from 'express';

/** One way into the API. What it gives back is the `results`; what it throws becomes an error. */
export type Route = {
    method: 'get' | 'post' | 'put';
    path: string;
    handle: (request: Request) => Promise<unknown>;
};
