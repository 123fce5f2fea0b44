/** How a warehouse is reached, as a project's credentials hold it. */
export type PostgresCredentials = {
    type: 'postgres';
    host: string;
    port: number;
    user: string;
    password: string;
    dbname: string;
    schema: string;
};

export type ApiError = { status: 'error'; error: { statusCode: number; name: string; message: string } };
export type ApiOk<T> = { status: 'ok'; results: T };

/** An error that the API tells with its own status. */
export class LightdashError extends Error {
    constructor(
        readonly statusCode: number,
        name: string,
        message: string,
    ) {
        super(message);
        this.name = name;
    }
}

/** `Jaffle shop` → `jaffle-shop` */
export const slugify = (name: string): string =>
    name
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, '');
