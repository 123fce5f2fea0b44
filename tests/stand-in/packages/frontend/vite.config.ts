import { defineConfig } from 'vite';

// The API's port; the own one comes with the command.
const target = `http://127.0.0.1:${process.env.PORT}`;

export default defineConfig({
    clearScreen: false,
    server: {
        host: '127.0.0.1',
        port: Number(process.env.FE_PORT),
        proxy: {
            '/api': { target, changeOrigin: true },
            '/.well-known': { target, changeOrigin: true },
            '/slack/events': { target, changeOrigin: true },
        },
    },
});
