import parser from '@typescript-eslint/parser';

export default [
    { ignores: ['**/dist/**', '**/build/**', '**/generated/**'] },
    {
        files: ['**/*.ts'],
        languageOptions: { parser },
        rules: {
            'no-var': 'error',
            'no-debugger': 'error',
            'prefer-const': 'error',
            eqeqeq: 'error',
        },
    },
];
