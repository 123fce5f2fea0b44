import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'crypto';
import { secret } from './config';

const SALT = 64;
const IV = 12;
const TAG = 16;

const key = (salt: Buffer): Buffer => pbkdf2Sync(secret(), salt, 2000, 32, 'sha512');

/** Salt, vector, tag and text, as one. */
export const encrypt = (plain: string): Buffer => {
    const salt = randomBytes(SALT);
    const iv = randomBytes(IV);
    const cipher = createCipheriv('aes-256-gcm', key(salt), iv);
    const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return Buffer.concat([salt, iv, cipher.getAuthTag(), text]);
};

/** Fails where the secret is another one than it was encrypted with. */
export const decrypt = (sealed: Buffer): string => {
    const salt = sealed.subarray(0, SALT);
    const iv = sealed.subarray(SALT, SALT + IV);
    const tag = sealed.subarray(SALT + IV, SALT + IV + TAG);
    const decipher = createDecipheriv('aes-256-gcm', key(salt), iv);
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(sealed.subarray(SALT + IV + TAG)), decipher.final()]).toString('utf8');
};
