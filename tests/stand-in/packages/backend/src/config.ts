/** What the environment has to say. A variable that is missing ends the program with its name. */
const text = (name: string): string => {
    const value = process.env[name];
    if (value === undefined || value === '') throw new Error(`${name} is not set`);
    return value;
};

const port = (name: string): number => {
    const value = Number(text(name));
    if (!Number.isInteger(value) || value < 1 || value > 65535) throw new Error(`${name} is no port: ${process.env[name]}`);
    return value;
};

export const database = () => ({
    host: text('PGHOST'),
    port: port('PGPORT'),
    user: text('PGUSER'),
    password: text('PGPASSWORD'),
    database: text('PGDATABASE'),
});

export const secret = (): string => text('LIGHTDASH_SECRET');
export const demoDir = (): string => text('DBT_DEMO_DIR');

export const web = () => ({
    port: port('PORT'),
    siteUrl: text('SITE_URL'),
    secureCookies: process.env.SECURE_COOKIES === 'true',
});

export const s3 = () => ({
    endpoint: text('S3_ENDPOINT'),
    region: text('S3_REGION'),
    bucket: text('S3_BUCKET'),
    accessKey: text('S3_ACCESS_KEY'),
    secretKey: text('S3_SECRET_KEY'),
    forcePathStyle: process.env.S3_FORCE_PATH_STYLE === 'true',
});
