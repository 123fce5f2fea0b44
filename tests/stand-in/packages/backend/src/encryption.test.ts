import { beforeEach, expect, it } from 'vitest';
import { decrypt, encrypt } from './encryption';

beforeEach(() => {
    process.env.LIGHTDASH_SECRET = 'one';
});

it('gives back what it was given', () => {
    expect(decrypt(encrypt('{"dbname":"agent_1"}'))).toBe('{"dbname":"agent_1"}');
});

it('opens nothing with another secret', () => {
    const sealed = encrypt('text');
    process.env.LIGHTDASH_SECRET = 'other';
    expect(() => decrypt(sealed)).toThrow();
});
