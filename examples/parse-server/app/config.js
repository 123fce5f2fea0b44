// What this backend is, from its environment: `parse-server config.js` is the whole server.
const { env } = process;

// The password may be anything, so it is not spliced in as it is.
const login = `${env.PGUSER}:${encodeURIComponent(env.PGPASSWORD)}`;

module.exports = {
  appName: 'notes',
  appId: env.PARSE_APP_ID,
  masterKey: env.PARSE_MASTER_KEY,
  restAPIKey: env.PARSE_REST_KEY,
  host: '127.0.0.1',
  port: Number(env.PORT),
  mountPath: '/parse',
  serverURL: `http://localhost:${env.PORT}/parse`,
  databaseURI: `postgres://${login}@${env.PGHOST}:${env.PGPORT}/${env.PGDATABASE}`,
  // The server changes the database to this whenever it starts.
  schema: { definitions: require('./schemas'), strict: true, lockSchemas: true },
  // It finds the bucket's name, its region and its key in the environment by itself.
  filesAdapter: {
    module: '@parse/s3-files-adapter',
    options: { s3overrides: { endpoint: env.S3_ENDPOINT, forcePathStyle: true } },
  },
  fileUpload: { enableForPublic: true },
  logsFolder: null, // what it says goes to its output, which the controller keeps and rotates
  // As the next release has them.
  encodeParseObjectInCloudFunction: true,
  enableInsecureAuthAdapters: false,
  databaseOptions: { allowPublicExplain: false },
};
