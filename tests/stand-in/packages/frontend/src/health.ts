/** What a person is told. */
export const describeHealth = (status: number): string =>
    status === 200 ? 'Lightdash is ready' : `Lightdash is not ready (${status})`;
