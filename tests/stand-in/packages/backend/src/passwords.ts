import { randomBytes, scryptSync, timingSafeEqual } from 'crypto';

export const hashPassword = (password: string): string => {
    const salt = randomBytes(16).toString('hex');
    return `${salt}:${scryptSync(password, salt, 32).toString('hex')}`;
};

export const isPassword = (password: string, hash: string): boolean => {
    const [salt, sum] = hash.split(':');
    return timingSafeEqual(scryptSync(password, salt, 32), Buffer.from(sum, 'hex'));
};
