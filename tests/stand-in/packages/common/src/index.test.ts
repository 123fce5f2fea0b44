import { expect, it } from 'vitest';
import { LightdashError, slugify } from './index';

it('makes slugs', () => {
    expect(slugify(' Jaffle shop (2) ')).toBe('jaffle-shop-2');
});

it('keeps the status of an error', () => {
    expect(new LightdashError(404, 'NotFoundError', 'gone')).toMatchObject({ statusCode: 404, name: 'NotFoundError' });
});
