import { expect, it } from 'vitest';
import { describeHealth } from './health';

it('tells apart ready and not', () => {
    expect(describeHealth(200)).toBe('Lightdash is ready');
    expect(describeHealth(500)).toContain('500');
});
