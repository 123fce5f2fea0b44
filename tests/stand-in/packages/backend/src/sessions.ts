import { LightdashError } from '@lightdash/common';
import { randomBytes } from 'crypto';
import type { Request } from 'express';
import { web } from './config';
import { db } from './database';
import { isPassword } from './passwords';

const COOKIE = 'connect.sid';
const DAY = 24 * 60 * 60 * 1000;

/** The cookie of a new session. */
export const logIn = async (email: string, password: string): Promise<string> => {
    const row = await db('emails')
        .join('password_logins', 'password_logins.user_id', 'emails.user_id')
        .where({ email })
        .first();
    if (!row || !isPassword(password, row.password_hash)) {
        throw new LightdashError(401, 'AuthorizationError', 'Email and password not recognized');
    }
    const sid = randomBytes(24).toString('hex');
    await db('sessions').insert({
        sid,
        sess: JSON.stringify({ userId: row.user_id }),
        expired: new Date(Date.now() + DAY),
    });
    return `${COOKIE}=${sid}; Path=/; HttpOnly; SameSite=Lax${web().secureCookies ? '; Secure' : ''}`;
};

/** Whose session a request belongs to. */
export const userOf = async (request: Request): Promise<{ userId: number; email: string }> => {
    const cookies = (request.headers.cookie ?? '').split('; ');
    const sid = cookies.find((it) => it.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1) ?? '';
    const session = await db('sessions').where({ sid }).andWhere('expired', '>', new Date()).first();
    if (!session) throw new LightdashError(401, 'AuthorizationError', 'Not logged in');
    const { userId } = session.sess;
    const { email } = await db('emails').where({ user_id: userId }).first();
    return { userId, email };
};
