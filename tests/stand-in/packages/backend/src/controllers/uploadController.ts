import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { s3 } from '../config';
import type { Route } from '../routes';
import { userOf } from '../sessions';

const client = (): S3Client => {
    const { endpoint, region, accessKey, secretKey, forcePathStyle } = s3();
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
    return new S3Client({ endpoint, region, credentials, forcePathStyle });
};

export const routes: Route[] = [
    {
        method: 'put',
        path: '/api/v1/uploads/:name',
        handle: async (request) => {
            await userOf(request);
            const Key = request.params.name;
            const Body = JSON.stringify(request.body);
            await client().send(new PutObjectCommand({ Bucket: s3().bucket, Key, Body }));
            return { bucket: s3().bucket, key: Key };
        },
    },
    {
        method: 'get',
        path: '/api/v1/uploads/:name',
        handle: async (request) => {
            await userOf(request);
            const Key = request.params.name;
            const object = await client().send(new GetObjectCommand({ Bucket: s3().bucket, Key }));
            return JSON.parse((await object.Body?.transformToString()) ?? 'null');
        },
    },
    {
        // Where a web page may put a file by itself.
        method: 'post',
        path: '/api/v1/uploads/:name/url',
        handle: async (request) => {
            await userOf(request);
            const command = new PutObjectCommand({ Bucket: s3().bucket, Key: request.params.name });
            return { url: await getSignedUrl(client(), command, { expiresIn: 300 }) };
        },
    },
];
